package discovery

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func host(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|uint32(n))
	return netip.AddrFrom4(b)
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(5, 20)
		count := func(source netip.Addr, tries int) (n int) {
			for range tries {
				if l.allow(source) {
					n++
				}
			}
			return n
		}
		if n := count(host(1), 1000); n != 5 {
			t.Errorf("%d of a flood from one source", n)
		}
		if n := count(host(2), 1); n != 1 {
			t.Error("a flood from one source shut out another")
		}
		wait(t.Context(), 400*time.Millisecond)
		if n := count(host(1), 10); n != 2 {
			t.Errorf("%d after 0.4 s, want 2", n)
		}
		n := 0
		for i := range 5000 {
			n += count(host(i), 1)
		}
		if n > 20 {
			t.Errorf("%d of a flood from many sources", n)
		}
		if len(l.sources) > maxSources {
			t.Errorf("%d sources are kept", len(l.sources))
		}
		wait(t.Context(), time.Second)
		if n := count(host(1), 1); n != 1 {
			t.Error("nobody is let in after a flood")
		}
	})
}

func TestRecent(t *testing.T) {
	const limit = 100
	r := newRecent(limit)
	if r.repeated(host(1), "a") || r.repeated(host(2), "a") || r.repeated(host(1), "b") {
		t.Error("a new message was taken for a copy")
	}
	if !r.repeated(host(1), "a") {
		t.Error("a copy was taken for a new message")
	}
	for i := range 3 * limit {
		r.repeated(host(i), "c")
	}
	if len(r.seen) != limit {
		t.Errorf("%d messages are kept, want %d", len(r.seen), limit)
	}
	if r.repeated(host(1), "a") {
		t.Error("the oldest message was not forgotten")
	}
}
