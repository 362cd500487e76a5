package agent

import (
	"errors"
	"net"
	"slices"
	"testing"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/platform/proxy"
)

// site is an agent that knows these servers, and found those.
func site(t *testing.T, named []protocol.Server, found map[string]foundServer) *Agent {
	t.Helper()
	id, err := identity.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Agent{identity: id, found: found, wish: wish{Desired: protocol.Desired{Servers: named}}}
}

func TestHTTPSOf(t *testing.T) {
	named := []protocol.Server{
		{ID: "1", Addrs: []string{"10.0.0.1:7237", "10.0.0.2:7237"}, HTTPS: []string{"10.0.0.8:8443", "10.0.0.9:8443"}},
		{ID: "2", Addrs: []string{"10.0.0.3:7237"}},
	}
	found := map[string]foundServer{
		"a": {[]string{"10.0.0.4:7237", "[fe80::4%eth0]:7237"}, []string{"10.0.0.4:443", "[fe80::4%eth0]:443"}},
		"b": {[]string{"10.0.0.5:7237"}, []string{"10.0.0.5:443", "10.0.0.5:7237"}},
		"c": {[]string{"10.0.0.6:7237"}, []string{"10.9.9.9:443"}},
	}
	for _, test := range []struct {
		name, addr string
		want       []string
	}{
		{"as the site says", "10.0.0.2:7237", []string{"10.0.0.8:8443", "10.0.0.9:8443"}},
		{"the site says nothing", "10.0.0.3:7237", []string{"10.0.0.3:7237"}},
		{"found, with another port", "10.0.0.4:7237", []string{"10.0.0.4:443"}},
		{"found, on another interface", "[fe80::4%eth0]:7237", []string{"[fe80::4%eth0]:443"}},
		{"found, also on the same port", "10.0.0.5:7237", []string{"10.0.0.5:7237"}},
		{"found, elsewhere", "10.0.0.6:7237", []string{"10.0.0.6:7237"}},
		{"behind NAT", "192.0.2.1:7237", []string{"10.0.0.8:8443", "10.0.0.9:8443"}},
	} {
		if got := site(t, named, found).httpsOf(test.addr); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if got := site(t, nil, nil).httpsOf("10.0.0.1:7237"); !slices.Equal(got, []string{"10.0.0.1:7237"}) {
		t.Errorf("without a word of the site: %v", got)
	}
}

func TestOnlyHTTPS(t *testing.T) {
	a := site(t, []protocol.Server{
		{ID: "1", Addrs: []string{"10.0.0.1:7237"}, HTTPS: []string{"10.0.0.2:443", "10.0.0.3:7237"}},
		{ID: "2", Addrs: []string{"10.0.0.3:7237"}},
	}, nil)
	for addr, want := range map[string]bool{"10.0.0.1:7237": false, "10.0.0.2:443": true, "10.0.0.3:7237": false, "10.0.0.4:7237": false} {
		if got := a.onlyHTTPS(addr); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

// An answer counts, also a bad one; only a server that can't be reached is passed over.
func TestOverHTTPS(t *testing.T) {
	a := site(t, []protocol.Server{{ID: "1", Addrs: []string{"b:7237"}, HTTPS: []string{"v:1", "x:1", "y:1", "z:1"}}}, nil)
	refused := errors.New("refused")
	var asked []string
	err := a.overHTTPS("b:7237", func(addr string) error {
		asked = append(asked, addr)
		switch addr {
		case "v:1":
			return &proxy.Error{Proxy: "p:3128", Target: addr, Err: errors.New("can't reach it")}
		case "x:1":
			return &net.OpError{Op: "dial", Err: errors.New("no route")}
		}
		return refused
	})
	if !errors.Is(err, refused) || !slices.Equal(asked, []string{"v:1", "x:1", "y:1"}) {
		t.Errorf("asked %v: %v", asked, err)
	}
}
