package network

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is also the program that watches in another network namespace.
func TestMain(m *testing.M) {
	if os.Getenv("NETWORK_TEST_WATCH") == "" {
		goleak.VerifyTestMain(m)
		return
	}
	watchAndTell()
}

// The address whose duplicate address detection is waited for.
const detected = "2001:db8::1"

// watchAndTell prints what there is, once it watches and then at each report, until standard input is closed.
func watchAndTell() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	began := false
	w := watcher{listen: listen, changed: tell, look: func() (any, error) {
		seen, err := look()
		if !began {
			// Only what changes from here on can be reported.
			began = true
			tell()
		}
		return seen, err
	}}
	w.run(ctx)
}

// tell prints a line such as "eth0 up [192.0.2.1/24] lo down []", and "bound" if the address can be bound.
func tell() {
	interfaces, err := Interfaces()
	if err != nil {
		fmt.Println(err)
		return
	}
	var words []string
	for _, i := range interfaces {
		state := map[bool]string{true: "up", false: "down"}[i.Up]
		if i.Running {
			state += " plugged"
		}
		words = append(words, i.Name, state, fmt.Sprint(i.Addrs))
	}
	if c, err := net.ListenPacket("udp6", "["+detected+"]:0"); err == nil {
		c.Close()
		words = append(words, "bound")
	}
	fmt.Println(strings.Join(words, " "))
}

// Each change that matters to who uses the network is heard of within a second. That a report comes would prove little,
// since some changes bring others: it must show what was done.
func TestWatchHearsTheKernel(t *testing.T) {
	ns := newNamespace(t)
	lines := playWatcher(t, ns)
	line := <-lines
	for _, step := range []struct{ ip, has, lacks string }{
		{"link set lo up", "lo up", ""},
		{"link add eth0 type veth peer name eth1", "eth0 down", ""},
		{"link set eth1 up", "eth1 up", ""},
		{"link set eth0 up", "eth0 up", ""},
		{"address add 192.0.2.1/24 dev eth0", "192.0.2.1/24", ""},
		{"address add " + detected + "/64 dev eth0", detected + "/64", ""},
		{"", "bound", ""}, // when no other machine was found to have it
		{"address del 192.0.2.1/24 dev eth0", "", "192.0.2.1/24"},
		{"link set eth1 down", "eth0 up", "eth0 up plugged"}, // the other end of the cable
		{"link set eth1 up", "eth0 up plugged", ""},
		{"link set eth0 down", "eth0 down", ""},
		{"link delete eth0", "", "eth0"},
	} {
		limit := time.Second
		if step.ip == "" {
			// The detection itself takes up to two seconds: RFC 4862, section 5.4.2.
			limit += 2 * time.Second
		} else {
			ns.ip(t, strings.Fields(step.ip)...)
		}
		late := time.After(limit)
		for !strings.Contains(line, step.has) || step.lacks != "" && strings.Contains(line, step.lacks) {
			var ok bool
			select {
			case line, ok = <-lines:
				if !ok {
					t.Fatal("the watcher ended")
				}
			case <-late:
				t.Fatalf("%+v was not heard of after %v; the last report was: %s", step, limit, line)
			}
		}
	}
}
