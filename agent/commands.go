package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/session"
	"vitrine/platform/power"
	"vitrine/platform/wake"
)

// Bounds of a log that is asked for: a result must fit into a message of the session.
const (
	defaultLogLines = 200
	maxLogBytes     = 128 << 10
)

// commands are what a server may have this viewer do. Those that it can't do on this device say why.
func (a *Agent) commands() map[string]session.Handler {
	return map[string]session.Handler{
		protocol.CommandRefresh:       a.refresh,
		protocol.CommandIdentify:      a.identify,
		protocol.CommandRestartPlayer: a.restartPlayer,
		protocol.CommandRestartAgent:  a.restartAgent,
		protocol.CommandReboot:        a.power(power.Reboot),
		protocol.CommandPowerOff:      a.power(power.Off),
		protocol.CommandWake:          a.wakeUp,
		protocol.CommandWakePeer:      wakePeer,
		protocol.CommandLogs:          a.logs,
		protocol.CommandRollback:      a.rollback,
		protocol.CommandPurgeCache:    a.purgeCache,
		protocol.CommandStandby:       a.standBy,
		protocol.CommandScreenshot:    a.screenshot,
		protocol.CommandDoctor:        a.examine,
	}
}

// arguments reads the arguments of a command strictly: what isn't known can't be obeyed.
func arguments(args json.RawMessage, into any) error {
	if len(args) == 0 || string(args) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(args))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("args: %w", err)
	}
	return nil
}

func (a *Agent) refresh(context.Context, json.RawMessage) (session.Outcome, error) {
	a.library.Refresh()
	return session.Outcome{}, nil
}

func (a *Agent) identify(context.Context, json.RawMessage) (session.Outcome, error) {
	a.player.Identify(a.name(), identifyTime)
	return session.Outcome{}, nil
}

// restartPlayer starts the browser again that this viewer runs, or has every open page load itself again.
func (a *Agent) restartPlayer(context.Context, json.RawMessage) (session.Outcome, error) {
	if a.kiosk != nil {
		if a.kiosk.Status().Paused {
			return session.Outcome{}, errors.New("the display is off, and no browser runs before it is on again; then it is a new one")
		}
		if !a.kiosk.Restart("the server wants it") {
			return session.Outcome{}, errors.New("no browser is running; one is started as soon as that can be done, and the status says what is in the way")
		}
		return session.Outcome{Data: map[string]int{"browsers": 1}}, nil
	}
	pages := a.player.Reload()
	if pages == 0 {
		return session.Outcome{}, errors.New("no browser shows the page")
	}
	return session.Outcome{Data: map[string]int{"pages": pages}}, nil
}

// restartAgent ends the agent, which whatever has started it starts again.
func (a *Agent) restartAgent(context.Context, json.RawMessage) (session.Outcome, error) {
	if a.config.Restart == nil {
		return session.Outcome{}, errors.New("this viewer wasn't started as a service, so that nothing would start it again")
	}
	return session.Outcome{After: func() {
		a.pauseTrial()
		a.config.Restart()
	}}, nil
}

// wakePeer sends a magic packet to another machine of this network.
func wakePeer(ctx context.Context, args json.RawMessage) (session.Outcome, error) {
	var peer struct {
		MAC       string     `json:"mac"`
		Broadcast netip.Addr `json:"broadcast"`
		Interface string     `json:"interface"`
		Password  string     `json:"password"`
	}
	if err := arguments(args, &peer); err != nil {
		return session.Outcome{}, err
	}
	mac, err := net.ParseMAC(peer.MAC)
	if err != nil || len(mac) != 6 {
		return session.Outcome{}, fmt.Errorf("args.mac: %.40q is not a MAC address such as 02:11:22:33:44:55", peer.MAC)
	}
	options := wake.SendOptions{Interface: peer.Interface, Broadcast: peer.Broadcast, Ports: []uint16{9, 7}}
	if peer.Password != "" {
		if options.Password, err = wake.ParsePassword(peer.Password); err != nil {
			return session.Outcome{}, fmt.Errorf("args.password: %w", err)
		}
	}
	sent, err := wake.Send(ctx, mac, options)
	if len(sent) == 0 {
		return session.Outcome{}, err
	}
	return session.Outcome{Data: map[string][]string{"sent": sent}}, nil
}

// logs gives the last lines of the log.
func (a *Agent) logs(_ context.Context, args json.RawMessage) (session.Outcome, error) {
	wanted := struct {
		Lines int `json:"lines"`
	}{defaultLogLines}
	if err := arguments(args, &wanted); err != nil {
		return session.Outcome{}, err
	}
	if wanted.Lines < 1 || wanted.Lines > ringLines {
		return session.Outcome{}, fmt.Errorf("args.lines: %d is out of range; want 1 to %d", wanted.Lines, ringLines)
	}
	return session.Outcome{Data: map[string][]string{"lines": a.ring.last(wanted.Lines, maxLogBytes)}}, nil
}

// rollback plays the programme before the present one, until the server wants one that is neither.
func (a *Agent) rollback(context.Context, json.RawMessage) (session.Outcome, error) {
	from, back, err := a.library.Rollback()
	if err != nil {
		return session.Outcome{}, err
	}
	a.declineWish(from)
	a.session.Event("rollback", fmt.Sprintf("plays %s again, in place of %s", back.Manifest.ID, from.Short()), a.clock.Now())
	return session.Outcome{Data: map[string]string{"playing": back.Manifest.ID}}, nil
}

// purgeCache removes what no programme on disk needs.
func (a *Agent) purgeCache(context.Context, json.RawMessage) (session.Outcome, error) {
	files, size, err := a.library.Purge()
	return session.Outcome{Data: map[string]int64{"files": int64(files), "bytes": size}}, err
}

// identifyTime is how long the page shows the viewer's name when it is asked to.
const identifyTime = 30 * time.Second
