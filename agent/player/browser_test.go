package player_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/agent/protocol"
	"vitrine/content/calendar"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// browse opens the page of a player in a browser.
func browse(t *testing.T, p *player.Player, allowed ...string) context.Context {
	t.Helper()
	ctx := browsertest.New(t, allowed...)
	browsertest.Open(ctx, t, "http://"+p.Addr()+"/")
	return ctx
}

// zoneIs is the JavaScript for what the main zone says of itself.
func zoneIs(field string, value any) string {
	return fmt.Sprintf(`document.querySelector('vitrine-zone[data-zone="main"]')?.dataset.%s === '%v'`, field, value)
}

// near allows for the rounding of a video's colours.
func near(a, b color.Color) bool {
	const slack = 8
	x, y := color.RGBAModel.Convert(a).(color.RGBA), color.RGBAModel.Convert(b).(color.RGBA)
	diff := func(x, y uint8) bool { return int(x)-int(y) <= slack && int(y)-int(x) <= slack }
	return diff(x.R, y.R) && diff(x.G, y.G) && diff(x.B, y.B)
}

// at is the colour at a place in percent of the picture.
func at(picture image.Image, x, y int) color.Color {
	b := picture.Bounds()
	return picture.At(b.Min.X+b.Dx()*x/100, b.Min.Y+b.Dy()*y/100)
}

// see waits until the screen has a colour in its middle: what the page says of itself isn't proof.
func see(ctx context.Context, t *testing.T, want color.Color) {
	t.Helper()
	var got color.Color
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if got = at(browsertest.Screenshot(ctx, t), 50, 50); near(got, want) {
			return
		}
	}
	t.Fatalf("the middle of the screen is %v, not %v", got, want)
}

func video(d digest.Digest) manifest.Item {
	return manifest.Item{Type: manifest.Video, Asset: d, Fit: manifest.Cover}
}

func text(s string) manifest.Item {
	return manifest.Item{Type: manifest.Text, Text: s, Seconds: 3600}
}

func TestPagePlaysAPlaylist(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	first, film, last := l.picture(t, red), l.film(t), l.picture(t, green)
	p := start(t, player.Config{Assets: l.open})
	fading := still(last, 2)
	fading.Transition = manifest.Fade
	ctx := browse(t, p)
	browsertest.Eval[bool](ctx, t, `document.addEventListener('ended', (e) => document.body.dataset.ended = e.target.currentTime, true), true`)
	one := l.programme("one", still(first, 2), video(film), fading)
	show(t, p, one)
	for round := range 2 {
		browsertest.Wait(ctx, t, zoneIs("asset", first))
		see(ctx, t, red)
		browsertest.Wait(ctx, t, zoneIs("asset", film))
		see(ctx, t, teal)
		browsertest.Wait(ctx, t, zoneIs("asset", last))
		if end := browsertest.Eval[float64](ctx, t, `Number(document.body.dataset.ended ?? 0)`); end < 1.1 {
			t.Errorf("round %d: the video of 1.2 s was on until %v s", round, end)
		}
		see(ctx, t, green)
	}
	if got := p.Playing(); len(got) != 1 || got[0].Generation != one.Generation || !got[0].Shown {
		t.Errorf("the agent knows %+v", got)
	}
	// At most what is shown, what fades away, and what is prepared: more would grow for as long as a screen is on.
	if n := browsertest.Eval[int](ctx, t, `document.querySelectorAll('.layer').length`); n > 3 {
		t.Errorf("%d layers after two rounds", n)
	}
}

