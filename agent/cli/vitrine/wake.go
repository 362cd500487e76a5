package vitrine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/protocol"
	"vitrine/platform/wake"
)

var wakeCommand = cli.Command{
	Name:    "wake",
	Summary: "wake a machine by a magic packet, or listen for magic packets",
	Usage:   "NAME|MAC [OPTIONS] | --listen [OPTIONS]",
	Help: `NAME is a viewer's, if it answers on this network or has been seen on it before: by the viewer on this
machine, or by "vitrine discover --viewers". The packet goes by UDP to every network of this machine, and
with --raw as an Ethernet frame, which needs root. With --listen each packet that arrives is printed: who sent it, how, and for which MAC.`,
}

type wakeOptions struct {
	listen, raw, asJSON                bool
	password, broadcast, networkDevice string
	state                              string
	ports                              cli.List
}

func wakeUp(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine wake", wakeCommand)
	var o wakeOptions
	o.flags(flags)
	rest, err := flags.Parse(args, 0, 1)
	if err != nil {
		return err
	}
	ports, err := parsePorts(o.ports)
	if err != nil {
		return err
	}
	switch {
	case o.listen && len(rest) == 0:
		return listenForWake(ctx, env, ports, o.asJSON)
	case !o.listen && len(rest) == 1:
		return sendWake(ctx, env, rest[0], ports, o)
	}
	return cli.Usagef("usage: vitrine wake %s", wakeCommand.Usage)
}

func (o *wakeOptions) flags(flags *cli.FlagSet) {
	flags.BoolVar(&o.listen, "listen", false, "print the magic packets that arrive, until Ctrl-C")
	flags.BoolVar(&o.raw, "raw", false, "send an Ethernet frame too (EtherType 0x0842)")
	flags.StringVar(&o.password, "password", "", "SecureOn `password`, such as 01:02:03:04:05:06 or 1.2.3.4")
	flags.StringVar(&o.broadcast, "broadcast", "", "`address` to send to instead of every network's broadcast address")
	flags.StringVar(&o.networkDevice, "interface", "", "network `interface` to use alone")
	flags.StringVar(&o.state, "state", defaultState(), "`folder` of the viewer on this machine, which knows others by name")
	flags.Var(&o.ports, "ports", "UDP `ports` (default 9 for sending, 7,9 for listening)")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON, a line for each packet with --listen")
}

// send is how a packet is sent by these options.
func (o wakeOptions) send(ports []uint16) (wake.SendOptions, error) {
	var err error
	options := wake.SendOptions{Interface: o.networkDevice, Ports: ports, Raw: o.raw}
	if o.password != "" {
		if options.Password, err = wake.ParsePassword(o.password); err != nil {
			return options, &cli.UsageError{Reason: "--password: " + err.Error()}
		}
	}
	if o.broadcast != "" {
		if options.Broadcast, err = netip.ParseAddr(o.broadcast); err != nil {
			return options, cli.Usagef("--broadcast %.60q: want an IP address", o.broadcast)
		}
	}
	return options, nil
}

func sendWake(ctx context.Context, env cli.Env, address string, ports []uint16, o wakeOptions) error {
	options, err := o.send(ports)
	if err != nil {
		return err
	}
	macs, err := targets(ctx, address, o.state)
	if err != nil {
		return err
	}
	results := []wakeResult{}
	var failures []error
	for _, mac := range macs {
		sent, err := wake.Send(ctx, mac, options)
		failures = append(failures, err)
		r := wakeResult{MAC: mac.String(), Sent: sent}
		if err != nil {
			r.Error = err.Error()
		}
		results = append(results, r)
	}
	if o.asJSON {
		return cli.WriteJSON(env.Stdout, results)
	}
	for _, r := range results {
		for _, to := range r.Sent {
			fmt.Fprintf(env.Stdout, "Sent a magic packet for %s to %s.\n", r.MAC, to)
		}
	}
	return errors.Join(failures...)
}

// wakeResult is the JSON form of what was sent.
type wakeResult struct {
	MAC   string   `json:"mac"`
	Sent  []string `json:"sent"`
	Error string   `json:"error,omitempty"`
}

// targets are the hardware addresses that are meant: one itself, or those of a viewer.
func targets(ctx context.Context, address, state string) ([]net.HardwareAddr, error) {
	mac, err := net.ParseMAC(address)
	if err == nil && len(mac) == 6 {
		return []net.HardwareAddr{mac}, nil
	}
	if err == nil || protocol.CheckName(address) != nil || looksLikeMAC(address) {
		return nil, cli.Usagef("%.40q is not a MAC address such as 02:11:22:33:44:55, nor a viewer's name", address)
	}
	return macsOf(ctx, address, state)
}

// looksLikeMAC tells a mistyped address from a name.
func looksLikeMAC(s string) bool {
	return strings.Count(s, ":") > 1 && strings.Trim(s, "0123456789abcdefABCDEF:-.") == ""
}

// heardWake is the JSON form of a packet.
type heardWake struct {
	Time      time.Time `json:"time"`
	MAC       string    `json:"mac"`
	From      string    `json:"from"`
	Via       string    `json:"via"`
	Interface string    `json:"interface,omitempty"`
	Password  bool      `json:"password"`
}

func listenForWake(ctx context.Context, env cli.Env, ports []uint16, asJSON bool) error {
	log := slog.New(cli.NewConsole(env.Stderr, env.Terminal).Handler(slog.LevelInfo, ""))
	listener := wake.NewListener(wake.Config{Ports: ports, Any: true, Log: log, Woken: func(e wake.Event) {
		if asJSON {
			line := heardWake{e.Time, e.MAC.String(), e.From, e.Via, e.Interface, e.Password}
			if err := json.NewEncoder(env.Stdout).Encode(line); err != nil {
				log.Error("A packet can't be printed", "err", err)
			}
			return
		}
		password := ""
		if e.Password {
			password = ", with a password"
		}
		on := ""
		if e.Interface != "" {
			on = " on " + e.Interface
		}
		fmt.Fprintf(env.Stdout, "%s  for %s  from %s  by %s%s%s\n", e.Time.Format(time.TimeOnly), e.MAC, e.From, e.Via, on, password)
	}})
	err := listener.Run(ctx)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
