package player

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"vitrine/agent/protocol"
)

const (
	// maxPages bounds what a local program that opens page after page can cost.
	maxPages = 16
	// maxPageMessage bounds a message from a page, in bytes; reasons are the only long part.
	maxPageMessage = 4 << 10
	// pageSilence is how long a page may say nothing. It asks for the time more often than that, even in a background tab, where
	// browsers wake timers once a minute.
	pageSilence = 3 * time.Minute
	// pageWrite is how long one message to a page may take.
	pageWrite = 10 * time.Second
)

// A page is one open WebSocket. Messages to it wait in an outbox with one place for each type, so that a slow page costs nothing
// and, when it is ready again, gets what is true then and not what was true before.
type page struct {
	number  int // among all that were ever open
	conn    *websocket.Conn
	key     string // by which it was opened
	opened  time.Time
	shown   map[string]report // by zone; guarded by Player.mu, like the rest of these
	clock   PageClock
	heard   time.Time
	pulse   pulse
	changes int64
	kept    string // why the page can't be loaded again without whoever serves it

	mu     sync.Mutex
	outbox []message
	posted chan struct{}
}

// A message waits for its page.
type message struct {
	kind string
	body any
}

// post leaves a message for the page, in place of one of the same type that it hasn't been sent yet. It never blocks.
func (g *page) post(body any) {
	m := message{kindOf(body), body}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.outbox {
		if g.outbox[i].kind == m.kind {
			g.outbox[i] = m
			return
		}
	}
	g.outbox = append(g.outbox, m)
	select {
	case g.posted <- struct{}{}:
	default:
	}
}

// kindOf is the type of a message that can be posted.
func kindOf(body any) string {
	switch body := body.(type) {
	case statusMessage:
		return typeStatus
	case programmeMessage:
		return body.Type
	case identifyMessage:
		return typeIdentify
	case reloadMessage:
		return typeReload
	}
	return typeHello
}

// take empties the outbox.
func (g *page) take() []message {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.outbox
	g.outbox = nil
	return all
}

// servePage is the WebSocket of a page, for as long as it lasts.
func (p *Player) servePage(w http.ResponseWriter, r *http.Request) {
	g := &page{key: r.URL.Query().Get("key"), opened: time.Now(), shown: map[string]report{}, posted: make(chan struct{}, 1)}
	if !p.admit(r.Context(), g) {
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer p.pages.Done()
	defer p.dismiss(g)
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		p.log.Debug("A page could not connect.", "err", err)
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxPageMessage)
	g.conn = conn

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	p.welcome(g)
	var writer sync.WaitGroup
	defer writer.Wait()
	writer.Go(func() {
		defer cancel()
		g.write(ctx)
	})
	err = p.read(ctx, g)
	cancel()
	p.log.Debug("A page is gone.", "err", err)
}

// admit notes that a page is there, unless there are too many or the player is about to end.
func (p *Player) admit(ctx context.Context, g *page) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) >= maxPages || ctx.Err() != nil {
		return false
	}
	p.open[g] = struct{}{}
	p.opened++
	g.number = p.opened
	p.pages.Add(1)
	return true
}

// dismiss forgets a page and what it showed.
func (p *Player) dismiss(g *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, g)
}

// welcome posts all that a new page must know.
func (p *Player) welcome(g *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Something may have been posted since admit; the hello comes first all the same.
	g.take()
	g.post(p.helloMessage())
	g.post(p.statusMessage())
	if p.current != nil {
		g.post(p.programmeMessage())
		if p.current.next != nil {
			g.post(p.nextMessage())
		}
	}
	if time.Now().Before(p.identity.until) {
		g.post(p.identifyMessage())
	}
}

// write sends what is posted until ctx ends or the page doesn't take it.
func (g *page) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.posted:
		}
		for _, m := range g.take() {
			if g.send(ctx, m.body) != nil {
				return
			}
		}
	}
}

// send writes one message, also beside write.
func (g *page) send(ctx context.Context, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, pageWrite)
	defer cancel()
	return g.conn.Write(ctx, websocket.MessageText, data)
}

// read acts on what the page says, until it is gone, silent for too long, or says something that makes no sense.
func (p *Player) read(ctx context.Context, g *page) error {
	for {
		m, err := g.receive(ctx)
		if err != nil {
			return err
		}
		p.noteHeard(g, m)
		switch m.Type {
		case typePulse:
		case typeTime:
			if err := g.send(ctx, timeMessage{Type: typeTime, ID: m.ID, clocks: p.clocks()}); err != nil {
				return err
			}
			p.noticeStep()
		case typeClock:
			p.noteClock(g, m)
		case typeShown:
			p.noteShown(g, m)
		case typeFailed:
			p.noteFailed(m)
		case typeKept:
			p.noteKept(g, m)
		case typePlayed:
			if !p.notePlayed(g, m) {
				continue
			}
			if err := g.send(ctx, notedMessage{typeNoted, m.Play}); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the page sent a message of the unknown type %.40q", m.Type)
		}
	}
}