func TestZonesFitAndText(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	picture := l.picture(t, red)
	contained := still(picture, 3600) // 16:9 in a zone of 8:9, so a quarter of the height is left above and below
	contained.Fit = manifest.Contain
	p := start(t, player.Config{Assets: l.open})
	show(t, p, l.zones("one",
		manifest.Zone{ID: "left", W: 50, H: 100, Playlist: []manifest.Item{contained}},
		manifest.Zone{ID: "right", X: 50, W: 50, H: 80, Playlist: []manifest.Item{still(picture, 3600)}},
		manifest.Zone{ID: "ticker", X: 50, Y: 80, W: 50, H: 20, Playlist: []manifest.Item{text("<b>plain</b> & simple, however long it may be")}},
	))
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `document.querySelectorAll('vitrine-zone[data-index="0"]').length === 3 && getComputedStyle(document.querySelector('vitrine-wait')).visibility === 'hidden'`)
	screen := browsertest.Screenshot(ctx, t)
	background := color.RGBA{0x10, 0x20, 0x30, 255}
	for _, c := range []struct {
		what string
		x, y int
		want color.Color
	}{
		{"contained picture", 25, 50, red}, {"above it", 25, 10, background}, {"below it", 25, 90, background},
		{"covering picture", 75, 5, red}, {"its lower edge", 75, 78, red}, {"beside the text", 51, 82, background},
	} {
		if got := at(screen, c.x, c.y); !near(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	if got := browsertest.Eval[string](ctx, t, `document.querySelector('[data-zone=ticker] span').innerHTML`); got != "&lt;b&gt;plain&lt;/b&gt; &amp; simple, however long it may be" {
		t.Errorf("text became %s", got)
	}
	if !browsertest.Eval[bool](ctx, t, `(() => {
		const box = document.querySelector('[data-zone=ticker]').getBoundingClientRect();
		const words = document.querySelector('[data-zone=ticker] span').getBoundingClientRect();
		return words.top >= box.top && words.bottom <= box.bottom && words.left >= box.left && words.right <= box.right && words.height > 30;
	})()`) {
		t.Error("the text doesn't fill its zone, or is larger")
	}
}

// Three items, of which one is missing and one is no picture: the third is on, the others are reported in each round, and when
// they are there they are shown, without anything else having changed.
func TestFailingItemsAreSkippedAndTriedAgain(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	missing, good := l.picture(t, blue), l.picture(t, green)
	broken := l.add("broken.png", "image/png", []byte("not a picture"))
	data := l.files[missing]
	l.remove(missing)
	failed := make(chan player.Failure, 1000)
	p := start(t, player.Config{Assets: l.open, Failed: func(f player.Failure) { failed <- f }})
	ctx := browse(t, p, "status of 404")
	show(t, p, l.programme("one", still(missing, 1), still(broken, 1), still(good, 1)))
	see(ctx, t, green)
	seen := map[digest.Digest]int{}
	for timeout := time.After(patience); seen[missing] < 2 || seen[broken] < 2; {
		select {
		case f := <-failed:
			seen[f.Asset]++
			if f.Zone != "main" || f.Presentation != "welcome" || f.Reason == "" {
				t.Errorf("failure %+v", f)
			}
		case <-timeout:
			t.Fatalf("reported %v", seen)
		}
	}
	if seen[good] > 0 || !near(at(browsertest.Screenshot(ctx, t), 50, 50), green) {
		t.Errorf("the good picture isn't on; reported %v", seen)
	}
	l.add("found.png", "image/png", data)
	see(ctx, t, blue)
}

// A programme of which nothing works must not take away the one that does.
func TestAllFailingKeepsTheLastGoodPicture(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	good := l.picture(t, red)
	missing := l.picture(t, blue)
	data := l.files[missing]
	l.remove(missing)
	failed := make(chan player.Failure, 1000)
	p := start(t, player.Config{Assets: l.open, Failed: func(f player.Failure) { failed <- f }})
	ctx := browse(t, p, "status of 404")
	show(t, p, l.programme("one", still(good, 3600)))
	see(ctx, t, red)
	recording := browsertest.Record(ctx, t)
	show(t, p, l.programme("two", still(missing, 1)))
	for range 2 {
		select {
		case <-failed:
		case <-time.After(patience):
			t.Fatal("no second try")
		}
	}
	onlyColours(t, recording.Stop(), red)
	see(ctx, t, red)
	if got := p.Playing(); got[0].Asset != good || !got[0].Shown {
		t.Errorf("the agent knows %+v", got)
	}
	l.add("found.png", "image/png", data)
	see(ctx, t, blue)
}

// onlyColours fails if the middle of any frame is none of the colours, nor a mixture of two of them.
func onlyColours(t *testing.T, frames []image.Image, colours ...color.Color) {
	t.Helper()
	for i, frame := range frames {
		got := at(frame, 50, 50)
		if !mixture(got, colours) {
			t.Errorf("frame %d of %d: %v in the middle; before and after it %v", i, len(frames), got, middles(frames[max(0, i-3):min(i+4, len(frames))]))
		}
	}
}

// middles are the colours in the middle of frames.
func middles(frames []image.Image) []color.Color {
	var list []color.Color
	for _, frame := range frames {
		list = append(list, at(frame, 50, 50))
	}
	return list
}

// mixture tells whether a colour can come from a fade between two of these: no channel is outside what they span, and the
// sum of its channels is at least that of the darkest.
func mixture(got color.Color, colours []color.Color) bool {
	sum := func(c color.Color) int {
		x := color.RGBAModel.Convert(c).(color.RGBA)
		return int(x.R) + int(x.G) + int(x.B)
	}
	darkest := 1000
	for _, c := range colours {
		if near(got, c) {
			return true
		}
		darkest = min(darkest, sum(c))
	}
	return len(colours) > 1 && sum(got) >= darkest-16
}

// Every frame that the compositor makes during changes of generation, of layout and of item is looked at.
func TestChangesHaveNoDarkFrame(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	colours := []color.Color{red, green, blue}
	var pictures []digest.Digest
	for _, c := range colours {
		pictures = append(pictures, l.picture(t, c))
	}
	film := l.film(t)
	p := start(t, player.Config{Assets: l.open})
	ctx := browse(t, p)
	show(t, p, l.programme("begin", still(pictures[0], 3600)))
	see(ctx, t, red)
	browsertest.Wait(ctx, t, `getComputedStyle(document.querySelector('vitrine-wait')).visibility === 'hidden'`)

	recording := browsertest.Record(ctx, t)
	for i := 1; i <= 8; i++ {
		item := still(pictures[i%3], 3600)
		if i%2 == 0 {
			item.Transition = manifest.Fade
		}
		zone := manifest.Zone{ID: "main", W: 100, H: 100, Playlist: []manifest.Item{item}}
		switch i % 4 {
		case 1:
			zone.W = 99.5 // another layout: the zone is a new one
		case 2:
			zone.Playlist = []manifest.Item{video(film), item}
		}
		next := l.zones(fmt.Sprint(i), zone)
		show(t, p, next)
		browsertest.Wait(ctx, t, zoneIs("generation", next.Generation)+" && "+zoneIs("asset", item.Asset))
		see(ctx, t, colours[i%3])
	}
	frames := recording.Stop()
	if len(frames) < 16 {
		t.Errorf("only %d frames were recorded", len(frames))
	}
	onlyColours(t, frames, red, green, blue, teal)
	if n := browsertest.Eval[int](ctx, t, `document.querySelectorAll('vitrine-zone').length`); n != 1 {
		t.Errorf("%d zones are left", n)
	}
}

// A picture or video that is on in both generations stays: a video that starts again for a change elsewhere is what viewers notice.
func TestItemInBothGenerationsGoesOn(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	film, picture := l.film(t), l.picture(t, red)
	p := start(t, player.Config{Assets: l.open})
	ctx := browse(t, p)
	long := video(film)
	long.Seconds = 3600
	show(t, p, l.programme("one", long, still(picture, 3600)))
	// The clock decides which one is on.
	browsertest.Wait(ctx, t, `document.querySelector('vitrine-zone')?.dataset.index !== undefined`)
	browsertest.Eval[string](ctx, t, `[...document.querySelectorAll('.layer[data-state=shown] > *')].at(-1).id = 'first'`)
	two := l.programme("two", long, still(picture, 3600))
	show(t, p, two)
	browsertest.Wait(ctx, t, zoneIs("generation", two.Generation))
	if !browsertest.Eval[bool](ctx, t, `[...document.querySelectorAll('.layer[data-state=shown] > *')].at(-1).id === 'first'`) {
		t.Error("a timed item was made anew")
	}

	show(t, p, l.programme("three", video(film), still(picture, 3600)))
	browsertest.Wait(ctx, t, zoneIs("asset", picture))
	added := l.picture(t, green)
	four := l.programme("four", video(film), still(picture, 3600), still(added, 3600))
	show(t, p, four)
	// Without a timetable what is new comes at once.
	browsertest.Wait(ctx, t, zoneIs("asset", added))
	browsertest.Eval[string](ctx, t, `[...document.querySelectorAll('.layer[data-state=shown] > *')].at(-1).id = 'second'`)
	five := l.programme("five", video(film), still(added, 3600))
	show(t, p, five)
	browsertest.Wait(ctx, t, zoneIs("generation", five.Generation)+" && "+zoneIs("index", 1))
	if !browsertest.Eval[bool](ctx, t, `[...document.querySelectorAll('.layer[data-state=shown] > *')].at(-1).id === 'second'`) {
		t.Error("an item that was on was made anew")
	}
}

// The agent ends and another one takes over, as when it is updated: the page plays on all the time and isn't loaded again.
func TestPagePlaysOnWithoutTheAgent(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	first, second := l.picture(t, red), l.picture(t, green)
	programme := l.programme("one", still(first, 1), still(second, 1))
	old, stop := run(t, player.Config{Assets: l.open})
	old.SetState(player.State{Name: "lobby", State: protocol.StateConnected})
	show(t, old, programme)
	ctx := browse(t, old, "ERR_CONNECTION_REFUSED", "WebSocket")
	see(ctx, t, red)
	see(ctx, t, green)
	browsertest.Eval[string](ctx, t, `document.body.id = 'same'`)
	browsertest.Wait(ctx, t, `document.querySelector('vitrine-mark').hidden`)

	stop()
	browsertest.Wait(ctx, t, `document.documentElement.dataset.connection === 'lost' && !document.querySelector('vitrine-mark').hidden`)
	for range 2 {
		see(ctx, t, red)
		see(ctx, t, green)
	}

	fresh, _ := run(t, player.Config{Assets: l.open, Addr: old.Addr()})
	fresh.SetState(player.State{Name: "lobby", State: protocol.StateConnected})
	show(t, fresh, programme)
	browsertest.Wait(ctx, t, `document.documentElement.dataset.connection === 'open' && document.querySelector('vitrine-mark').hidden`)
	awaitPlaying(t, fresh, "the page at the new agent", isShown)
	if !browsertest.Eval[bool](ctx, t, `document.body.id === 'same'`) {
		t.Error("the page was loaded again")
	}
}

// A page of another version than the agent's loads itself again. Here the first copy that is given out is marked as an old one.
func TestOldPageRenewsItself(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	p := player.New(player.Config{Assets: l.open})
	var loads atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" || loads.Add(1) > 1 {
			p.Handler().ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		p.Handler().ServeHTTP(answer, r)
		w.Header().Set("Content-Type", "text/html")
		w.Write(bytes.Replace(answer.Body.Bytes(), []byte(`name="vitrine-version" content="`), []byte(`name="vitrine-version" content="old-`), 1))
	}))
	t.Cleanup(server.Close)
	show(t, p, l.programme("one", still(l.picture(t, red), 1), still(l.picture(t, green), 1)))
	ctx := browsertest.New(t)
	browsertest.Open(ctx, t, server.URL)
	for deadline := time.Now().Add(patience); loads.Load() < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the old page stays")
		}
		see(ctx, t, red)
	}
	see(ctx, t, green)
	see(ctx, t, red)
	if n := loads.Load(); n != 2 {
		t.Errorf("the page was loaded %d times", n)
	}
}

