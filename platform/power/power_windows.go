package power

func program(a Action) []string {
	if a == Suspend {
		return nil // without an alarm it would never come back
	}
	return []string{"shutdown.exe", [...]string{Reboot: "/r", Off: "/s"}[a], "/t", "0"}
}

func permitted() error { return nil }
