package player_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// Every frame of the compositor is looked at during 200 changes of item and 20 of generation, with videos and fades among them.
func TestNoDarkFrameInManyChanges(t *testing.T) {
	t.Parallel()
	const generations, each = 20, 10
	rounds := 1
	if soaking {
		rounds = 10
	}
	l := newLibrary()
	pictures := []digest.Digest{l.picture(t, red), l.picture(t, green), l.picture(t, blue)}
	film := video(l.film(t))
	film.Seconds = 0.3
	p := start(t, player.Config{Assets: l.open})
	show(t, p, l.programme("begin", still(pictures[0], 0.1)))
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `getComputedStyle(document.querySelector('vitrine-wait')).visibility === 'hidden'`)
	noteChanges(ctx, t)
	recording := browsertest.Record(ctx, t)
	for i := range rounds * generations {
		var items []manifest.Item
		for j := range pictures {
			items = append(items, still(pictures[(i+j)%3], 0.1))
		}
		if i%4 == 1 {
			items[1].Transition = manifest.Fade
			items = append(items, film)
		}
		next := l.programme(fmt.Sprint(i), items...)
		show(t, p, next)
		browsertest.Wait(ctx, t, zoneIs("generation", next.Generation))
		awaitChanges(ctx, t, (i+1)*each, patience)
	}
	frames := recording.Stop()
	n := browsertest.Eval[int](ctx, t, `changes.length`)
	t.Logf("%d changes of item, %d of generation, %d frames", n, rounds*generations, len(frames))
	if n < rounds*generations*each || len(frames) < n {
		t.Error("not every change is in a frame")
	}
	onlyColours(t, frames, red, green, blue, teal)
}

// usage is the least that a page holds in some looks: bytes of JavaScript, and nodes. What is on its way at that moment comes on top of it.
func usage(ctx context.Context, t *testing.T) (heap float64, nodes int64) {
	t.Helper()
	heap, nodes = math.Inf(1), math.MaxInt64
	for range 6 {
		if _, err := chromedp.Call(ctx, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
			t.Fatal(err)
		}
		used, err := chromedp.Call(ctx, runtime.GetHeapUsage, cdp.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		counted, err := chromedp.Call(ctx, memory.GetDOMCounters, cdp.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		heap, nodes = min(heap, used.UsedSize), min(nodes, counted.Nodes)
		wait(ctx, t, 200*time.Millisecond)
	}
	return heap, nodes
}

// heapProgramme has four zones of fast items.
func heapProgramme(t *testing.T, l *library) player.Programme {
	film := video(l.film(t))
	film.Seconds = 0.1
	var zones []manifest.Zone
	for i := range 4 {
		list := []manifest.Item{still(l.picture(t, red), 0.02), still(l.picture(t, green), 0.02)}
		if i == 3 {
			list = append(list, film, manifest.Item{Type: manifest.Text, Text: "text", Seconds: 0.02})
		}
		zones = append(zones, manifest.Zone{ID: fmt.Sprint(i), X: float64(50 * (i % 2)), Y: float64(50 * (i / 2)), W: 50, H: 50, Playlist: list})
	}
	return l.zones("fast", zones...)
}

// A screen is on for years. Four zones turn 2,000 items of 20 ms in all, and the page is no larger for it.
func TestHeapStaysFlat(t *testing.T) {
	t.Parallel()
	items := 2000
	if soaking {
		items = 20_000
	}
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open, Played: func(player.Play) error { return nil }})
	show(t, p, heapProgramme(t, l))
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `document.documentElement.dataset.playing === 'true'`)
	browsertest.Eval[int](ctx, t, `(globalThis.changes = {length: 0}) && document.addEventListener('shown', () => changes.length++) || 0`)
	awaitChanges(ctx, t, 600, 2*time.Minute) // until all that is made once is there
	heap, nodes := usage(ctx, t)
	awaitChanges(ctx, t, 600+items, 4*time.Minute)
	heapAfter, nodesAfter := usage(ctx, t)
	t.Logf("after 600 items, and %d more: heap %.0f and %.0f bytes, nodes %d and %d", items, heap, heapAfter, nodes, nodesAfter)
	// A video that has been on the screen has 146 nodes, of controls that nobody sees. The browser frees it when it gets around to that: on a busy machine a few
	// that are over are still there. What one node of every other item would be is more than that, and less than any leak.
	if heapAfter > heap+150e3 || nodesAfter > nodes+int64(items/2) {
		t.Error("the page grows")
	}
}

// A stuck asset is one whose bytes don't come.
type stuck struct {
	io.ReadSeeker
	over <-chan struct{}
}

func (s stuck) Read([]byte) (int, error) {
	<-s.over
	return 0, io.ErrUnexpectedEOF
}

func (stuck) Close() error { return nil }

// Around two good pictures there is everything that can be wrong with an item. Each is reported with a reason, nothing dark is seen, and the good ones
// come again and again.
func TestBadItemsBetweenGoodOnes(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	first, last := l.picture(t, red), l.picture(t, green)
	missing := l.picture(t, blue)
	cut := l.add("cut.png", "image/png", l.files[missing][:len(l.files[missing])/2])
	l.remove(missing)
	film := teals(t)
	bad := l.add("bad.webm", "video/webm", append(bytes.Clone(film[:200]), bytes.Repeat([]byte{0xA5}, 2000)...))
	hanging := l.add("hanging.png", "image/png", []byte("these never come"))
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	failed := make(chan player.Failure, 1000)
	p := start(t, player.Config{
		Assets: func(d digest.Digest) (io.ReadSeekCloser, error) {
			if d == hanging {
				return stuck{bytes.NewReader(make([]byte, 16)), over}, nil
			}
			return l.open(d)
		},
		Failed: func(f player.Failure) { failed <- f },
	})
	good := l.programme("good", still(first, 0.5), still(last, 0.5))
	show(t, p, good)
	ctx := browse(t, p, "status of 404")
	browsertest.Wait(ctx, t, `getComputedStyle(document.querySelector('vitrine-wait')).visibility === 'hidden'`)
	recording := browsertest.Record(ctx, t)
	clip := video(bad)
	clip.Seconds = 0.5
	show(t, p, l.programme("bad", still(first, 0.5), still(missing, 0.5), still(cut, 0.5), clip, still(hanging, 0.5), still(last, 0.5)))
	reasons := map[digest.Digest]string{}
	for timeout := time.After(patience); len(reasons) < 4; {
		select {
		case f := <-failed:
			reasons[f.Asset] = f.Reason
		case <-timeout:
			t.Fatalf("reported %v", reasons)
		}
	}
	for range 2 {
		browsertest.Wait(ctx, t, zoneIs("asset", first))
		browsertest.Wait(ctx, t, zoneIs("asset", last))
	}
	onlyColours(t, recording.Stop(), red, green)
	if reasons[first] != "" || reasons[last] != "" {
		t.Errorf("reported %v", reasons)
	}
	t.Logf("reported %v", reasons)
}
