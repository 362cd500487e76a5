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

// playRole is the test binary as a program in another network namespace: it does one thing until its standard input is
// closed, and prints what happens as lines of JSON.
func playRole(role string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
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
	var err error
	switch role {
	case "probe":
		err = client.Probe(ctx, func(d Device) { out.Encode(d) }, q)
	case "listen":
		err = client.listen(ctx, func() { fmt.Println(`"ready"`) }, func(a Announcement) { out.Encode(a) })
	case "target":
		target := &Target{
			EPR: serverEPR, Types: []wsd.Name{serverType}, MaxDelay: time.Millisecond,
			XAddrs: func(a netip.Addr) []string { return []string{"mqtts://" + netip.AddrPortFrom(a, 7237).String()} },
		}
		go func() {
			<-target.Ready()
			fmt.Println(`"ready"`)
		}()
		err = target.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
