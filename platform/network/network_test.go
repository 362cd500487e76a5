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