// receive reads one message.
func (g *page) receive(ctx context.Context) (pageMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, pageSilence)
	defer cancel()
	var m pageMessage
	kind, data, err := g.conn.Read(ctx)
	if err != nil {
		return m, err
	}
	if kind != websocket.MessageText {
		return m, fmt.Errorf("the page sent a binary message")
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("message of the page: %w", err)
	}
	return m, nil
}

// noteShown keeps what the page says it shows, if that can be true.
func (p *Player) noteShown(g *page, m pageMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	playing, ok := p.find(m)
	if !ok {
		p.log.Debug("A page shows something that is not in a programme.", "zone", m.Zone, "generation", m.Generation.Short())
		return
	}
	playing.Shown = true
	playing.Since = time.Time(m.Since)
	// A clock that steps leaves the page's stamp behind for a moment; then the time of arrival is the better one.
	now := p.cfg.Now().UTC()
	if playing.Since.After(now.Add(time.Second)) || playing.Since.Before(now.Add(-24*time.Hour)) {
		playing.Since = now
	}
	if before := g.shown[m.Zone]; before.Generation != playing.Generation || before.Presentation != playing.Presentation || before.Item != playing.Item {
		g.changes++
	}
	g.shown[m.Zone] = report{playing, time.Now()}
	failed, item := p.generation(m.Generation).failed, failedItem{m.Presentation, m.Zone, m.Index}
	if _, ok := failed[item]; ok {
		failed[item] = time.Time{}
	}
}

// noteKept keeps why a page can't play on when it is loaded again without whoever serves it. No reason means that it can.
func (p *Player) noteKept(g *page, m pageMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.kept = m.Reason
}

// NotKept says why an open page can't play on when it is loaded again without whoever serves it; empty if all can, or none has said.
func (p *Player) NotKept() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for page := range p.open {
		if page.kept != "" {
			return page.kept
		}
	}
	return ""
}

// noteFailed passes on what a page couldn't show.
func (p *Player) noteFailed(m pageMessage) {
	playing, ok, first := p.findFailed(m)
	if !ok {
		return
	}
	if first {
		p.log.Warn("The page could not show an item; it goes on with the next and tries again in each round.",
			"zone", playing.Zone, "item", playing.Item, "name", playing.Name, "digest", playing.Asset, "reason", m.Reason)
	}
	p.cfg.Failed(Failure{
		Generation:   playing.Generation,
		Presentation: playing.Presentation,
		Zone:         playing.Zone,
		Item:         playing.Item,
		Asset:        playing.Asset,
		Name:         playing.Name,
		Reason:       m.Reason,
		Again:        !first,
	})
}

// longestPlay is a day, as that of an item, and a little more.
const longestPlay = 25 * time.Hour

// notePlayed passes on what a page has shown. It is false before there is a programme that it could be of, and while it can't be kept: the page
// sends it again.
func (p *Player) notePlayed(g *page, m pageMessage) bool {
	p.mu.Lock()
	if p.current == nil {
		p.mu.Unlock()
		return false
	}
	playing, ok := p.find(m)
	for other := range p.open {
		ok = ok && g.number <= other.number // a second page shows the same once more
	}
	length := time.Duration(m.Seconds * float64(time.Second))
	if !ok || protocol.CheckPlayID(m.Play) != nil || length < 0 || length > longestPlay {
		p.mu.Unlock()
		return true
	}
	z, _ := p.generation(m.Generation).zone(m.Presentation, m.Zone)
	p.mu.Unlock()
	err := p.cfg.Played(Play{
		ID: m.Play, Generation: playing.Generation, Presentation: playing.Presentation, Zone: playing.Zone, Item: playing.Item,
		Type: z.Playlist[m.Index].Type, Asset: playing.Asset, Name: playing.Name,
		Start: time.Time(m.Since), Length: length, Complete: m.Complete,
	})
	if err != nil {
		p.log.Error("What a page has shown can't be kept; the page sends it again.", "err", err)
	}
	return err == nil
}

// findFailed is the item that a page couldn't show, and whether that is news.
func (p *Player) findFailed(m pageMessage) (playing Playing, ok, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if playing, ok = p.find(m); !ok {
		return playing, false, false
	}
	told := p.generation(m.Generation).failed
	item := failedItem{m.Presentation, m.Zone, m.Index}
	_, again := told[item]
	told[item] = time.Now()
	return playing, true, !again
}

// find is the item that a page speaks of. p.mu is held.
func (p *Player) find(m pageMessage) (Playing, bool) {
	known := p.generation(m.Generation)
	if known == nil {
		return Playing{}, false
	}
	playing, ok := known.item(m.Presentation, m.Zone, m.Index)
	return playing, ok && playing.Asset == m.Asset
}

// connected tells whether the corner mark is off.
func (s State) connected() bool { return protocol.SessionStatus{State: s.State}.Up() }
