package discovery

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A flood is counted whole and logged once a minute.
func TestTally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		var c tally
		for range 1000 {
			c.count(log, accepted, peer, nil)
		}
		if out.Len() > 0 {
			t.Errorf("what is in order was logged: %s", &out)
		}
		wait(t.Context(), time.Second)
		for range 100 {
			c.count(log, malformed, peer, errors.New("no XML element"))
			c.count(log, limited, peer, nil)
		}
		if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.Contains(out.String(), `"1 malformed"`) || !strings.Contains(out.String(), "no XML element") {
			t.Errorf("logged %q", out.String())
		}
		out.Reset()
		wait(t.Context(), logInterval)
		c.count(log, refused, peer, nil)
		c.count(log, refused, peer, nil)
		if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.Contains(out.String(), "100 limited, 1 refused, 99 malformed") {
			t.Errorf("logged %q", out.String())
		}
		if got := c.counters(); got != (Counters{Accepted: 1000, Limited: 100, Refused: 2, Malformed: 100}) {
			t.Errorf("counted %+v", got)
		}
	})
}