func TestOverlays(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	p.SetState(player.State{Name: "Lobby north", State: protocol.StateSearching, Message: "Looking for a server", Interfaces: []player.Interface{{Name: "eth0", MAC: "02:00:00:00:00:07", Addresses: []string{"192.0.2.7"}}}, Version: "1.2.3"})
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `['Searching', 'Lobby north', 'Looking for a server', '192.0.2.7', '02:00:00:00:00:07', '1.2.3'].every((s) => document.querySelector('vitrine-wait').innerText.toLowerCase().includes(s.toLowerCase()))`)
	if cursor := browsertest.Eval[string](ctx, t, `getComputedStyle(document.body).cursor`); cursor != "none" {
		t.Errorf("the cursor is %s", cursor)
	}
	if !browsertest.Eval[bool](ctx, t, `document.querySelector('vitrine-mark').hidden`) {
		t.Error("the corner mark is lit on the wait screen")
	}
	show(t, p, l.programme("one", still(l.picture(t, red), 3600)))
	see(ctx, t, red)
	browsertest.Wait(ctx, t, `!document.querySelector('vitrine-mark').hidden`)
	p.SetState(player.State{Name: "Lobby north", State: protocol.StateConnected, Interfaces: []player.Interface{{Name: "eth0", MAC: "02:00:00:00:00:07", Addresses: []string{"192.0.2.8"}}}})
	browsertest.Wait(ctx, t, `document.querySelector('vitrine-mark').hidden`)
	p.SetFaults(1)
	browsertest.Wait(ctx, t, `!document.querySelector('vitrine-mark').hidden`)
	p.SetFaults(0)
	browsertest.Wait(ctx, t, `document.querySelector('vitrine-mark').hidden`)

	p.Identify("", 2*time.Second)
	browsertest.Wait(ctx, t, `!document.querySelector('vitrine-identify').hidden && document.querySelector('vitrine-identify h1').textContent === 'Lobby north' &&
		['192.0.2.8', '02:00:00:00:00:07'].every((s) => document.querySelector('vitrine-identify').innerText.includes(s))`)
	browsertest.Wait(ctx, t, `document.querySelector('vitrine-identify').hidden`)
	see(ctx, t, red)
}

