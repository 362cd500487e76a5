package vitrine

import (
	"slices"
	"testing"
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/session"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

func server(epr string, metadata uint32, says protocol.Announced) discovery.Device {
	return discovery.Device{Endpoint: wsd.Endpoint{
		EPR: epr, Types: []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ServerType}}, Scopes: says.Scopes(), MetadataVersion: metadata,
	}}
}

// What a device says several ways is one line; what it says again later is another.
func TestWatcher(t *testing.T) {
	a := server("urn:a", 1, protocol.Announced{Site: "north", Role: protocol.RoleMain, Name: "a"})
	again := server("urn:a", 2, protocol.Announced{Site: "north", Role: protocol.RoleMain, Name: "a"})
	gone := discovery.Device{Endpoint: wsd.Endpoint{EPR: "urn:a"}}
	printer := discovery.Device{Endpoint: wsd.Endpoint{EPR: "urn:printer"}}
	servers := []wsd.Query{{Types: a.Types}}
	type step struct {
		at     time.Duration
		device discovery.Device
		bye    bool
		want   string // the name of the device, "-" for one without, or nothing
	}
	for name, test := range map[string]struct {
		queries []wsd.Query
		steps   []step
	}{
		"one":          {servers, []step{{0, a, false, "a"}, {time.Millisecond, a, false, ""}, {time.Second, gone, true, "a"}, {time.Second, gone, true, ""}, {2 * time.Second, a, false, "a"}}},
		"restarted":    {servers, []step{{0, a, false, "a"}, {time.Second, again, false, "a"}}},
		"hello again":  {servers, []step{{0, a, false, "a"}, {time.Minute, a, false, "a"}}},
		"others":       {servers, []step{{0, printer, false, ""}, {0, printer, true, ""}, {0, gone, true, ""}}},
		"others, all":  {[]wsd.Query{{}, {Types: []wsd.Name{deviceType}}}, []step{{0, printer, false, "-"}, {0, printer, true, "-"}, {0, printer, true, ""}}},
		"unknown, all": {[]wsd.Query{{}, {Types: []wsd.Name{deviceType}}}, []step{{0, gone, true, "-"}, {0, gone, true, ""}}},
	} {
		w := watcher{queries: test.queries, seen: map[string]watched{}}
		began := time.Unix(1, 0)
		for i, s := range test.steps {
			got := ""
			if d, news := w.news(discovery.Announcement{Device: s.device, Bye: s.bye}, began.Add(s.at)); news {
				got = orDash(d.Name)
			}
			if got != s.want {
				t.Errorf("%s, step %d: %q, want %q", name, i, got, s.want)
			}
		}
	}
}

// Servers come before everything else, in the order of their ranks, and each says why it isn't before.
func TestDevicesAreRanked(t *testing.T) {
	devices := []foundDevice{
		describe(discovery.Device{Endpoint: wsd.Endpoint{EPR: "urn:camera", Scopes: []string{"onvif://www.onvif.org/name/Entrance%20left"}}}),
		describe(server("urn:backup", 1, protocol.Announced{Site: "north", Role: protocol.RoleBackup, Name: "backup"})),
		describe(server("urn:south", 1, protocol.Announced{Site: "south", Role: protocol.RoleMain, Name: "south"})),
		describe(server("urn:main", 1, protocol.Announced{Site: "north", Role: protocol.RoleMain, Name: "main"})),
	}
	rank(devices, session.Place{Site: "north"})
	var names, why []string
	for _, d := range devices {
		names, why = append(names, d.Name), append(why, d.Why)
	}
	if want := []string{"main", "backup", "south", "Entrance left"}; !slices.Equal(names, want) {
		t.Errorf("order %q, want %q", names, want)
	}
	if want := []string{"", "in the role backup", "of site south, not north", ""}; !slices.Equal(why, want) {
		t.Errorf("why %q, want %q", why, want)
	}
}

func TestAddressForAPerson(t *testing.T) {
	for want, f := range map[string]foundDevice{
		"10.0.0.5:7237":          {Addresses: []string{"10.0.0.5:7237"}, XAddrs: []string{"https://10.0.0.6"}, From: "10.0.0.7:3702"},
		"http://10.0.0.6:80/":    {XAddrs: []string{"http://pc:80/", "http://10.0.0.6:80/"}, From: "10.0.0.6:3702"},
		"http://[fe80::1%25a]/x": {XAddrs: []string{"http://pc/x", "http://[fe80::1%25a]/x"}},
		"http://pc/":             {XAddrs: []string{"http://pc/"}, From: "10.0.0.7:3702"},
		"fe80::1%eth0":           {From: "[fe80::1%eth0]:3702"},
	} {
		if got := f.address(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
