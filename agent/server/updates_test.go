package server

import (
	"fmt"
	"testing"
	"time"

	"vitrine/agent/protocol"
	"vitrine/content/digest"
)

// viewersOf makes so many viewers, of which each says what state it is in.
func viewersOf(u Update, states ...string) (list []standing) {
	for i, state := range states {
		v := standing{Viewer: Viewer{ID: fmt.Sprintf("v%d", i), Name: fmt.Sprint("screen ", i)}}
		v.Presence.Online = true
		v.Heard = time.Now()
		if state != "" {
			v.Reported.Update = &protocol.UpdateStatus{Release: u.Release.Digest, State: state, Error: map[bool]string{true: "why"}[state == protocol.UpdateFailed]}
		}
		list = append(list, v)
	}
	return list
}

// A percentage takes about as many viewers, a higher one keeps those of a lower one, and another release begins with others.
func TestStages(t *testing.T) {
	update := func(release string, percent float64) Update {
		return Update{Release: protocol.ReleaseRef{Digest: digest.Of([]byte(release))}, Percent: percent}
	}
	const n = 5000
	var few, more, all, both int
	for i := range n {
		v := Viewer{ID: fmt.Sprintf("v%d", i)}
		ten, fifty := update("a", 10).chooses(v, nil), update("a", 50).chooses(v, nil)
		if ten {
			few++
		}
		if fifty {
			more++
		}
		if update("a", 100).chooses(v, nil) {
			all++
		}
		if ten && !fifty {
			t.Fatalf("viewer %d has it at 10 percent, and not at 50", i)
		}
		if ten && update("b", 10).chooses(v, nil) {
			both++
		}
	}
	if few < n/10-100 || few > n/10+100 || more < n/2-200 || more > n/2+200 || all != n || both > n/50 {
		t.Errorf("of %d: %d, %d, %d; %d are the first of two releases", n, few, more, all, both)
	}
}

func TestNamedViewers(t *testing.T) {
	u := Update{Percent: 100, Viewers: []string{"Lobby", "v7"}, Labels: []string{"test"}}
	for _, c := range []struct {
		v      Viewer
		labels []string
		want   bool
	}{
		{Viewer{ID: "v1", Name: "Lobby"}, nil, true}, {Viewer{ID: "v7", Name: "Hall"}, nil, true}, {Viewer{ID: "v8", Name: "Hall"}, nil, false},
		{Viewer{ID: "v8", Name: "Hall"}, []string{"x", "test"}, true},
	} {
		if u.chooses(c.v, c.labels) != c.want {
			t.Errorf("%+v %v: %v", c.v, c.labels, !c.want)
		}
	}
}

func TestTooManyFail(t *testing.T) {
	u := Update{Release: protocol.ReleaseRef{Digest: digest.Digest{1}}, Percent: 100}
	kept, failed, trial := protocol.UpdateKept, protocol.UpdateFailed, protocol.UpdateTrial
	for name, test := range map[string]struct {
		states []string
		halted bool
	}{
		"nobody has tried":    {[]string{"", "", protocol.UpdateFetching}, false},
		"one has failed":      {[]string{failed, "", ""}, false},
		"two of two":          {[]string{failed, failed, ""}, true},
		"two of nineteen":     {append(many(kept, 17), failed, failed), true},
		"two of twenty":       {append(many(kept, 18), failed, failed), false},
		"others are on trial": {append(many(trial, 50), kept, failed, failed), true},
	} {
		s := u.tally(viewersOf(u, test.states...), time.Now())
		if why := s.tooMany(); (why != "") != test.halted {
			t.Errorf("%s: %q, %v", name, why, s.Count)
		}
	}
	// Those that were on trial when they were heard of last count in the end.
	silent := viewersOf(u, trial, trial, kept)
	for i := range silent[:2] {
		silent[i].Presence.Online = false
	}
	if s := u.tally(silent, time.Now().Add(30*time.Minute)); s.Silent != 0 || s.tooMany() != "" {
		t.Errorf("too early: %+v", s)
	}
	if s := u.tally(silent, time.Now().Add(2*time.Hour)); s.Silent != 2 || s.tooMany() == "" || len(s.Problems) != 2 {
		t.Errorf("never: %+v", s)
	}
}

func many(state string, n int) (list []string) {
	for range n {
		list = append(list, state)
	}
	return list
}

// A viewer that says something of an earlier release says nothing of this one.
func TestTallyOfAnother(t *testing.T) {
	u := Update{Release: protocol.ReleaseRef{Digest: digest.Digest{1}}, Percent: 100}
	before := Update{Release: protocol.ReleaseRef{Digest: digest.Digest{2}}}
	if s := u.tally(viewersOf(before, protocol.UpdateFailed, protocol.UpdateFailed), time.Now()); s.Count[unknown] != 2 || s.tooMany() != "" || len(s.Problems) != 0 {
		t.Errorf("%+v", s)
	}
}
