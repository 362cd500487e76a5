package wake

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
)

var (
	own   = net.HardwareAddr{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}
	other = net.HardwareAddr{0x02, 0x11, 0x22, 0x33, 0x44, 0x66}
	// tricky begins with the sync byte, at which a scanner that steps over the sync bytes goes wrong.
	tricky = net.HardwareAddr{0xff, 0xff, 0x22, 0x33, 0x44, 0x55}
)

func TestFind(t *testing.T) {
	around := func(b []byte) []byte { return append(append([]byte("before"), b...), "after"...) }
	wrong := Packet(own, nil)
	wrong[len(wrong)-1]++
	for name, c := range map[string]struct {
		payload []byte
		macs    []net.HardwareAddr
		want    net.HardwareAddr
		rest    string
	}{
		"at the start":          {Packet(own, nil), []net.HardwareAddr{own}, own, ""},
		"in the middle":         {around(Packet(own, nil)), []net.HardwareAddr{other, own}, own, "after"},
		"with a password":       {Packet(own, []byte("secret")), []net.HardwareAddr{own}, own, "secret"},
		"more sync bytes":       {append([]byte{0xff, 0xff}, Packet(own, nil)...), []net.HardwareAddr{own}, own, ""},
		"address begins 0xff":   {Packet(tricky, nil), []net.HardwareAddr{tricky}, tricky, ""},
		"for another":           {Packet(other, nil), []net.HardwareAddr{own}, nil, ""},
		"any address":           {around(Packet(other, nil)), nil, other, "after"},
		"one byte short":        {Packet(own, nil)[:patternSize-1], []net.HardwareAddr{own}, nil, ""},
		"last byte wrong":       {wrong, nil, nil, ""},
		"all ones":              {bytes.Repeat([]byte{0xff}, 200), nil, nil, ""},
		"all zeros":             {Packet(make(net.HardwareAddr, 6), nil), nil, nil, ""},
		"all ones as own":       {bytes.Repeat([]byte{0xff}, 200), []net.HardwareAddr{syncBytes}, nil, ""},
		"no own addresses":      {Packet(own, nil), []net.HardwareAddr{}, nil, ""},
		"beyond what is read":   {append(make([]byte, maxPayload), Packet(own, nil)...), []net.HardwareAddr{own}, nil, ""},
		"nothing":               {nil, nil, nil, ""},
		"two, the second ours":  {append(Packet(other, nil), Packet(own, nil)...), []net.HardwareAddr{own}, own, ""},
		"sync bytes but no end": {bytes.Repeat([]byte{0xff}, 7), nil, nil, ""},
	} {
		mac, rest, ok := Find(c.payload, c.macs)
		if ok != (c.want != nil) || !bytes.Equal(mac, c.want) || string(rest) != c.rest {
			t.Errorf("%s: %v, rest %q, %v", name, mac, rest, ok)
		}
	}
}

func TestParsePassword(t *testing.T) {
	for s, want := range map[string][]byte{"01:02:03:04:05:06": {1, 2, 3, 4, 5, 6}, "01-02-03-04-05-06": {1, 2, 3, 4, 5, 6}, "1.2.3.4": {1, 2, 3, 4}} {
		if got, err := ParsePassword(s); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "secret", "1.2.3", "::1", "01:02:03:04:05:06:07:08"} {
		if got, err := ParsePassword(s); err == nil {
			t.Errorf("%q became %v", s, got)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add(Packet(own, []byte("secret")))
	f.Add(append([]byte{0xff}, Packet(tricky, nil)...))
	f.Add(bytes.Repeat([]byte{0xff}, 110))
	f.Fuzz(func(t *testing.T, payload []byte) {
		mac, _, ok := Find(payload, nil)
		if !ok {
			return
		}
		if _, _, again := Find(payload, []net.HardwareAddr{mac}); !again || !isMachine(mac) {
			t.Errorf("%v was found among all addresses and not by itself", mac)
		}
	})
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func TestBroadcastOf(t *testing.T) {
	for prefix, want := range map[string]string{"10.1.2.3/24": "10.1.2.255", "192.168.5.130/25": "192.168.5.255", "172.16.9.9/12": "172.31.255.255"} {
		if got, ok := broadcastOf(netip.MustParsePrefix(prefix)); !ok || got.String() != want {
			t.Errorf("%s: %v, %v; want %s", prefix, got, ok, want)
		}
	}
	for _, prefix := range []string{"10.0.0.1/32", "10.0.0.1/31", "fd00::1/64"} {
		if got, ok := broadcastOf(netip.MustParsePrefix(prefix)); ok {
			t.Errorf("%s has no broadcast address, got %v", prefix, got)
		}
	}
}