// The pairing code is there to be read by a person, and, with the viewer's name, by a phone.
func TestPairingScreen(t *testing.T) {
	t.Parallel()
	zbarimg, err := exec.LookPath("zbarimg")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("the program zbarimg is missing (package zbar-tools)")
	}
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	p.SetState(player.State{Name: "Lobby, north", State: protocol.StatePending, Code: "K7M-4QX"})
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `document.querySelector('vitrine-wait').innerText.includes('K7M-4QX')`)
	path := filepath.Join(t.TempDir(), "screen.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, browsertest.Screenshot(ctx, t)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(zbarimg, "--raw", "-q", path).Output()
	if got := strings.TrimSpace(string(out)); got != "vitrine:pair?code=K7M-4QX&name=Lobby%2C+north" {
		t.Errorf("a phone reads %q, %v", got, err)
	}
	p.SetState(player.State{Name: "Lobby, north", State: protocol.StateConnected})
	browsertest.Wait(ctx, t, `document.querySelector('.pairing').hidden`)
}

// Outside the operating hours the screen is dark, without wait screen or corner mark, and at the opening it plays again at once.
func TestStandby(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	picture := l.picture(t, red)
	var now atomic.Int64
	closed, open := time.Date(2026, 11, 23, 6, 59, 0, 0, time.UTC), time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	now.Store(closed.UnixNano())
	p := start(t, player.Config{Assets: l.open, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	p.SetState(player.State{Name: "Lobby", State: protocol.StateOffline})
	programme := l.programme("hours", still(picture, 3600))
	programme.Manifest.Schedule.Operating = []calendar.Hours{{From: "07:00", To: "22:00"}}
	show(t, p, programme)
	if on, ok := p.On(); !ok || !on.Standby || len(p.Playing()) != 0 {
		t.Errorf("on is %+v, playing %v", on, p.Playing())
	}
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `document.documentElement.dataset.standby === 'true'`)
	see(ctx, t, color.Black)
	browsertest.Wait(ctx, t, `document.querySelector('vitrine-mark').hidden && getComputedStyle(document.querySelector('vitrine-wait')).visibility === 'hidden'`)

	now.Store(open.UnixNano())
	show(t, p, programme) // wakes the player's timer, which knows nothing of this clock
	see(ctx, t, red)
	browsertest.Wait(ctx, t, `!document.querySelector('vitrine-mark').hidden`)

	now.Store(closed.UnixNano())
	show(t, p, programme)
	see(ctx, t, color.Black)
}

// Each item that is over is told, with how long it was on, and also what was over while the agent was away.
func TestPlays(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	first, film, last := l.picture(t, red), l.film(t), l.picture(t, green)
	plays := make(chan player.Play, 1000)
	config := player.Config{Assets: l.open, Played: func(p player.Play) error { plays <- p; return nil }}
	p, stop := run(t, config)
	programme := l.programme("plays", still(first, 1), video(film), still(last, 1))
	show(t, p, programme)
	ctx := browse(t, p, "ERR_CONNECTION_REFUSED")
	second := browse(t, p, "ERR_CONNECTION_REFUSED") // shows the same once more, and isn't counted
	browsertest.Wait(second, t, `document.documentElement.dataset.playing === 'true'`)
	seen := map[string]bool{}
	var take func() player.Play
	take = func() player.Play {
		t.Helper()
		select {
		case play := <-plays:
			if seen[play.ID] {
				return take() // sent again before the page heard that it is known: its id says so
			}
			seen[play.ID] = true
			if protocol.CheckPlayID(play.ID) != nil || play.Zone != "main" {
				t.Fatalf("%+v", play)
			}
			if age := time.Since(play.Start.Add(play.Length)); age < -2*time.Second || age > patience {
				t.Errorf("it ended %v ago: %+v", age, play)
			}
			return play
		case <-time.After(patience):
			t.Fatal("no play is told")
			return player.Play{}
		}
	}
	take() // the first may have been longer: the film wasn't there yet
	for range 4 {
		play := take()
		want := []string{manifest.Image, manifest.Video, manifest.Image}[play.Item]
		if play.Type != want || !play.Complete || play.Length < 700*time.Millisecond || play.Length > 5*time.Second {
			t.Errorf("%+v, want a whole %s", play, want)
		}
	}

	// Another programme cuts what is on short, whatever its length.
	long := l.programme("long", still(last, 3600))
	show(t, p, long)
	browsertest.Wait(ctx, t, zoneIs("generation", long.Generation))
	show(t, p, programme)
	for {
		if play := take(); play.Generation == long.Generation {
			if play.Complete || play.Length > patience {
				t.Errorf("an hour in %v: %+v", play.Length, play)
			}
			break
		}
	}

	// Without the agent the page keeps what is over.
	addr := p.Addr()
	stop()
	browsertest.Wait(ctx, t, `document.documentElement.dataset.connection === 'lost'`)
	for len(plays) > 0 {
		<-plays
	}
	away := time.Now()
	for i := range 3 {
		browsertest.Wait(ctx, t, zoneIs("index", i))
	}
	back := time.Now()
	config.Addr = addr
	p = start(t, config)
	show(t, p, programme)
	if play := take(); play.Start.Before(away.Add(-10*time.Second)) || play.Start.After(back) {
		t.Errorf("%+v, want one between %v and %v", play, away, back)
	}
}
