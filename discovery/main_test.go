package discovery

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitrine/discovery/wsd"
)

// patience is how long a test waits for what must come. It is never waited out by a test that passes.
const patience = 10 * time.Second

var serverType = wsd.Name{Space: "urn:vitrine:discovery:1", Local: "Server"}

const serverEPR = "urn:uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a01"

// The test binary is also the program that tests run in other network namespaces, which only Linux has.
func TestMain(m *testing.M) {
	if role := os.Getenv("DISCOVERY_TEST_ROLE"); role != "" {
		os.Exit(playRole(role))
	}
	goleak.VerifyTestMain(m)
}

// loopbackName is "lo" on Linux.
func loopbackName(t testing.TB) string {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, iface := range interfaces {
		if iface.Flags&net.FlagLoopback != 0 && iface.Flags&net.FlagUp != 0 {
			return iface.Name
		}
	}
	t.Fatal("no loopback interface is up")
	return ""
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// testTarget has the fields of a server on loopback.
func testTarget(t testing.TB, port uint16) *Target {
	return &Target{
		EPR: serverEPR, Types: []wsd.Name{serverType}, Scopes: []string{"vitrine://site/role/main"},
		XAddrs:   func(a netip.Addr) []string { return []string{"mqtts://" + netip.AddrPortFrom(a, 7237).String()} },
		MaxDelay: time.Millisecond, Port: port, Interfaces: []string{loopbackName(t)}, Log: testLog(t),
	}
}

// testLink is 192.0.2.1/24 and its link-local address.
func testLink() *link {
	return &link{
		iface:    net.Interface{Index: 77, Name: "test0", Flags: net.FlagUp | net.FlagMulticast},
		prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("fe80::1/64")},
	}
}

func mustMarshal(t testing.TB, m *wsd.Message) []byte {
	t.Helper()
	data, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func probe(v wsd.Version, q wsd.Query) *wsd.Message {
	return &wsd.Message{Version: v, Action: wsd.Probe, MessageID: newID(), Query: q}
}
