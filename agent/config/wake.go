package config

import (
	"errors"
	"fmt"

	"vitrine/agent/protocol"
	"vitrine/platform/wake"
)

// magic is the form of [wake].
type magic struct {
	Ports    []int    `toml:"ports"`
	Password string   `toml:"password"`
	Allow    []string `toml:"allow"`
}

// Wake says which magic packets wake the viewer.
type Wake struct {
	// Ports are the UDP ports on which they are awaited.
	Ports []uint16
	// Password is the SecureOn password that they must have; its zero value means none.
	Password protocol.Secret
	// Senders are those who may send them; none means everybody.
	Senders []wake.Sender
}

func (m magic) check() (w Wake, err error) {
	for _, p := range m.Ports {
		if p < 1 || p > 65535 {
			return Wake{}, fmt.Errorf("wake.ports: %d is not a port; want 1 to 65535", p)
		}
		w.Ports = append(w.Ports, uint16(p))
	}
	if m.Password != "" {
		if _, err := wake.ParsePassword(m.Password); err != nil {
			return Wake{}, errors.New("wake.password: " + err.Error())
		}
		w.Password = protocol.NewSecret(m.Password)
	}
	for i, s := range m.Allow {
		sender, err := wake.ParseSender(s)
		if err != nil {
			return Wake{}, fmt.Errorf("wake.allow[%d]: %w", i, err)
		}
		w.Senders = append(w.Senders, sender)
	}
	return w, nil
}
