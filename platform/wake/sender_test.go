package wake

import (
	"net"
	"net/netip"
	"testing"
)

func TestSenders(t *testing.T) {
	var senders []Sender
	for _, s := range []string{"10.0.0.0/24", "192.168.1.7", "fe80::/10", "02:00:00:00:00:05"} {
		sender, err := ParseSender(s)
		if err != nil {
			t.Fatal(err)
		}
		senders = append(senders, sender)
	}
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 5}
	for name, c := range map[string]struct {
		from source
		want bool
	}{
		"in the network":     {source{addr: netip.MustParseAddr("10.0.0.9")}, true},
		"beside it":          {source{addr: netip.MustParseAddr("10.0.1.9")}, false},
		"as a mapped one":    {source{addr: netip.MustParseAddr("::ffff:192.168.1.7")}, true},
		"link-local":         {source{addr: netip.MustParseAddr("fe80::1%eth0")}, true},
		"the MAC":            {source{mac: mac}, true},
		"the MAC's datagram": {source{addr: netip.MustParseAddr("10.9.9.9"), mac: mac}, true},
		"another MAC":        {source{mac: own}, false},
		"nothing known":      {source{}, false},
	} {
		if got := admits(senders, c.from); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if !admits(nil, source{}) {
		t.Error("without a list nobody is admitted")
	}
	for _, s := range []string{"", "host", "10.0.0.0/33", "ff:ff:ff:ff:ff:ff", "fe80::1%eth0"} {
		if got, err := ParseSender(s); err == nil {
			t.Errorf("%q became %v", s, got)
		}
	}
}
