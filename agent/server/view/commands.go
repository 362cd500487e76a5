package view

import (
	"encoding/json"
	"fmt"
	"time"

	"vitrine/agent/protocol"
)

// identifyFor is how long a screen shows its name.
const identifyFor = 30 * time.Second

// Do has a browser do something. What only a device can do is answered with the reason.
func (v *View) Do(viewer string, c protocol.Command) protocol.Result {
	v.mu.Lock()
	s := v.screens[viewer]
	v.mu.Unlock()
	if s == nil || s.player.Pages() == 0 {
		return failed(c, "no browser has the page open")
	}
	switch c.Name {
	case protocol.CommandIdentify:
		s.player.Identify("", identifyFor)
		return protocol.Result{ID: c.ID, State: protocol.ResultDone}
	case protocol.CommandRestartPlayer:
		data, err := json.Marshal(map[string]int{"pages": s.player.Reload()})
		if err != nil {
			return failed(c, err.Error())
		}
		return protocol.Result{ID: c.ID, State: protocol.ResultDone, Data: data}
	case protocol.CommandRefresh:
		s.player.Tell()
		return protocol.Result{ID: c.ID, State: protocol.ResultDone}
	case protocol.CommandRollback:
		return failed(c, "a browser plays what the site publishes; it can't go back by itself")
	case protocol.CommandPurgeCache:
		return failed(c, "a browser keeps nothing but what its programme needs")
	}
	return failed(c, fmt.Sprintf("%s is for the agent of a device; this viewer is a page in a browser", c.Name))
}

func failed(c protocol.Command, reason string) protocol.Result {
	return protocol.Result{ID: c.ID, State: protocol.ResultFailed, Error: reason}
}
