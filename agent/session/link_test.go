package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"vitrine/agent/protocol"
)

// CONNECT says what the protocol page says.
func TestConnect(t *testing.T) {
	b := newBroker(t)
	c := with(t, b)
	c.KeepAlive, c.Fingerprint = 42*time.Second, "a machine"
	r := run(t, c)
	r.await(protocol.StateConnected)
	got := take(t, b.connects)
	p, will := got.Properties, got.WillProperties
	if got.ClientID != "v1" || got.CleanStart || got.KeepAlive != 42 || *p.SessionExpiryInterval != sessionExpiry || *p.ReceiveMaximum != receiveMaximum ||
		*p.MaximumPacketSize != protocol.MaxMessage || p.RequestProblemInfo != nil && *p.RequestProblemInfo == 0 {
		t.Errorf("CONNECT %+v", got)
	}
	if !got.WillRetain || got.WillQOS != 1 || got.WillTopic != "vitrine/1/v/v1/presence" || *will.WillDelayInterval != willDelay || !strings.Contains(string(got.WillMessage), `"online":false`) {
		t.Errorf("will %+v", got)
	}
	if fmt.Sprint(p.User) != fmt.Sprintf("[{fingerprint a machine} {boot %s}]", r.boot) {
		t.Errorf("user properties %v", p.User)
	}
}

// A broker may have messages of its own that the viewer hasn't acknowledged before it was killed, and refuse their packet ids.
func TestPacketIDsInUse(t *testing.T) {
	b := newBroker(t)
	b.used = receiveMaximum
	run(t, with(t, b)).await(protocol.StateConnected)
}

// Events go out in their order, each once, whatever happens to connections in between, and also after the agent was started again.
func TestEventsAreDelivered(t *testing.T) {
	b := newBroker(t)
	c := with(t, b)
	c.Journal = journalOf(t)
	r := run(t, c)
	for i := range 5 {
		r.Event("x", fmt.Sprint(i), time.Now())
	}
	r.await(protocol.StateConnected)
	// One that has arrived before its acknowledgement was lost comes again, and is known by its id.
	arrived := map[string]bool{}
	expect := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			e, err := protocol.ParseEvent(b.await("/event").Payload)
			if arrived[e.ID] {
				i--
				continue
			}
			arrived[e.ID] = true
			if err != nil || e.Message != fmt.Sprint(i) || e.ID == "" {
				t.Fatalf("event %+v, want %d (%v)", e, i, err)
			}
		}
	}
	expect(0, 5)
	b.cut()
	for i := 5; i < 10; i++ {
		r.Event("x", fmt.Sprint(i), time.Now())
	}
	expect(5, 10)
	b.stop()
	r.await(protocol.StateOffline)
	for i := 10; i < 15; i++ {
		r.Event("x", fmt.Sprint(i), time.Now())
	}
	if s := r.Status(); s.Waiting < 5 {
		t.Errorf("%d wait", s.Waiting)
	}
	r.stop()

	b = newBroker(t)
	again := with(t, b)
	again.Journal = c.Journal
	run(t, again)
	expect(10, 15)
}

// What a broker says that it doesn't take isn't used, and what it refuses doesn't hold up the rest.
func TestBrokerWithLess(t *testing.T) {
	zero, small := byte(0), uint32(3000)
	b := newBroker(t)
	b.connack = packets.Connack{Properties: &packets.Properties{RetainAvailable: &zero, MaximumQOS: &zero, MaximumPacketSize: &small}}
	r := run(t, with(t, b))
	r.await(protocol.StateConnected)
	r.Event("x", strings.Repeat("long", 1000), time.Now())
	r.Event("x", "short", time.Now())
	p := b.await("/event")
	if p.QoS != 0 || !strings.Contains(string(p.Payload), "short") {
		t.Errorf("QoS %d, %s", p.QoS, p.Payload)
	}
	r.Report()
	if p := b.await("/reported"); p.Retain {
		t.Error("retained")
	}
	if s := r.Status(); s.Lost != 1 {
		t.Errorf("%d are lost", s.Lost)
	}

	b = newBroker(t)
	b.refuse = func(p *packets.Publish) byte {
		if strings.Contains(string(p.Payload), "bad") {
			return packets.PubackNotAuthorized
		}
		return 0
	}
	r = run(t, with(t, b))
	r.await(protocol.StateConnected)
	r.Event("x", "bad", time.Now())
	r.Event("x", "good", time.Now())
	for {
		var e protocol.Event
		if err := json.Unmarshal(b.await("/event").Payload, &e); err != nil {
			t.Fatal(err)
		}
		if e.Message == "good" {
			break
		}
	}
}

// A broker without retained messages refuses a will that is to be retained: the next try is without.
func TestBrokerWithoutRetainedWill(t *testing.T) {
	b := newBroker(t)
	b.connack = packets.Connack{ReasonCode: packets.ConnackRetainNotSupported, Properties: &packets.Properties{}}
	run(t, with(t, b))
	if first, second := take(t, b.connects), take(t, b.connects); !first.WillRetain || second.WillRetain {
		t.Errorf("retained: %v, then %v", first.WillRetain, second.WillRetain)
	}
}

// The reason that a server gives is what a technician reads.
func TestRefusalIsSaid(t *testing.T) {
	for want, connack := range map[string]packets.Connack{
		"the server refused the session: viewer x was revoked": {ReasonCode: packets.ConnackNotAuthorized, Properties: &packets.Properties{ReasonString: "viewer x was revoked"}},
		"the server refused the session: reason 0x86":          {ReasonCode: packets.ConnackBadUsernameOrPassword, Properties: &packets.Properties{}},
		"the server is busy: reason 0x89":                      {ReasonCode: packets.ConnackServerBusy, Properties: &packets.Properties{}},
		"can't carry the session: reason 0x84":                 {ReasonCode: packets.ConnackUnsupportedProtocolVersion, Properties: &packets.Properties{}},
	} {
		b := newBroker(t)
		b.connack = connack
		r := run(t, with(t, b))
		if s := r.await(protocol.StateOffline); !strings.HasPrefix(s.Error, b.addr+": ") || !strings.Contains(s.Error, want) {
			t.Errorf("it says %q, want %q", s.Error, want)
		}
	}
}

// A machine that takes the session over gets it: this one waits, and says so.
func TestTakenOver(t *testing.T) {
	b := newBroker(t)
	c := with(t, b)
	cloned := make(chan error, 1)
	c.Cloned = func(err error) { cloned <- err }
	r := run(t, c)
	r.await(protocol.StateConnected)
	take(t, b.connects)
	b.send(&packets.Disconnect{ReasonCode: packets.DisconnectSessionTakenOver, Properties: &packets.Properties{}})
	if s := r.await(protocol.StateOffline); !strings.Contains(s.Error, "another machine connected with this viewer's identity") {
		t.Errorf("it says %q", s.Error)
	}
	take(t, cloned)
	r.Kick() // news of a server are no reason to take it back
	select {
	case <-b.connects:
		t.Error("it took the session back at once")
	case <-time.After(1200 * time.Millisecond):
	}
}
