package power

func program(a Action) []string {
	return []string{"shutdown.exe", [...]string{Reboot: "/r", Off: "/s"}[a], "/t", "0"}
}

func permitted() error { return nil }
