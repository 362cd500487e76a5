package agent

import (
	"fmt"

	"vitrine/platform/wake"
)

func (a *Agent) newWake() *wake.Listener {
	c := wake.Config{Ports: a.config.Wake.Ports, Senders: a.config.Wake.Senders, Woken: a.woken, Log: a.log}
	if secret := a.config.Wake.Password.Reveal(); secret != "" {
		c.Password, _ = wake.ParsePassword(secret) // the settings were checked
	}
	return wake.NewListener(c)
}

// woken is called for every magic packet for this machine.
func (a *Agent) woken(e wake.Event) {
	a.log.Info("Woken by a magic packet", "peer", e.From, "via", e.Via)
	a.session.Event("wake", fmt.Sprintf("woken by a magic packet from %s", e.From), a.clock.Now())
	a.session.Kick()
	a.library.Refresh()
}
