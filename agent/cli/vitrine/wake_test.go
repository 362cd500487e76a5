package vitrine

import (
	"net/netip"
	"reflect"
	"testing"

	"vitrine/agent/cli"
	"vitrine/platform/wake"
)

// What is sent is what the options say.
func TestWakeOptions(t *testing.T) {
	var o wakeOptions
	flags := cli.Flags(cli.Env{}, "vitrine wake", wakeCommand)
	o.flags(flags)
	if _, err := flags.Parse([]string{"--raw", "--interface", "eth1", "--password", "1.2.3.4", "--broadcast", "10.0.0.255", "--ports", "7,4000", "Lobby"}, 0, 1); err != nil {
		t.Fatal(err)
	}
	ports, err := parsePorts(o.ports)
	if err != nil {
		t.Fatal(err)
	}
	want := wake.SendOptions{Raw: true, Interface: "eth1", Password: []byte{1, 2, 3, 4}, Broadcast: netip.MustParseAddr("10.0.0.255"), Ports: []uint16{7, 4000}}
	if got, err := o.send(ports); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}
