package player_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// Times on a screen are read from the browser's frames, and put on the system's clock by performance.timeOrigin: all browsers of
// this machine share that one, and none of it comes from the page's own idea of the time.

// frameLength is that of the headless browser's 60 frames a second.
const frameLength = 1000.0 / 60

// soaking tells whether the long versions of tests are wanted, on a machine that has nothing else to do: `make soak`.
var soaking = os.Getenv("VITRINE_SOAK") != ""

// noteChanges has a page note the frame of each change of item.
func noteChanges(ctx context.Context, t testing.TB) {
	t.Helper()
	browsertest.Eval[int](ctx, t, `(globalThis.changes = []) && document.addEventListener('shown', ({target, detail}) =>
		changes.push([target.shown.slot.start ?? 0, performance.timeOrigin + document.timeline.currentTime, detail.index])) || 0`)
}

// changes are the frames of the changes that were noted, by the moment at which they were due.
func changes(ctx context.Context, t testing.TB) map[int64]float64 {
	t.Helper()
	frames := map[int64]float64{}
	for _, c := range browsertest.Eval[[][3]float64](ctx, t, `changes`) {
		frames[int64(c[0])] = c[1]
	}
	return frames
}

// awaitChanges waits until so many are noted. It takes as long as their items do.
func awaitChanges(ctx context.Context, t testing.TB, n int, atMost time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(atMost); browsertest.Eval[int](ctx, t, `new Promise((done) => setTimeout(() => done(changes.length), 100))`) < n; {
		if time.Now().After(deadline) {
			t.Fatalf("less than %d changes in %v", n, atMost)
		}
	}
}

// spread says of some numbers how they are spread: without a sign, all but the median of them as they are.
type spread struct{ median, p50, p99, worst float64 }

func spreadOf(list []float64) spread {
	if len(list) == 0 {
		return spread{}
	}
	slices.Sort(list)
	s := spread{median: list[len(list)/2]}
	for i := range list {
		list[i] = max(list[i], -list[i])
	}
	slices.Sort(list)
	s.p50, s.p99, s.worst = list[len(list)/2], list[(len(list)*99)/100], list[len(list)-1]
	return s
}

func (s spread) String() string {
	return fmt.Sprintf("median %.1f, of the amounts median %.1f, p99 %.1f, worst %.1f ms", s.median, s.p50, s.p99, s.worst)
}

// colourful is a programme of pictures that are on for some time each.
func (l *library) colourful(t testing.TB, id string, each time.Duration) player.Programme {
	var items []manifest.Item
	for _, c := range []digest.Digest{l.picture(t, red), l.picture(t, green), l.picture(t, blue)} {
		items = append(items, still(c, each.Seconds()))
	}
	return grouped(l.programme(id, items...))
}

// measureStep opens two browsers, and gives by how much each is off the moments of n changes, and the two are apart.
func measureStep(t testing.TB, n int) (off, apart spread) {
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	show(t, p, l.colourful(t, "one", 200*time.Millisecond))
	var screens []context.Context
	for range 2 {
		ctx := browsertest.New(t)
		browsertest.Open(ctx, t, "http://"+p.Addr()+"/")
		browsertest.Wait(ctx, t, `document.documentElement.dataset.playing === 'true' && document.documentElement.dataset.clock === 'agent'`)
		screens = append(screens, ctx)
	}
	for _, ctx := range screens {
		noteChanges(ctx, t)
	}
	awaitChanges(screens[0], t, n, time.Duration(n)*time.Second)
	first, second := changes(screens[0], t), changes(screens[1], t)
	var offs, aparts []float64
	for due, frame := range first {
		offs = append(offs, frame-float64(due))
		if other, ok := second[due]; ok {
			aparts = append(aparts, frame-other)
		}
	}
	if len(aparts) < n*8/10 {
		t.Errorf("of %d changes only %d are on both screens: %v and %v", n, len(aparts), len(first), len(second))
	}
	return spreadOf(offs), spreadOf(aparts)
}

// Two browsers with one programme change at the same moment. Others use this machine during the tests, so that only the long version is strict: what
// is not drawn in time there is the machine's.
func TestTwoScreensInStep(t *testing.T) {
	off, apart := measureStep(t, 100)
	t.Logf("off its moment: %v; two screens apart: %v", off, apart)
	if apart.p50 > 2*frameLength || off.p50 > 2*frameLength {
		t.Error("more than two frames")
	}
	if soaking && (apart.p99 > frameLength || off.p99 > 2*frameLength) {
		t.Error("in the last percent more than a frame")
	}
}

