package player_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// Pages are told what comes on next before it does, also one that comes only then.
func TestNextIsAnnounced(t *testing.T) {
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	programme := l.programme("one", still(l.picture(t, red), 10))
	programme.Manifest.Presentations["lunch"] = programme.Manifest.Presentations["welcome"]
	begin := time.Now().Add(14 * time.Second).Truncate(time.Second)
	programme.Manifest.Schedule.Events = []manifest.Event{{Presentation: "lunch", Start: begin.Format(time.RFC3339), End: begin.Add(time.Hour).Format(time.RFC3339)}}
	early := dial(t, p)
	show(t, p, programme)
	for _, c := range []client{early, dial(t, p)} {
		if on := c.next("programme"); on["presentation"] != "welcome" {
			t.Errorf("on is %v", on)
		}
		next := c.next("next")
		if at := float64(begin.UnixMilli()); next["presentation"] != "lunch" || next["since"] != at || next["anchor"] != at {
			t.Errorf("next is %v", next)
		}
	}
}

// A client speaks the page's side of the protocol.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

// dial opens a page's WebSocket.
func dial(t *testing.T, p *player.Player) client {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr()+"/v1/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return client{t, conn}
}

// receive reads the next message.
func (c client) receive() map[string]any {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	_, data, err := c.conn.Read(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	message := map[string]any{}
	if err := json.Unmarshal(data, &message); err != nil {
		c.t.Fatal(err)
	}
	return message
}

// next reads messages until one of a type comes.
func (c client) next(kind string) map[string]any {
	c.t.Helper()
	for {
		if m := c.receive(); m["type"] == kind {
			return m
		}
	}
}

func (c client) say(message any) {
	c.t.Helper()
	data, err := json.Marshal(message)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.conn.Write(c.t.Context(), websocket.MessageText, data); err != nil {
		c.t.Fatal(err)
	}
}

// sync waits until the player has acted on all that was said: it answers in order.
func (c client) sync() {
	c.t.Helper()
	c.say(map[string]any{"type": "time", "id": 99})
	for c.next("time")["id"] != 99.0 {
		continue
	}
}

// ended waits until the player closes the connection.
func (c client) ended() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := c.conn.Read(ctx); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		c.t.Error("the player kept the connection")
	}
}

// shownMessage is a page's report of an item.
func shownMessage(programme player.Programme, index int, asset digest.Digest) map[string]any {
	return map[string]any{
		"type": "shown", "generation": programme.Generation, "presentation": "welcome", "zone": "main", "index": index, "asset": asset,
		"since": float64(time.Now().UnixMilli()),
	}
}

func TestWelcome(t *testing.T) {
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	p.SetState(player.State{Name: "lobby", State: protocol.StateSearching, Message: "Looking for a server"})
	show(t, p, l.programme("one", still(l.picture(t, red), 10)))
	p.Identify("", time.Minute)

	c := dial(t, p)
	if hello := c.receive(); hello["type"] != "hello" || hello["version"] != 1.0 || hello["page"] == "" || hello["now"].(float64) < 1e12 {
		t.Errorf("first message %v", hello)
	}
	if status := c.receive(); status["type"] != "status" || status["name"] != "lobby" || status["connected"] != false {
		t.Errorf("second message %v", status)
	}
	programme := c.receive()
	zones, _ := programme["zones"].([]any)
	if programme["type"] != "programme" || programme["presentation"] != "welcome" || programme["anchor"] != 0.0 || len(zones) != 1 {
		t.Fatalf("third message %v", programme)
	}
	if zone := zones[0].(map[string]any); zone["id"] != "main" || zone["w"] != 100.0 || zone["timed"] != true {
		t.Errorf("zone %v", zone)
	}
	if identify := c.receive(); identify["type"] != "identify" || identify["name"] != "lobby" || identify["seconds"].(float64) < 30 {
		t.Errorf("fourth message %v", identify)
	}
	p.SetState(player.State{Name: "lobby", State: protocol.StateConnected})
	if status := c.next("status"); status["connected"] != true {
		t.Errorf("status %v", status)
	}
	p.Identify("", 0)
	if identify := c.next("identify"); identify["seconds"] != 0.0 {
		t.Errorf("identify %v", identify)
	}
}

func TestTimeIsTheAgents(t *testing.T) {
	now := time.Date(2031, 5, 6, 7, 8, 9, 123_456_000, time.UTC)
	p := start(t, player.Config{Now: func() time.Time { return now }})
	c := dial(t, p)
	c.say(map[string]any{"type": "time", "id": 7})
	answer := c.next("time")
	if got := time.UnixMicro(int64(answer["now"].(float64) * 1000)).UTC(); answer["id"] != 7.0 || got.Sub(now).Abs() > 2*time.Microsecond {
		t.Errorf("answer %v, the time %v", answer, got)
	}
}

