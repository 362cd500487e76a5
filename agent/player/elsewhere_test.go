package player_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

func webItem(url string, seconds float64) manifest.Item {
	return manifest.Item{Type: manifest.Web, URL: url, Seconds: seconds}
}

// fails is a Config.Failed, and what it was told by the URL's name.
func fails() (func(player.Failure), chan player.Failure) {
	failed := make(chan player.Failure, 1000)
	return func(f player.Failure) { failed <- f }, failed
}

// awaitFailure waits for a failure of something with a reason that has a text in it.
func awaitFailure(t *testing.T, failed chan player.Failure, name, reason string) {
	t.Helper()
	awaitFailures(t, failed, map[string]string{name: reason})
}

// awaitFailures waits for failures of several things, in any order: their names, and a text in the reason of each.
func awaitFailures(t *testing.T, failed chan player.Failure, want map[string]string) {
	t.Helper()
	for timeout := time.After(patience); len(want) > 0; {
		select {
		case f := <-failed:
			if reason, ok := want[f.Name]; ok && strings.Contains(f.Reason, reason) {
				delete(want, f.Name)
			} else {
				t.Logf("failed: %q: %s", f.Name, f.Reason)
			}
		case <-timeout:
			t.Fatalf("not reported: %v", want)
		}
	}
}

// hostile does from within a frame what it should not be able to do, and tells its own server how that went.
const hostile = `<!doctype html><body style="background:#00a000"><script>
const player = 'http://PLAYER', socket = 'ws://PLAYER/v1/page';
const got = {}, tried = [];
const attempt = (name, f) => tried.push(Promise.race([
	new Promise((resolve) => { try { resolve(f()); } catch (e) { resolve('refused'); } }),
	new Promise((resolve) => setTimeout(resolve, 4000, 'refused')),
]).catch(() => 'refused').then((result) => { got[name] = String(result); }));
const element = (tag, src) => new Promise((resolve) => {
	const e = document.createElement(tag); e.onload = () => resolve(tag === 'iframe' ? 'refused' : 'loaded'); e.onerror = () => resolve('refused');
	if (tag === 'link') { e.rel = 'stylesheet'; e.href = src; } else e.src = src;
	document.body.append(e);
});
attempt('status', async () => (await fetch(player + '/v1/status')).status);
attempt('status, opaque', async () => (await fetch(player + '/v1/status', {mode: 'no-cors'})).type === 'opaque' ? 'opaque' : 'refused');
attempt('picture', () => element('img', player + 'ASSET'));
attempt('script', () => element('script', player + '/web/app.js'));
attempt('style', () => element('link', player + '/web/screen.css'));
attempt('frame', () => element('iframe', player + '/'));
attempt('socket', () => new Promise((resolve) => { const s = new WebSocket(socket); s.onopen = () => resolve('open'); s.onerror = () => resolve('refused'); }));
attempt('parent', () => parent.document.title);
attempt('top', () => top.document.title);
attempt('storage', () => { localStorage.setItem('a', 'b'); return 'kept'; });
attempt('cookie', () => { document.cookie = 'a=b'; return document.cookie || 'refused'; });
attempt('window', () => open('about:blank') ? 'open' : 'refused');
attempt('leave', () => { top.location = 'about:blank'; return 'refused'; });
attempt('referrer', () => document.referrer || 'refused');
attempt('origin', () => origin === 'null' ? 'refused' : origin);
Promise.all(tried).then(() => fetch('/told', {method: 'POST', mode: 'no-cors', body: JSON.stringify(got)}));
</script>`