// A presentation comes on in its frame, not when the agent says so and the page has loaded it; and so does the one before, after it.
func TestPresentationsChangeOnTheFrame(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	lunch := []manifest.Item{still(l.picture(t, green), 1), still(l.picture(t, blue), 1)}
	programme := l.programme("one", still(l.picture(t, red), 3600))
	programme.Manifest.Presentations["lunch"] = manifest.Presentation{Zones: []manifest.Zone{{ID: "other", W: 100, H: 99, Playlist: lunch}}}
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `document.documentElement.dataset.clock === 'agent'`)
	begin := time.Now().Add(8 * time.Second).Truncate(time.Second)
	end := begin.Add(2500 * time.Millisecond)
	programme.Manifest.Schedule.Events = []manifest.Event{{Presentation: "lunch", Start: begin.Format(time.RFC3339Nano), End: end.Format(time.RFC3339Nano)}}
	show(t, p, programme)
	browsertest.Wait(ctx, t, `getComputedStyle(document.querySelector('vitrine-wait')).visibility === 'hidden'`)
	recording := browsertest.Record(ctx, t)
	// The picture before it may be told of as late as this.
	browsertest.Eval[int](ctx, t, fmt.Sprintf(`(globalThis.turns = []) && document.addEventListener('shown', ({detail}) => {
		const at = performance.timeOrigin + document.timeline.currentTime;
		if (at > %d) turns.push([detail.index, at]);
	}) || 0`, begin.Add(-time.Second).UnixMilli()))
	browsertest.Wait(ctx, t, `turns.length >= 4`)
	got := browsertest.Eval[[][2]float64](ctx, t, `turns`)
	for i, want := range []struct {
		item float64
		at   time.Time
	}{{0, begin}, {1, begin.Add(time.Second)}, {0, begin.Add(2 * time.Second)}, {0, end}} {
		off := got[i][1] - float64(want.at.UnixMilli())
		t.Logf("item %v, %.1f ms off", got[i][0], off)
		if limit := 12 * frameLength; got[i][0] != want.item || off < -frameLength || off > limit {
			t.Errorf("change %d: item %v, %.1f ms off", i, got[i][0], off)
		}
	}
	onlyColours(t, recording.Stop(), red, green, blue)
}

// long adds a video of one colour, 25 frames a second.
func (l *library) long(t testing.TB, length time.Duration) digest.Digest {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("the program ffmpeg is missing")
	}
	path := filepath.Join(t.TempDir(), "long.webm")
	source := fmt.Sprintf("color=c=0x00C0C0:s=64x36:r=25:d=%v", length.Seconds())
	if out, err := exec.Command(ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libvpx", "-g", "25", "-deadline", "realtime", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return l.add("long.webm", "video/webm", data)
}

// follows has a page note each frame of its video: when it is displayed, and what of the video it is, in milliseconds.
func follows(ctx context.Context, t testing.TB) {
	t.Helper()
	browsertest.Wait(ctx, t, `document.querySelector('.layer[data-state=shown] video')`)
	browsertest.Eval[int](ctx, t, `(() => {
		globalThis.frames = [];
		globalThis.rates = new Set();
		const video = document.querySelector('.layer[data-state=shown] video');
		const note = (now, {expectedDisplayTime, mediaTime}) => {
			frames.push([performance.timeOrigin + expectedDisplayTime, mediaTime * 1000, document.querySelector('vitrine-zone').shown.slot.start]);
			rates.add(video.playbackRate);
			video.requestVideoFrameCallback(note);
		};
		video.requestVideoFrameCallback(note);
		globalThis.seeks = 0;
		video.addEventListener('seeking', () => seeks++);
		return 0;
	})()`)
}

// drifts are by how much the frames of the last seconds are off where they should be by a clock of the test, in milliseconds.
func drifts(ctx context.Context, t testing.TB, seconds float64, clock func(at float64) float64) []float64 {
	t.Helper()
	var list []float64
	for _, f := range browsertest.Eval[[][3]float64](ctx, t, fmt.Sprintf(`frames.filter(([at]) => at > frames.at(-1)[0] - %v)`, seconds*1000)) {
		list = append(list, f[1]-(clock(f[0])-f[2]))
	}
	return list
}

// wait lets a page run.
func wait(ctx context.Context, t testing.TB, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		browsertest.Eval[int](ctx, t, fmt.Sprintf(`new Promise((done) => setTimeout(() => done(0), %d))`, min(1000, time.Until(end).Milliseconds()+1)))
	}
}

// measureDrift joins in the middle of a video with a clock that runs fast by some ppm, disturbs it, and gives how it is off its place after some time.
func measureDrift(t testing.TB, length time.Duration, fast float64) (joined, after spread, seeks int, rates []float64) {
	l := newLibrary()
	film := l.long(t, length+30*time.Second)
	base := time.Now()
	clock := func(at float64) float64 { return float64(base.UnixMilli()) + (at-float64(base.UnixMilli()))*(1+fast) }
	playout := func() time.Time { return time.UnixMicro(int64(clock(float64(time.Now().UnixMicro())/1000) * 1000)) }
	p := start(t, player.Config{Assets: l.open, Playout: playout})
	item := video(film)
	item.Seconds = (length + 30*time.Second).Seconds()
	programme := grouped(l.programme("film", item))
	programme.Manifest.Schedule.Events = []manifest.Event{{Presentation: "welcome", Start: base.Add(-5 * time.Second).Format(time.RFC3339Nano)}}
	show(t, p, programme)
	ctx := browsertest.New(t)
	browsertest.Open(ctx, t, "http://"+p.Addr()+"/")
	follows(ctx, t)
	wait(ctx, t, 3*time.Second)
	joined = spreadOf(drifts(ctx, t, 2, clock))
	browsertest.Eval[int](ctx, t, `(() => { const v = document.querySelector('video'); v.pause(); setTimeout(() => v.play(), 250); return 0; })()`)
	wait(ctx, t, length-8*time.Second)
	after = spreadOf(drifts(ctx, t, 5, clock))
	seeks = browsertest.Eval[int](ctx, t, `seeks`)
	return joined, after, seeks, browsertest.Eval[[]float64](ctx, t, `[...rates]`)
}

