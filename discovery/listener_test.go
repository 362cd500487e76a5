package discovery

import (
	"testing"

	"vitrine/discovery/wsd"
)

func TestAnnouncementOrder(t *testing.T) {
	run := func(instance, number uint32, bye bool, source string) announced {
		a := answerFrom(source, serverEPR, 1)
		return announced{Announcement{a.device, bye}, &wsd.Sequence{InstanceID: instance, MessageNumber: number}}
	}
	unordered := run(0, 0, false, "192.0.2.9:1")
	unordered.sequence = nil
	const a, b = "192.0.2.9:1", "192.0.2.10:1"
	l := newListener()
	for i, step := range []struct {
		announced
		news bool
	}{
		{run(5, 2, false, a), true},
		{run(5, 1, false, a), false}, // overtaken
		{run(5, 3, false, a), false}, // the same in the other version
		{run(5, 4, true, a), true},
		{run(5, 3, false, a), false}, // a late Hello doesn't undo the Bye
		{run(5, 5, true, a), false},
		{run(4, 1, false, a), true}, // restarted, and its clock went back
		{run(4, 9, true, b), true},  // another source has its own order
		{run(4, 2, true, a), true},
		{unordered, true},
	} {
		if _, news := l.order(step.announced); news != step.news {
			t.Errorf("step %d: news %v, want %v", i, news, step.news)
		}
	}
}

func TestListenerReads(t *testing.T) {
	hello := func(change func(*wsd.Message)) []byte {
		m := &wsd.Message{Version: wsd.Version2005, Action: wsd.Hello, MessageID: newID(), Endpoints: []wsd.Endpoint{{EPR: serverEPR, XAddrs: []string{"https://localhost:1"}}}}
		change(m)
		return mustMarshal(t, m)
	}
	l, links := newListener(), neighbourhood{*testLink()}
	data := hello(func(*wsd.Message) {})
	a, got, _ := l.read(testLink(), links, multicast(data))
	if got != accepted || a.Bye || a.Device.XAddrs[0] != "https://192.0.2.9:1" || a.Device.Interface != "test0" || a.Device.From != peer {
		t.Errorf("read %+v, %s", a, fateNames[got])
	}
	bye := hello(func(m *wsd.Message) { m.Action = wsd.Bye })
	if a, got, _ := l.read(testLink(), links, multicast(bye)); got != accepted || !a.Bye {
		t.Errorf("read %+v, %s", a, fateNames[got])
	}
	match := hello(func(m *wsd.Message) { m.Action, m.RelatesTo = wsd.ProbeMatches, "urn:1" })
	for want, data := range map[fate][]byte{repeated: data, ignored: match, malformed: []byte("<:/>")} {
		if _, got, _ := l.read(testLink(), links, multicast(data)); got != want {
			t.Errorf("%s is taken for %s", fateNames[want], fateNames[got])
		}
	}
}
