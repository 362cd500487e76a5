package setup

import (
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// twoCables has a machine on two networks in a namespace: on that of eth0 there is a gateway, 10.1.0.1, on that of eth1 nobody. A third one has IPv6 alone, and
// the gateway fe80::1.
const twoCables = `mount -t tmpfs none /run
ip netns add far
for n in 0 1 2; do
	ip link add eth$n type veth peer name far$n netns far
	ip -n far link set far$n up
	ip link set eth$n up
	[ $n != 2 ] || break
	ip address add 10.$((n+1)).0.2/24 dev eth$n
	ip route add default via 10.$((n+1)).0.1 metric $((100*n+1))
done
ip -n far address add 10.1.0.1/24 dev far0
ip -n far address add fe80::1/64 dev far2 nodad
ip address add fd00:3::2/64 dev eth2 nodad
ip route add default via fe80::1 dev eth2
ip -n far link set lo up
exec "$0" -test.run '^TestReachByWayOf$' -test.v`

// inTwoCables tells this program that it runs there.
const inTwoCables = "VITRINE_TWO_CABLES"

// A cable that works is no proof of another that doesn't.
func TestReachByWayOf(t *testing.T) {
	if os.Getenv(inTwoCables) == "" {
		if os.Geteuid() != 0 {
			if os.Getenv("CI") != "" {
				t.Fatal("network namespaces need root")
			}
			t.Skip("network namespaces need root")
		}
		c := exec.Command("unshare", "--net", "--mount", "sh", "-ec", twoCables, os.Args[0])
		c.Env = append(os.Environ(), inTwoCables+"=1")
		if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestReachByWayOf") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if at, ok := wirelessNetwork("eth0"); ok {
		t.Errorf("a cable is in the wireless network %q", at)
	}
	for _, c := range []struct {
		settings Settings
		want     string
	}{
		{Settings{}, ""},
		{Settings{Interface: "eth0"}, ""},
		{Settings{Address: netip.MustParsePrefix("10.2.0.2/24")}, ""},
		{Settings{Interface: "eth2"}, ""},
		{Settings{Interface: "eth1"}, "neither a server nor the network's gateway answers"},
		{Settings{Interface: "eth1", Address: netip.MustParsePrefix("10.1.0.2/24")}, "no interface has the address 10.1.0.2/24"},
	} {
		err := (System{}).Await(t.Context(), c.settings, func() []string { return []string{"10.1.0.1:7237"} }, 2*time.Second)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%+v: %v, want %q", c.settings, err, c.want)
		}
	}
	for via, want := range map[string]bool{"eth0": true, "eth1": false, "eth2": true} {
		list := gateways(via)
		if len(list) != 1 || neighbour(via, list[0]) != want {
			t.Errorf("%s has the gateways %v, of which one is there: %t", via, list, !want)
		}
	}
}