// A video that was joined in its middle is in its place at once, and again after it stood still for 250 ms, without a seek, by a clock that
// runs fast by as much as the agent's may when it is corrected. A frame of it is shown for 40 ms, so that one that is in its place is between 0 and 16.7 ms late.
func TestVideoStaysInStep(t *testing.T) {
	length, limit := 26*time.Second, 40.0
	if soaking {
		length, limit = 10*time.Minute, frameLength
	} else {
		t.Parallel()
	}
	joined, after, seeks, rates := measureDrift(t, length, 0.003)
	t.Logf("joined: %v; after %v: %v; %d seeks", joined, length, after, seeks)
	if joined.p50 > 3*limit || after.p50 > limit {
		t.Errorf("more than %.1f ms", limit)
	}
	if seeks > 0 {
		t.Errorf("%d seeks", seeks)
	}
	if slowest, fastest := slices.Min(rates), slices.Max(rates); slowest < 0.969 || fastest > 1.031 || len(rates) < 2 {
		t.Errorf("rates from %v to %v", slowest, fastest)
	}
}

// The first frame of a video is on in its time, though it takes a while to get going.
func TestVideoStartsOnTime(t *testing.T) {
	limit := 6 * frameLength
	if soaking {
		limit = 2 * frameLength
	} else {
		t.Parallel()
	}
	off := measureStarts(t, 5)
	t.Logf("%v", off)
	if off.p50 > limit {
		t.Errorf("more than %.1f ms", limit)
	}
}

// measureStarts gives by how much videos are off their places in their first second.
func measureStarts(t testing.TB, n int) spread {
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	film := video(l.long(t, 2*time.Second))
	film.Seconds = 1.5
	show(t, p, grouped(l.programme("films", still(l.picture(t, red), 0.5), film)))
	ctx := browsertest.New(t)
	browsertest.Open(ctx, t, "http://"+p.Addr()+"/")
	browsertest.Wait(ctx, t, `document.documentElement.dataset.playing === 'true' && document.documentElement.dataset.clock === 'agent'`)
	browsertest.Eval[int](ctx, t, `(() => {
		globalThis.starts = new Map();
		document.addEventListener('shown', ({target}) => {
			const {slot, layer} = target.shown;
			const video = [...document.querySelectorAll('.layer[data-state=shown] video')].at(-1);
			if (!video || target.shown.index !== 1) return;
			const list = [];
			starts.set(slot.start, list);
			video.requestVideoFrameCallback(function note(now, {expectedDisplayTime, mediaTime}) {
				list.push(mediaTime * 1000 - (performance.timeOrigin + expectedDisplayTime - slot.start));
				if (mediaTime < 1) video.requestVideoFrameCallback(note);
			});
		});
		return 0;
	})()`)
	noteChanges(ctx, t)
	awaitChanges(ctx, t, 2*n+1, time.Duration(n)*10*time.Second)
	var offs []float64
	for _, list := range slices.Collect(maps.Values(browsertest.Eval[map[string][]float64](ctx, t, `Object.fromEntries(starts)`))) {
		offs = append(offs, list...)
	}
	return spreadOf(offs)
}

// BenchmarkScreens measures how exactly screens change, in milliseconds: pictures, videos, two browsers, and a video after half a minute.
func BenchmarkScreens(b *testing.B) {
	report := func(b *testing.B, s spread) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(s.p50, "ms/median")
		b.ReportMetric(s.p99, "ms/p99")
	}
	b.Run("PicturesOffTheirMoment", func(b *testing.B) { off, _ := measureStep(b, 200); report(b, off) })
	b.Run("TwoBrowsersApart", func(b *testing.B) { _, apart := measureStep(b, 200); report(b, apart) })
	b.Run("VideosInTheirFirstSecond", func(b *testing.B) { report(b, measureStarts(b, 20)) })
	b.Run("VideoJoinedInItsMiddle", func(b *testing.B) { joined, _, _, _ := measureDrift(b, 12*time.Second, 0); report(b, joined) })
	b.Run("VideoAfterAMinute", func(b *testing.B) { _, after, _, _ := measureDrift(b, time.Minute, 50e-6); report(b, after) })
}
