package server

import (
	"testing"
	"time"

	"vitrine/agent/server/media"
	"vitrine/content/digest"
)

// Each programme is issued after the one before: within a second, with a clock that was put back, and by a server that was started again.
func TestIssuedInOrder(t *testing.T) {
	site, _, err := OpenSite(t.TempDir(), "north")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	ids := map[string]bool{}
	var before time.Time
	for i, shift := range []time.Duration{0, 300 * time.Millisecond, 0, -time.Hour, time.Hour} {
		p, err := newPublisher(site, 10)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(shift)
		p.now = func() time.Time { return now }
		item := media.Item{Name: "a.png", Digest: digest.Of([]byte{byte(i)}), Size: 1, Type: "image/png"}
		if changed, err := p.update([]media.Item{item}, nil); err != nil || !changed {
			t.Fatalf("programme %d: changed %v, %v", i, changed, err)
		}
		m := p.last()
		if !m.Issued.After(before) || ids[m.ID] {
			t.Errorf("programme %d: %s is issued at %v, and the one before at %v", i, m.ID, m.Issued, before)
		}
		before, ids[m.ID] = m.Issued, true
	}
}