func TestPlaying(t *testing.T) {
	l := newLibrary()
	first, second := l.picture(t, red), l.picture(t, green)
	now := time.Unix(1_800_000_015, 0) // 15 s into a round of 20 s
	p := start(t, player.Config{Assets: l.open, Now: func() time.Time { return now }})
	if got := p.Playing(); got != nil {
		t.Errorf("before any programme: %+v", got)
	}
	one := l.programme("one", still(first, 10), still(second, 10))
	show(t, p, one)
	got := p.Playing()
	if len(got) != 1 || got[0].Item != 1 || got[0].Asset != second || got[0].Shown || !got[0].Since.Equal(now.Add(-5*time.Second)) {
		t.Errorf("without a page: %+v", got)
	}

	c := dial(t, p)
	lies := shownMessage(one, 0, second)
	c.say(lies) // index and asset don't belong together
	c.say(shownMessage(one, 7, first))
	c.say(shownMessage(l.programme("unknown"), 0, first))
	c.sync()
	if got := p.Playing(); got[0].Shown {
		t.Errorf("after nonsense: %+v", got)
	}
	c.say(shownMessage(one, 0, first))
	c.sync()
	got = p.Playing()
	if len(got) != 1 || got[0].Item != 0 || got[0].Asset != first || !got[0].Shown || got[0].Generation != one.Generation || got[0].Name == "" {
		t.Errorf("after a report: %+v", got)
	}
	// While a page prepares the next programme it still shows the one before, and that is what is true.
	show(t, p, l.programme("two", still(second, 10)))
	if got = p.Playing(); got[0].Generation != one.Generation || !got[0].Shown {
		t.Errorf("before the page has turned: %+v", got)
	}
	c.conn.CloseNow()
	awaitPlaying(t, p, "the page to be forgotten", func(p player.Playing) bool { return !p.Shown })
}

func TestFailuresArePassedOn(t *testing.T) {
	l := newLibrary()
	picture := l.picture(t, red)
	failed := make(chan player.Failure, 10)
	p := start(t, player.Config{Assets: l.open, Failed: func(f player.Failure) { failed <- f }})
	one := l.programme("one", still(picture, 10))
	show(t, p, one)
	c := dial(t, p)
	message := shownMessage(one, 0, picture)
	message["type"], message["reason"] = "failed", "broken"
	c.say(message)
	c.sync()
	want := player.Failure{Generation: one.Generation, Presentation: "welcome", Zone: "main", Asset: picture, Name: one.Manifest.Assets[picture].Name, Reason: "broken"}
	if got := <-failed; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNonsenseEndsTheConnection(t *testing.T) {
	p := start(t, player.Config{})
	for name, text := range map[string]string{
		"unknown type": `{"type":"reboot"}`,
		"not JSON":     `hello`,
		"wrong type":   `{"type":"shown","index":"first"}`,
		"bad digest":   `{"type":"shown","generation":"../../x"}`,
		"too long":     `{"type":"failed","reason":"` + strings.Repeat("x", 5000) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, p)
			if err := c.conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
			c.ended()
		})
	}
}

func TestForeignPagesGetNoSocket(t *testing.T) {
	p := start(t, player.Config{})
	_, response, err := websocket.Dial(t.Context(), "ws://"+p.Addr()+"/v1/page", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	if err == nil || response == nil || response.StatusCode != 403 {
		t.Errorf("response %v, error %v", response, err)
	}
}

func TestTooManyPages(t *testing.T) {
	p := start(t, player.Config{})
	for range 16 {
		dial(t, p).next("hello")
	}
	_, response, err := websocket.Dial(t.Context(), "ws://"+p.Addr()+"/v1/page", nil)
	if err == nil || response == nil || response.StatusCode != 503 {
		t.Errorf("response %v, error %v", response, err)
	}
}

// The page here never reads. Without a place of one message for each type, the messages would fill its socket and then the
// agent would wait for it, or its memory would grow; a page that reads must in the end get the newest of all.
func TestDeadPageBlocksNobody(t *testing.T) {
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	dial(t, p)
	alive := dial(t, p)
	text := strings.Repeat("x", 20_000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 500 {
			if err := p.Show(l.programme(fmt.Sprint(i), manifest.Item{Type: manifest.Text, Text: text, Seconds: 10})); err != nil {
				t.Error(err)
			}
		}
	}()
	alive.conn.SetReadLimit(1 << 20)
	last := digest.Of([]byte("499")).String()
	for alive.next("programme")["generation"] != last {
		continue
	}
	<-done
}

// Stopping ends every connection, although an open WebSocket isn't the HTTP server's any more.
func TestStopEndsPages(t *testing.T) {
	p, stop := run(t, player.Config{})
	c := dial(t, p)
	c.next("hello")
	stop()
	c.ended()
}
