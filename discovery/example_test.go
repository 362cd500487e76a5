package discovery_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

var player = wsd.Name{Space: "urn:example:signage", Local: "Player"}

// A service that can be found, by hosts on the networks of this machine, until its context ends.
func ExampleTarget() {
	target := &discovery.Target{
		EPR:    "urn:uuid:0a6dc791-2be6-4991-9af1-454778a1917a",
		Types:  []wsd.Name{player},
		Scopes: []string{"signage://hotel/floor/2"},
		XAddrs: func(local netip.Addr) []string {
			return []string{"https://" + netip.AddrPortFrom(local, 8443).String() + "/"}
		},
		MaxDelay: 20 * time.Millisecond,
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Hour)
	defer stop()
	if err := target.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// The first one is enough here: the context ends the search when it is found.
func ExampleClient_Probe() {
	ctx, enough := context.WithCancel(context.Background())
	defer enough()
	client := &discovery.Client{Hosts: []string{"signage.example.org"}}
	query := wsd.Query{Types: []wsd.Name{player}, Scopes: []string{"signage://hotel"}}
	err := client.Probe(ctx, func(d discovery.Device) {
		fmt.Println(d.EPR, "in", d.RTT, "at", d.Addrs("https"))
		enough()
	}, query)
	if err != nil {
		log.Fatal(err)
	}
}

// What comes and goes, without a question. Both can be forged: look before you act.
func ExampleClient_Listen() {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	var client discovery.Client
	err := client.Listen(ctx, func(a discovery.Announcement) {
		switch {
		case a.Bye:
			fmt.Println(a.Device.EPR, "leaves")
		case wsd.Query{Types: []wsd.Name{player}}.Matches(a.Device.Version, a.Device.Endpoint):
			fmt.Println(a.Device.EPR, "is at", a.Device.Addrs("https"))
		}
	})
	if err != nil {
		log.Fatal(err)
	}
}

// The page that explains the package shows what is compiled here.
func TestReadmeShowsTheExample(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```go\n")
	shown, _, found := strings.Cut(rest, "```")
	indented := "\t" + strings.ReplaceAll(strings.TrimRight(shown, "\n"), "\n", "\n\t")
	if !found || !strings.Contains(string(source), indented) {
		t.Error("the example of README.md is not one of example_test.go")
	}
}
