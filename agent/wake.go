package agent

import "vitrine/platform/wake"

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
	a.rouse("a magic packet from " + e.From)
}