// Web content gets nothing of the player and leaves its frame in no way, and the player isn't even asked twice.
func TestWebContentIsShutIn(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	picture := l.picture(t, red)
	var statuses atomic.Int64
	p := start(t, player.Config{Assets: l.open, Status: func() any { statuses.Add(1); return "secret" }})
	told := make(chan map[string]string, 10)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/told" {
			if r.Header.Get("Referer") != "" {
				t.Errorf("the web page knows where it is shown: %s", r.Header.Get("Referer"))
			}
			fmt.Fprint(w, strings.NewReplacer("PLAYER", p.Addr(), "ASSET", "/assets/"+picture.String()).Replace(hostile))
			return
		}
		var got map[string]string
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		told <- got
	}))
	defer web.Close()
	ctx := browse(t, p, "403", "ERR_", "WebSocket", "sandbox", "Sandbox", "Refused", "Blocked", "Unsafe", "violates")
	show(t, p, l.programme("one", webItem(web.URL+"/", 86_400)))
	see(ctx, t, green)
	select {
	case got := <-told:
		if len(got) < 15 {
			t.Errorf("only %d attempts were made: %v", len(got), got)
		}
		for what, result := range got {
			if result != "refused" {
				t.Errorf("%s: %s", what, result)
			}
		}
	case <-time.After(patience):
		t.Fatal("the web page says nothing")
	}
	if n := statuses.Load(); n != 0 {
		t.Errorf("the status was given %d times", n)
	}
	// A page that is asked whom it is shown by: no script, no input, nobody's window.
	if got := browsertest.Eval[string](ctx, t, `(() => { const f = document.querySelector('.layer > iframe').contentDocument.querySelector('iframe');
		return [f.sandbox.value, f.referrerPolicy, f.allow, getComputedStyle(document.querySelector('.layer > iframe')).pointerEvents].join(); })()`); got != "allow-scripts,no-referrer,,none" {
		t.Errorf("the frame is %s", got)
	}
}

// A web page that never loads, one that leads elsewhere and one that the agent warns of are skipped, reported, and tried later; the last good
// picture stays, and what works again is shown.
func TestWebPagesThatCantBeShown(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<body style='background:red'>") }))
	defer elsewhere.Close()
	var mended atomic.Bool
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case r.URL.Path == "/hangs" && !mended.Load():
			<-r.Context().Done()
		default:
			fmt.Fprint(w, "<body style='background:#0000c8'>")
		}
	}))
	defer web.Close()
	failed, failures := fails()
	p := start(t, player.Config{Assets: l.open, Failed: failed, Reachable: func(_ context.Context, url string) error {
		if strings.HasSuffix(url, "/forbidden") {
			return errors.New("it forbids frames")
		}
		return nil
	}})
	ctx := browse(t, p, "ERR_", "502", "violates")
	show(t, p, l.programme("one", still(l.picture(t, green), 3600)))
	see(ctx, t, green)
	recording := browsertest.Record(ctx, t)
	show(t, p, l.programme("two", webItem(web.URL+"/away", 1), webItem(web.URL+"/forbidden", 1), webItem(web.URL+"/hangs", 1)))
	awaitFailures(t, failures, map[string]string{
		web.URL + "/away": "leads to another address", web.URL + "/forbidden": "it forbids frames", web.URL + "/hangs": "not loaded within 5 s",
	})
	onlyColours(t, recording.Stop(), green)
	mended.Store(true)
	see(ctx, t, blue)
}

// Other media that can't be played: the agent has no news, the stream isn't there, a sound is none, and the time isn't known. What was on
// stays, and each is shown when it can be.
func TestItemsThatWaitForSomething(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	var ready atomic.Bool
	streams := httptest.NewServer(http.NotFoundHandler())
	defer streams.Close()
	failed, failures := fails()
	p := start(t, player.Config{
		Assets: l.open, Failed: failed, Trusted: ready.Load,
		Feed: func(context.Context, string) (any, error) {
			if !ready.Load() {
				return nil, errors.New("the feed couldn't be fetched yet")
			}
			return map[string]any{"entries": []map[string]string{{"title": "News"}}}, nil
		},
	})
	ctx := browse(t, p, "404", "502", "ERR_", "status of")
	show(t, p, l.programme("one", still(l.picture(t, green), 3600)))
	see(ctx, t, green)
	noise := l.add("noise.mp3", "audio/mpeg", []byte("ID3 not a sound"))
	news, stream := "https://example.org/rss", streams.URL+"/live.m3u8"
	show(t, p, l.zones("two",
		zone("main", 0, 0, 100, 100, manifest.Item{Type: manifest.Clock}),
		zone("news", 0, 0, 50, 20, manifest.Item{Type: manifest.Feed, URL: news}),
		zone("stream", 50, 0, 50, 20, manifest.Item{Type: manifest.Stream, URL: stream}),
		zone("sound", 0, 0, 1, 1, manifest.Item{Type: manifest.Audio, Asset: noise, Volume: 50}),
	))
	awaitFailures(t, failures, map[string]string{
		"": "the time isn't known yet", news: "couldn't be fetched yet", stream: "the video can't be played", "noise.mp3": "the audio can't be played",
	})
	see(ctx, t, green)
	ready.Store(true)
	browsertest.Wait(ctx, t, `document.querySelector('[data-zone=main] .clock')?.innerText.match(/^\d\d:\d\d$/) && document.querySelector('[data-zone=news] .ticker, [data-zone=news] .news')`)
}

