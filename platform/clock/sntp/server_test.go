package sntp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// serve starts an SNTP server on loopback whose clock is off by offset.
func serve(t *testing.T, offset time.Duration) string {
	t.Helper()
	s, err := Listen("127.0.0.1:0", func() Reference {
		r := Local()
		r.Time, r.RefTime = r.Time.Add(offset), r.RefTime.Add(offset)
		return r
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
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
		if (got-offset).Abs() > a.RTT()/2+time.Millisecond || m.Samples != 4 || a.Stratum != LocalStratum {
			t.Errorf("%+v: offset %v, want %v", m, got, offset)
		}
	}
}

// The seconds of NTP wrap in February 2036 (RFC 5905, section 6). A device that boots in 1970 asks from there, too: 56 years is more than 2^31 seconds away from
// what 32 bits can tell apart on both sides.
func TestEras(t *testing.T) {
	wrap := time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC)
	for name, there := range map[string]time.Time{
		"now":            time.Now(),
		"1971":           time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC),
		"2026":           time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
		"before the end": wrap.Add(-time.Hour),
		"at the end":     wrap.Add(-2 * time.Millisecond),
		"after the end":  wrap.Add(time.Hour),
		"2060":           time.Date(2060, 6, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			offset := time.Until(there)
			a, err := Exchange(t.Context(), serve(t, offset))
			if err != nil {
				t.Fatal(err)
			}
			if got := a.Offset() - apart(); (got - offset).Abs() > a.RTT()/2+time.Millisecond {
				t.Errorf("offset %v, want %v", got, offset)
			}
		})
	}
}

// systemd-timesyncd asks with nothing but the time of sending, and takes an answer by these rules (src/timesync/timesyncd-manager.c).
func TestAnswersTimesyncd(t *testing.T) {
	conn, err := net.Dial("udp", serve(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := make([]byte, packetSize)
	request[0] = 4<<3 | modeClient
	sent := time.Now()
	putTime(request[40:], sent)
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 2*packetSize)
	n, err := conn.Read(answer)
	if err != nil || n != packetSize {
		t.Fatal(n, err)
	}
	seconds := func(b []byte) float64 {
		return float64(binary.BigEndian.Uint32(b)) + ntpEpoch + float64(binary.BigEndian.Uint32(b[4:]))/(1<<32)
	}
	short := func(b []byte) float64 { return float64(binary.BigEndian.Uint32(b)) / 65536 }
	root := short(answer[4:])/2 + short(answer[8:])
	switch {
	case !bytes.Equal(answer[24:32], request[40:48]):
		t.Error("the origin isn't what it sent")
	case binary.BigEndian.Uint64(answer[32:]) == 0 || binary.BigEndian.Uint64(answer[40:]) == 0:
		t.Error("a time is missing")
	case answer[0]>>6 == 3 || answer[1] == 0 || answer[1] > 15:
		t.Error("not synchronized")
	case answer[0]&7 != modeServer || answer[0]>>3&7 != 4:
		t.Errorf("first byte %#x", answer[0])
	case root > 5:
		t.Errorf("root distance %v s", root)
	}
	origin, received := float64(sent.UnixNano())/1e9, seconds(answer[32:])
	if d := received - origin; d < 0 || d > 1 {
		t.Errorf("it came %v s after it was sent", d)
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
	if _, ok := reply(valid, Local()); !ok {
		t.Error("a request was refused")
	}
	for name, first := range map[string]byte{"an answer": 4<<3 | modeServer, "version 1": 1<<3 | modeClient, "control": 2<<3 | 6, "broadcast": 4<<3 | 5} {
		valid[0] = first
		if _, ok := reply(valid, Local()); ok {
			t.Errorf("%s was answered", name)
		}
	}
	if _, ok := reply(valid[:47], Local()); ok {
		t.Error("a short packet was answered")
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte{0x23, 0, 6, 0xec})
	f.Fuzz(func(t *testing.T, b []byte) {
		// No answer may be longer than its request: that would make the server a tool for attacks.
		if _, ok := reply(b, Reference{Time: time.Unix(1, 0), Stratum: 1}); ok && packetSize > len(b) {
			t.Errorf("a request of %d bytes was answered", len(b))
		}
	})
}

func TestListenSaysWhichPort(t *testing.T) {
	addr := netip.MustParseAddrPort(serve(t, 0))
	if _, err := Listen(addr.String(), nil, nil); err == nil {
		t.Error("two servers on one port")
	}
}

// What a server says of itself arrives as it was said, and one that knows no time says nothing.
func TestReferenceIsSaid(t *testing.T) {
	r := Reference{
		Time: time.Now(), Stratum: 3, Leap: 1, RefID: 0x0A000005, RefTime: time.Now().Add(-time.Minute),
		RootDelay: 20 * time.Millisecond, RootDispersion: 3 * time.Millisecond,
	}
	s, err := Listen("127.0.0.1:0", func() Reference {
		now := r
		now.Time = time.Now()
		return now
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	a, err := Exchange(ctx, s.Addr().String())
	cancel()
	if failed := <-done; err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	const grain = time.Second / (1 << 16)
	if a.Stratum != r.Stratum || a.Leap != r.Leap || a.RefID != r.RefID || a.RefTime.Sub(r.RefTime).Abs() > time.Microsecond ||
		a.RootDelay < r.RootDelay || a.RootDelay > r.RootDelay+grain || a.RootDispersion < r.RootDispersion || a.RootDispersion > r.RootDispersion+grain {
		t.Errorf("%+v was said, and %+v arrived", r, a)
	}
	request := make([]byte, packetSize)
	request[0] = 4<<3 | modeClient
	if _, ok := reply(request, Reference{Time: time.Now()}); ok {
		t.Error("it answers without a time")
	}
}

// Who asks too often is asked to stop, once a second, and then gets nothing; others are answered all the same.
func TestLimits(t *testing.T) {
	var l limits
	now := time.Now()
	greedy, modest := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1%eth0")
	count := map[judgement]int{}
	for i := range 10000 {
		count[l.judge(greedy, now.Add(time.Duration(i)*time.Millisecond))]++
	}
	if count[allowed] > burstPerAddress+11*perAddress || count[warned] > 11 || count[warned] < 5 || count[refused] < 5000 {
		t.Errorf("%v", count)
	}
	if got := l.judge(modest, now.Add(10*time.Second)); got != allowed {
		t.Errorf("another: %v", got)
	}
	for i := range 3 * maxAddresses {
		l.judge(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), now)
	}
	if len(l.asked) > maxAddresses {
		t.Errorf("%d are remembered", len(l.asked))
	}
}

// An answer that asks for fewer questions is understood by our client.
func TestKiss(t *testing.T) {
	_, err := Exchange(t.Context(), hostile(t, func(request []byte) [][]byte {
		answer, _ := reply(request, Local())
		kiss(answer[:])
		return [][]byte{answer[:]}
	}))
	if k, ok := errors.AsType[*KissError](err); !ok || k.Code != "RATE" {
		t.Errorf("%v", err)
	}
}
