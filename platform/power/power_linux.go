package power

import (
	"errors"
	"os"
)

// program is systemd's where that runs the machine (sd_booted(3)), and the traditional one elsewhere.
func program(a Action) []string {
	name := [...]string{Reboot: "reboot", Off: "poweroff"}[a]
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return []string{"systemctl", "--no-ask-password", name}
	}
	return []string{name}
}

func permitted() error {
	if os.Geteuid() != 0 {
		return errors.New("this viewer doesn't run as root, and so may not restart the machine or switch it off; run it as a service")
	}
	return nil
}
