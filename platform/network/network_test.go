package network_test

import (
	"net/netip"
	"testing"

	"vitrine/platform/network"
)

func TestLoopbackIsThere(t *testing.T) {
	interfaces, err := network.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	want := netip.MustParsePrefix("127.0.0.1/8")
	for _, i := range interfaces {
		for _, p := range i.Addrs {
			if p == want && i.Loopback && i.Up && i.Index > 0 {
				return
			}
		}
	}
	t.Errorf("no interface has %v: %+v", want, interfaces)
}

func TestAddressesAreForOthers(t *testing.T) {
	addrs, err := network.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if a.IsLoopback() || a.IsLinkLocalUnicast() || !a.IsValid() {
			t.Errorf("%v is of no use to others", a)
		}
	}
}

func TestConnected(t *testing.T) {
	interfaces, err := network.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	want := map[netip.Addr]bool{netip.MustParseAddr("127.0.0.1"): false, netip.MustParseAddr("::1"): false, netip.MustParseAddr("240.0.0.1"): false}
	for _, i := range interfaces {
		for _, p := range i.Addrs {
			if i.Up && !i.Loopback {
				want[p.Addr()] = true
				want[netip.AddrFrom16(p.Addr().As16())] = true // also in the form of IPv6
			}
		}
	}
	for addr, near := range want {
		if got, err := network.Connected(addr); got != near || err != nil {
			t.Errorf("%v: %v, %v", addr, got, err)
		}
	}
}
