package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"vitrine/agent/protocol"
)

func minute() *uint32 { n := uint32(60); return &n }

// result reads the next answer to a command.
func (b *broker) result(suffix string) protocol.Result {
	b.t.Helper()
	r, err := protocol.ParseResult(b.await(suffix).Payload)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// counted is a command that counts how often it is run.
func counted(ran chan<- string) map[string]Handler {
	return map[string]Handler{"count": func(_ context.Context, args json.RawMessage) (Outcome, error) {
		ran <- string(args)
		return Outcome{Data: map[string]int{"n": 1}}, nil
	}}
}

// An answer goes where the command asked for it, with the command's correlation data; and to the usual topic if it didn't.
func TestCommandIsAnswered(t *testing.T) {
	b := newBroker(t)
	c := with(t, b)
	ran := make(chan string, 8)
	c.Commands = counted(ran)
	r := run(t, c)
	r.await(protocol.StateConnected)

	b.command(`{"id":"a","name":"count","args":{"x":1}}`, packets.Properties{MessageExpiry: minute(), ResponseTopic: "site/desk", CorrelationData: []byte{0, 255}})
	for _, want := range []string{protocol.ResultAccepted, protocol.ResultDone} {
		p := b.await("site/desk")
		got, err := protocol.ParseResult(p.Payload)
		if err != nil || got.ID != "a" || got.State != want || string(p.Properties.CorrelationData) != "\x00\xff" {
			t.Errorf("answer %s with %q, %v", p.Payload, p.Properties.CorrelationData, err)
		}
		if want == protocol.ResultDone && string(got.Data) != `{"n":1}` {
			t.Errorf("data %s", got.Data)
		}
	}
	if args := take(t, ran); args != `{"x":1}` {
		t.Errorf("it was run with %s", args)
	}
	b.command(`{"id":"a","name":"count"}`, packets.Properties{MessageExpiry: minute()})
	if got := b.result("/result"); got.State != protocol.ResultDone || len(ran) != 0 {
		t.Errorf("a repeat: %+v, ran %d times more", got, len(ran))
	}
	b.command(`{"id":"b","name":"dance"}`, packets.Properties{MessageExpiry: minute()})
	if got := b.result("/result"); got.State != protocol.ResultFailed || !strings.Contains(got.Error, `"dance"`) {
		t.Errorf("an unknown one: %+v", got)
	}
}

// What has expired is never run, by whichever of the two times; what never expires neither.
func TestCommandExpires(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	none := uint32(0)
	for name, test := range map[string]struct {
		expires string
		message *uint32
		unsure  bool
		want    error
	}{
		"in time by its own time":                {at(time.Minute), nil, false, nil},
		"in time by the message":                 {"", minute(), false, nil},
		"in time by the message, without clock":  {at(-time.Hour), minute(), true, nil},
		"too late by its own time":               {at(-time.Second), nil, false, errExpired},
		"too late by its own time, sent as new":  {at(-time.Second), minute(), false, errExpired},
		"too late by the message":                {"", &none, false, errExpired},
		"by its own time, without clock":         {at(time.Minute), nil, true, errNoTime},
		"without a time":                         {"", nil, false, errNoExpiry},
		"too late by the message, not by itself": {at(time.Minute), &none, false, errExpired},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t)
			c := with(t, b)
			ran := make(chan string, 1)
			c.Commands = counted(ran)
			c.Now = func() (time.Time, bool) { return time.Now(), !test.unsure }
			r := run(t, c)
			r.await(protocol.StateConnected)
			payload := `{"id":"a","name":"count"}`
			if test.expires != "" {
				payload = fmt.Sprintf(`{"id":"a","name":"count","expires":%q}`, test.expires)
			}
			b.command(payload, packets.Properties{MessageExpiry: test.message})
			got := b.result("/result")
			if got.State == protocol.ResultAccepted {
				got = b.result("/result")
			}
			if test.want == nil && (got.State != protocol.ResultDone || len(ran) != 1) {
				t.Errorf("%+v, ran %d times", got, len(ran))
			}
			if test.want != nil && (got.State != protocol.ResultFailed || got.Error != test.want.Error() || len(ran) != 0) {
				t.Errorf("%+v, ran %d times", got, len(ran))
			}
		})
	}
}