// tone is a second of sound.
func (l *library) tone(t *testing.T, seconds float64) digest.Digest {
	t.Helper()
	const rate = 8000
	samples := make([]byte, int(rate*seconds))
	for i := range samples {
		samples[i] = byte(128 + 60*math.Sin(float64(i)*2*math.Pi*440/rate))
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, v := range []any{uint32(36 + len(samples)), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(rate), uint16(1), uint16(8), []byte("data"), uint32(len(samples)), samples} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return l.add(fmt.Sprint(seconds, ".wav"), "audio/wav", b.Bytes())
}

// A browser that may make sound makes it, as loud as the items say, and each to its end.
func TestSound(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	song, film := l.tone(t, 1), l.film(t)
	plays := make(chan player.Play, 1000)
	p := start(t, player.Config{Assets: l.open, Played: func(p player.Play) error { plays <- p; return nil }})
	ctx := browsertest.New(t)
	browsertest.Open(ctx, t, "http://"+p.Addr()+"/")
	loud := video(film)
	loud.Volume = 70
	silent := manifest.Item{Type: manifest.Audio, Asset: song, Volume: 30}
	show(t, p, l.zones("sound",
		manifest.Zone{ID: "main", W: 100, H: 100, Playlist: []manifest.Item{loud}},
		manifest.Zone{ID: "music", W: 100, H: 100, Playlist: []manifest.Item{silent, silent}},
	))
	see(ctx, t, teal) // through the zone of the music, which lies above
	const heard = `[...document.querySelectorAll('video, audio')].filter((e) => !e.paused && e.currentTime > 0).map((e) => e.localName + (e.muted ? ' muted' : ' ' + e.volume))`
	browsertest.Wait(ctx, t, heard+`.includes('video 0.7')`)
	browsertest.Wait(ctx, t, heard+`.includes('audio 0.3')`)
	for timeout := time.After(patience); ; {
		select {
		case play := <-plays:
			if play.Type != manifest.Audio {
				continue
			}
			if !play.Complete || play.Length < 800*time.Millisecond || play.Length > 5*time.Second {
				t.Errorf("%+v, want a whole second", play)
			}
			return
		case <-timeout:
			t.Fatal("no sound came to its end")
		}
	}
}

// A browser that lets no page make sound by itself shows the video without, and skips what is nothing but sound.
func TestSoundThatIsRefused(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	failed, failures := fails()
	p := start(t, player.Config{Assets: l.open, Failed: failed})
	ctx := browsertest.NewWith(t, []string{"autoplay-policy=document-user-activation-required"})
	browsertest.Open(ctx, t, "http://"+p.Addr()+"/")
	loud := video(l.film(t))
	loud.Volume = 70
	song := l.tone(t, 1)
	show(t, p, l.zones("sound",
		manifest.Zone{ID: "main", W: 100, H: 100, Playlist: []manifest.Item{loud}},
		manifest.Zone{ID: "music", W: 1, H: 1, Playlist: []manifest.Item{{Type: manifest.Audio, Asset: song, Volume: 30}}},
	))
	see(ctx, t, teal)
	awaitFailure(t, failures, "1.wav", "--autoplay-policy=no-user-gesture-required")
	browsertest.Wait(ctx, t, `document.documentElement.dataset.sound === 'refused' && document.querySelector('video').muted`)
}
