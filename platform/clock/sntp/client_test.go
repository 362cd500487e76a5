package sntp

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// replies is what a server makes of a question: datagrams, in their order.
type replies func(request []byte) [][]byte

// hostile starts a server that answers as a test says.
func hostile(t *testing.T, answer replies) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := closing(t, conn)
	go func() {
		defer close(done)
		b := [2048]byte{}
		for {
			n, peer, err := conn.ReadFrom(b[:])
			if err != nil {
				return
			}
			for _, p := range answer(b[:n]) {
				if _, err := conn.WriteTo(p, peer); err != nil {
					return
				}
			}
		}
	}()
	return conn.LocalAddr().String()
}

// closing closes a connection at the end of the test, and waits for its goroutine.
func closing(t *testing.T, conn net.PacketConn) chan struct{} {
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return done
}

// good is a right answer.
func good(request []byte) []byte {
	now := time.Now()
	b := make([]byte, packetSize)
	b[0], b[1], b[2] = 4<<3|modeServer, 2, request[2]
	b[3] = 0xEC // 2^-20 s
	putTime(b[16:], now.Add(-time.Minute))
	copy(b[24:32], request[40:48])
	putTime(b[32:], now)
	putTime(b[40:], time.Now())
	return b
}

// changed is a right answer with a change.
func changed(change func(b []byte)) replies {
	return func(request []byte) [][]byte {
		b := good(request)
		change(b)
		return [][]byte{b}
	}
}

func shift(b []byte, d time.Duration) {
	fraction := time.Duration(uint64(binary.BigEndian.Uint32(b[4:])) * uint64(time.Second) >> 32)
	putTime(b, time.Unix(int64(binary.BigEndian.Uint32(b))+ntpEpoch, 0).Add(fraction+d))
}

// What servers do wrong, by mistake or on purpose: what can't be right is refused, and what isn't the answer doesn't keep the answer away.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		replies replies
		// refused is in the error; empty if the answer is taken.
		refused string
	}{
		"right":                     {changed(func([]byte) {}), ""},
		"version 3":                 {changed(func(b []byte) { b[0] = 3<<3 | modeServer }), ""},
		"version 1":                 {changed(func(b []byte) { b[0] = 1<<3 | modeServer }), "version 1"},
		"stratum 16":                {changed(func(b []byte) { b[1] = 16 }), "stratum"},
		"not synchronized":          {changed(func(b []byte) { b[0] |= 3 << 6 }), "leap second"},
		"a second more is coming":   {changed(func(b []byte) { b[0] |= 1 << 6 }), ""},
		"a second less is coming":   {changed(func(b []byte) { b[0] |= 2 << 6 }), ""},
		"KoD RATE":                  {changed(func(b []byte) { b[1] = 0; copy(b[12:], "RATE") }), "less often (kiss code RATE)"},
		"KoD DENY":                  {changed(func(b []byte) { b[1] = 0; copy(b[12:], "DENY") }), "refuses this client"},
		"KoD with zero stamps":      {changed(func(b []byte) { b[1] = 0; copy(b[12:], "RSTR"); clear(b[32:48]) }), "kiss code RSTR"},
		"KoD with letters to print": {changed(func(b []byte) { b[1] = 0; copy(b[12:], "\x1b[2J") }), `kiss code "J"`},
		"stratum 0 without a code":  {changed(func(b []byte) { b[1] = 0; clear(b[12:16]) }), "kiss code"},
		"KoD of a stranger":         {changed(func(b []byte) { b[1] = 0; copy(b[12:], "DENY"); b[25]++ }), "no answer"},
		"zero transmit":             {changed(func(b []byte) { clear(b[40:48]) }), "no time"},
		"zero receive":              {changed(func(b []byte) { clear(b[32:40]) }), "no time"},
		"transmit before receive":   {changed(func(b []byte) { shift(b[40:], -time.Second) }), "backwards"},
		"receive is transmit":       {changed(func(b []byte) { copy(b[40:], b[32:40]) }), ""},
		"took longer than was":      {changed(func(b []byte) { shift(b[32:], -500*time.Millisecond); shift(b[40:], 300*time.Millisecond) }), "but the answer was there after"},
		"took very long":            {changed(func(b []byte) { shift(b[32:], -time.Minute) }), "took 1m"},
		"reference time zero":       {changed(func(b []byte) { clear(b[16:24]) }), ""},
		"reference two days old":    {changed(func(b []byte) { shift(b[16:], -48*time.Hour) }), "fresh"},
		"reference in the future":   {changed(func(b []byte) { shift(b[16:], time.Hour) }), "invalid time"},
		"root dispersion of 15 s":   {changed(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 15<<16) }), ""},
		"root dispersion of 17 s":   {changed(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 17<<16) }), "dispersion"},
		"mode client":               {changed(func(b []byte) { b[0] = 4<<3 | modeClient }), "no answer"},
		"mode broadcast":            {changed(func(b []byte) { b[0] = 4<<3 | 5 }), "no answer"},
		"47 bytes":                  {func(r []byte) [][]byte { return [][]byte{good(r)[:47]} }, "no answer"},
		"nothing":                   {func(r []byte) [][]byte { return [][]byte{{}} }, "no answer"},
		"8 KB":                      {func(r []byte) [][]byte { return [][]byte{make([]byte, 8192), good(r)} }, ""},
		"extension fields":          {func(r []byte) [][]byte { return [][]byte{append(good(r), make([]byte, 64)...)} }, ""},
		"twice":                     {func(r []byte) [][]byte { return [][]byte{good(r), good(r)} }, ""},
		"a flood of forged ones first": {func(r []byte) [][]byte {
			var all [][]byte
			for i := range 100 {
				b := good(r)
				b[24+i%8]++
				shift(b[40:], time.Hour)
				all = append(all, b)
			}
			return append(all, good(r))
		}, ""},
		"junk first": {func(r []byte) [][]byte { return [][]byte{[]byte("hello"), make([]byte, packetSize), good(r)} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := Exchange(t.Context(), hostile(t, test.replies))
			switch {
			case test.refused == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.refused == "":
				if off := a.Offset() - apart(); off.Abs() > a.RTT()/2+time.Millisecond {
					t.Errorf("off by %v, round trip %v", off, a.RTT())
				}
			case err == nil || !strings.Contains(err.Error(), test.refused):
				t.Errorf("got %+v and error %v, want %q in it", a, err, test.refused)
			}
		})
	}
}

// An exchange ends with its context, and says that there is nobody where there is nobody.
func TestExchangeEnds(t *testing.T) {
	silent := hostile(t, func([]byte) [][]byte { return nil })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Exchange(ctx, silent); err == nil || time.Since(began) > time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if _, err := Exchange(t.Context(), "no.such.host.invalid:123"); err == nil {
		t.Error("a name that isn't there answers")
	}
	if _, err := Measure(t.Context(), hostile(t, changed(func(b []byte) { b[1] = 0; copy(b[12:], "RATE") })), 8); err == nil {
		t.Error("no error")
	} else if _, ok := errors.AsType[*KissError](err); !ok {
		t.Errorf("%v is no KissError", err)
	}
}

// A timestamp of the kernel is used: it is before the process had the packet, and after the question went.
func TestStampsOfTheKernel(t *testing.T) {
	a, err := Exchange(t.Context(), hostile(t, changed(func([]byte) {})))
	if err != nil {
		t.Fatal(err)
	}
	if a.RTT() <= 0 || a.RTT() > 100*time.Millisecond {
		t.Errorf("round trip %v", a.RTT())
	}
}
