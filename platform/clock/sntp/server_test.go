package sntp

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

// serve starts an SNTP server on loopback whose clock is off by offset.
func serve(t *testing.T, offset time.Duration) string {
	t.Helper()
	s, err := Listen("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return time.Now().Add(offset) }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	return s.Addr().String()
}

// Both ends are ours here, so a common error would cancel out: the client's packet code is another project's, and every
// field that it validates (stratum, dispersion, reference time, origin) is ours.
func TestMeasureAgainstOwnServer(t *testing.T) {
	for _, offset := range []time.Duration{0, time.Hour, -20 * 365 * 24 * time.Hour} {
		m, err := Measure(t.Context(), serve(t, offset), 4)
		if err != nil {
			t.Fatal(err)
		}
		a := m.Best
		got := a.Offset() - apart()
		if (got-offset).Abs() > a.RTT()/2+time.Millisecond || m.Samples != 4 || a.Stratum != localStratum {
			t.Errorf("%+v: offset %v, want %v", m, got, offset)
		}
	}
}

func TestMeasureSaysWhoDoesntAnswer(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().String()
	conn.Close()
	_, err = Measure(t.Context(), addr, 2)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte(addr)) {
		t.Errorf("error %v doesn't name %s", err, addr)
	}
}

func TestServerIgnoresWhatIsNoRequest(t *testing.T) {
	valid := make([]byte, packetSize)
	valid[0] = 4<<3 | modeClient
	if _, ok := reply(valid, time.Now()); !ok {
		t.Error("a request was refused")
	}
	for name, first := range map[string]byte{"an answer": 4<<3 | modeServer, "version 1": 1<<3 | modeClient, "control": 2<<3 | 6, "broadcast": 4<<3 | 5} {
		valid[0] = first
		if _, ok := reply(valid, time.Now()); ok {
			t.Errorf("%s was answered", name)
		}
	}
	if _, ok := reply(valid[:47], time.Now()); ok {
		t.Error("a short packet was answered")
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte{0x23, 0, 6, 0xec})
	f.Fuzz(func(t *testing.T, b []byte) {
		// No answer may be longer than its request: that would make the server a tool for attacks.
		if _, ok := reply(b, time.Unix(1, 0)); ok && packetSize > len(b) {
			t.Errorf("a request of %d bytes was answered", len(b))
		}
	})
}

func TestListenSaysWhichPort(t *testing.T) {
	addr := netip.MustParseAddrPort(serve(t, 0))
	if _, err := Listen(addr.String(), nil); err == nil {
		t.Error("two servers on one port")
	}
}
