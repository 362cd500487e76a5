package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"vitrine/discovery/wsd"
)

// roleTime bounds the life of a role whose test was killed.
const roleTime = 2 * time.Minute

func ready() { fmt.Println(`"ready"`) }

// playRole is the test binary as a program in another network namespace: it does one thing until its standard input is
// closed, and prints what happens as lines of JSON.
func playRole(role string) int {
	ctx, cancel := context.WithTimeout(context.Background(), roleTime)
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	out := json.NewEncoder(os.Stdout)
	var hosts []string
	if list := os.Getenv("DISCOVERY_TEST_HOSTS"); list != "" {
		hosts = strings.Split(list, ",")
	}
	client := &Client{Window: patience, Hosts: hosts}
	if name := os.Getenv("DISCOVERY_TEST_INTERFACES"); name != "" {
		client.Interfaces = []string{name}
	}
	var q wsd.Query
	if name, err := wsd.ParseName(os.Getenv("DISCOVERY_TEST_TYPE")); err == nil {
		q.Types = []wsd.Name{name}
	}
	roles := map[string]func() error{
		"probe":   func() error { return client.Probe(ctx, func(d Device) { out.Encode(d) }, q) },
		"listen":  func() error { return client.listen(ctx, ready, func(a Announcement) { out.Encode(a) }) },
		"target":  func() error { return playTarget(ctx, q.Types) },
		"swarm":   func() error { return playSwarm(ctx) },
		"echo":    func() error { return playEcho(ctx) },
		"measure": func() error { return playMeasure(ctx, q, out) },
		"count":   func() error { return playCount(ctx, client, q, out) },
	}
	err := roles[role]()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// playTarget answers without a wait, so that what is measured isn't a random number.
func playTarget(ctx context.Context, types []wsd.Name) error {
	target := &Target{
		EPR: serverEPR, Types: append(types, serverType), MaxDelay: 1,
		XAddrs: func(a netip.Addr) []string { return []string{"mqtts://" + netip.AddrPortFrom(a, 7237).String()} },
	}
	go func() {
		<-target.Ready()
		ready()
	}()
	return target.Run(ctx)
}