// A command that came is run and answered although the connection is lost at once, and the answer waits for the next one.
func TestCommandOutlivesItsConnection(t *testing.T) {
	b := newBroker(t)
	c := with(t, b)
	begun, release := make(chan struct{}), make(chan struct{})
	c.Commands = map[string]Handler{"slow": func(context.Context, json.RawMessage) (Outcome, error) {
		close(begun)
		<-release
		return Outcome{}, errors.New("a reason")
	}}
	r := run(t, c)
	r.await(protocol.StateConnected)
	b.command(`{"id":"a","name":"slow"}`, packets.Properties{MessageExpiry: minute()})
	take(t, begun)
	b.cut()
	r.await(protocol.StateOffline)
	close(release)
	r.await(protocol.StateConnected)
	for {
		got := b.result("/result")
		if got.State == protocol.ResultAccepted {
			continue
		}
		if got.State != protocol.ResultFailed || got.Error != "a reason" {
			t.Errorf("%+v", got)
		}
		return
	}
}

// A command that waits when the agent stops is run by its next run; one that was being run is not run again, and answered.
func TestCommandsAcrossRestart(t *testing.T) {
	b := newBroker(t)
	c := with(t, b)
	c.Journal = journalOf(t)
	begun := make(chan struct{})
	c.Commands = map[string]Handler{"hangs": func(ctx context.Context, _ json.RawMessage) (Outcome, error) {
		close(begun)
		<-ctx.Done()
		return Outcome{}, ctx.Err()
	}}
	r := run(t, c)
	r.await(protocol.StateConnected)
	b.command(`{"id":"a","name":"hangs"}`, packets.Properties{MessageExpiry: minute()})
	take(t, begun)
	b.command(`{"id":"b","name":"count"}`, packets.Properties{MessageExpiry: minute()})
	b.command(`{"id":"c","name":"count"}`, packets.Properties{MessageExpiry: new(uint32)})
	for range 3 {
		take(t, b.acked)
	}
	r.stop()

	ran := make(chan string, 8)
	c.Commands = counted(ran)
	c.Commands["hangs"] = func(context.Context, json.RawMessage) (Outcome, error) {
		t.Error("it is run again")
		return Outcome{}, nil
	}
	run(t, c)
	got := map[string]protocol.Result{}
	for len(got) < 3 {
		if result := b.result("/result"); result.State != protocol.ResultAccepted {
			got[result.ID] = result
		}
	}
	if got["a"].Error != errCut.Error() || got["b"].State != protocol.ResultDone || got["c"].Error != errExpired.Error() || len(ran) != 1 {
		t.Errorf("%+v, ran %d times", got, len(ran))
	}
}

// What a command does at last comes after its result is known to the server.
func TestAfter(t *testing.T) {
	b := newBroker(t)
	c := with(t, b)
	after := make(chan struct{})
	c.Commands = map[string]Handler{"restart": func(context.Context, json.RawMessage) (Outcome, error) {
		return Outcome{After: func() { close(after) }}, nil
	}}
	r := run(t, c)
	r.await(protocol.StateConnected)
	b.command(`{"id":"a","name":"restart"}`, packets.Properties{MessageExpiry: minute()})
	take(t, after)
	if n, _ := r.journal.waiting(); n != 0 {
		t.Errorf("%d messages still wait", n)
	}
}

// A clock that jumps by a year, either way, costs no session, and no command that came in time by the broker's count. One whose own time has passed
// by the viewer's clock is answered as such, not run.
func TestClockJumps(t *testing.T) {
	const year = 365 * 24 * time.Hour
	b := newBroker(t)
	c := with(t, b)
	var jump atomic.Int64
	c.Now = func() (time.Time, bool) { return time.Now().Add(time.Duration(jump.Load())), true }
	ran := make(chan string, 8)
	c.Commands = counted(ran)
	r := run(t, c)
	r.await(protocol.StateConnected)
	since := r.Status().Since
	for i, d := range []time.Duration{year, -year, 0} {
		jump.Store(int64(d))
		r.Event("x", "after the jump", r.now())
		b.await("/event")
		b.command(fmt.Sprintf(`{"id":"by message %d","name":"count"}`, i), packets.Properties{MessageExpiry: minute()})
		b.command(fmt.Sprintf(`{"id":"by itself %d","name":"count","expires":%q}`, i, time.Now().Add(time.Minute).UTC().Format(time.RFC3339)), packets.Properties{})
		got := map[string]string{}
		for len(got) < 2 {
			if result := b.result("/result"); result.State != protocol.ResultAccepted {
				got[strings.TrimRight(result.ID, " 0123")] = result.State + result.Error
			}
		}
		late := map[bool]string{true: protocol.ResultFailed + errExpired.Error(), false: protocol.ResultDone}[d > 0]
		if got["by message"] != protocol.ResultDone || got["by itself"] != late {
			t.Errorf("after a jump of %v: %v", d, got)
		}
	}
	if s := r.Status(); s.State != protocol.StateConnected || s.Since != since {
		t.Errorf("the session is another one: %+v", s)
	}
}
