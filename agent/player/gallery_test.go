package player_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// What is on the screen is compared with the pictures in testdata/gallery. Look at them after they were made anew.
var update = flag.Bool("update", false, "make the pictures in testdata/gallery anew")

const (
	// galleryWidth and galleryHeight are the screen; pictures are a quarter of that, each pixel the mean of sixteen, so that the edges of letters
	// and the rounding of a video don't count.
	galleryWidth, galleryHeight = 640, 360
	shrink                      = 4
	// farOff is how much a channel of a pixel may differ, and meanOff the mean of all.
	farOff, meanOff = 48, 1.5
)

// pattern is a picture by which fit and direction can be told: a border, and four colours.
func (l *library) pattern(t testing.TB, width, height int) digest.Digest {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	fill := func(x0, y0, x1, y1 int, c color.Color) {
		draw.Draw(img, image.Rect(x0, y0, x1, y1), image.NewUniform(c), image.Point{}, draw.Src)
	}
	border := width / 16
	fill(0, 0, width, height, color.White)
	fill(border, border, width/2, height/2, red)
	fill(width/2, border, width-border, height/2, green)
	fill(border, height/2, width/2, height-border, blue)
	fill(width/2, height/2, width-border, height-border, color.RGBA{220, 180, 0, 255})
	var data bytes.Buffer
	if err := png.Encode(&data, img); err != nil {
		t.Fatal(err)
	}
	return l.add(fmt.Sprintf("pattern %d by %d.png", width, height), "image/png", data.Bytes())
}

// A gallery is a page whose picture is compared.
type gallery struct {
	ctx context.Context
	t   *testing.T
	p   *player.Player
	// frozen tells that nothing is to move.
	frozen bool
}

// openGallery opens the page, which notes what its policy refuses.
func openGallery(t *testing.T, p *player.Player, allowed ...string) *gallery {
	t.Helper()
	ctx := browsertest.New(t, allowed...)
	g := &gallery{ctx: ctx, t: t, p: p}
	browsertest.Do(ctx, t, chromedp.EmulateViewport(galleryWidth, galleryHeight))
	const note = `globalThis.screenAnimations = () => document.querySelector('vitrine-screen').getAnimations({subtree: true}); addEventListener('securitypolicyviolation', (e) => { (window.violations ??= []).push(e.effectiveDirective + ' ' + e.blockedURI); })`
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: note}); err != nil {
		t.Fatal(err)
	}
	browsertest.Open(ctx, t, "http://"+p.Addr()+"/")
	return g
}

// turn shows zones and waits until nothing else is to be seen.
func (g *gallery) turn(l *library, name string, zones ...manifest.Zone) {
	g.t.Helper()
	browsertest.Eval[string](g.ctx, g.t, `document.body.style.fontFamily = '"DejaVu Sans"'`) // whatever else this machine has
	programme := l.zones(name, zones...)
	show(g.t, g.p, programme)
	browsertest.Wait(g.ctx, g.t, fmt.Sprintf(`document.querySelector('vitrine-screen').dataset.generation === '%s' &&
		document.querySelectorAll('vitrine-zone').length === %d && document.querySelectorAll('.layer[data-state=shown]').length === %[2]d &&
		screenAnimations().every((a) => a.effect.getTiming().iterations === Infinity) &&
		getComputedStyle(document.querySelector('vitrine-wait')).visibility === 'hidden'`, programme.Generation, len(zones)))
	g.freeze()
	g.frozen = true
}

// freeze stops what runs, at a moment that is always the same. A line is put back by its clock within a second, and is to be stopped again then.
func (g *gallery) freeze() {
	browsertest.Eval[bool](g.ctx, g.t, `screenAnimations().every((a) => { a.pause(); a.currentTime = 1000; return true; })`)
}

// looksAs compares the screen with a picture, again and again until it is the same: a video may be on its way.
func (g *gallery) looksAs(name string) {
	g.t.Helper()
	path := filepath.Join("testdata", "gallery", name+".png")
	if *update {
		g.settle()
		save(g.t, path, reduced(browsertest.Screenshot(g.ctx, g.t)))
		return
	}
	want := load(g.t, path)
	var got image.Image
	var off string
	for deadline := time.Now().Add(patience / 3); time.Now().Before(deadline); {
		if g.frozen {
			g.freeze()
		}
		got = reduced(browsertest.Screenshot(g.ctx, g.t))
		if off = difference(got, want); off == "" {
			return
		}
	}
	seen := filepath.Join(os.TempDir(), "vitrine-gallery-"+name+".png")
	save(g.t, seen, got)
	g.t.Errorf("%s isn't as in %s: %s; what was seen is in %s", name, path, off, seen)
}

// settle waits until two pictures in a row are the same.
func (g *gallery) settle() {
	last := reduced(browsertest.Screenshot(g.ctx, g.t))
	for range 50 {
		next := reduced(browsertest.Screenshot(g.ctx, g.t))
		if difference(last, next) == "" {
			return
		}
		last = next
	}
	g.t.Error("the picture doesn't come to rest")
}

// end fails the test if the page's policy refused anything.
func (g *gallery) end() {
	g.t.Helper()
	const all = `[window, ...[...document.querySelectorAll('.layer > iframe')].map((f) => f.contentWindow)].flatMap((w) => w.violations ?? []).join(', ')`
	if got := browsertest.Eval[string](g.ctx, g.t, all); got != "" {
		g.t.Errorf("the policy refused %s", got)
	}
}

// reduced is a picture in a quarter of its width and height.
func reduced(picture image.Image) *image.RGBA {
	b := picture.Bounds()
	small := image.NewRGBA(image.Rect(0, 0, b.Dx()/shrink, b.Dy()/shrink))
	for y := range small.Rect.Dy() {
		for x := range small.Rect.Dx() {
			var sum [3]uint32
			for i := range shrink * shrink {
				r, g, b, _ := picture.At(b.Min.X+x*shrink+i%shrink, b.Min.Y+y*shrink+i/shrink).RGBA()
				sum[0], sum[1], sum[2] = sum[0]+r>>8, sum[1]+g>>8, sum[2]+b>>8
			}
			const n = shrink * shrink
			small.SetRGBA(x, y, color.RGBA{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), 255})
		}
	}
	return small
}

// difference says how two pictures differ, or nothing.
func difference(got, want image.Image) string {
	if got.Bounds().Size() != want.Bounds().Size() {
		return fmt.Sprintf("it is %v, not %v", got.Bounds().Size(), want.Bounds().Size())
	}
	sum, most, where := 0, 0, image.Point{}
	for y := range got.Bounds().Dy() {
		for x := range got.Bounds().Dx() {
			a, b := color.RGBAModel.Convert(got.At(x, y)).(color.RGBA), color.RGBAModel.Convert(want.At(x, y)).(color.RGBA)
			for _, pair := range [][2]uint8{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}} {
				d := max(int(pair[0])-int(pair[1]), int(pair[1])-int(pair[0]))
				sum += d
				if d > most {
					most, where = d, image.Pt(x, y)
				}
			}
		}
	}
	mean := float64(sum) / float64(3*got.Bounds().Dx()*got.Bounds().Dy())
	if most <= farOff && mean <= meanOff {
		return ""
	}
	return fmt.Sprintf("the mean difference is %.1f, the largest %d at %v", mean, most, where)
}

func save(t *testing.T, path string, picture image.Image) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&data, picture); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string) image.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./agent/player -run Gallery -update makes it", err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// zone is a rectangle that plays one item for ever.
func zone(id string, x, y, w, h float64, item manifest.Item) manifest.Zone {
	item.Seconds = 86_400
	return manifest.Zone{ID: id, X: x, Y: y, W: w, H: h, Playlist: []manifest.Item{item}}
}

// fits are five zones beside each other, each with another fit of an item.
func fits(prefix string, y, h float64, item manifest.Item) (zones []manifest.Zone) {
	for i, fit := range []string{manifest.Contain, manifest.Cover, manifest.Fill, manifest.None, manifest.ScaleDown} {
		item.Fit = fit
		z := zone(prefix+fit, float64(i)*20+0.5, y, 19, h, item)
		z.Background = "#444"
		zones = append(zones, z)
	}
	return zones
}

// hlsServer serves a live stream: a list of the last seconds, to which one more comes each second.
func hlsServer(t *testing.T) *httptest.Server {
	t.Helper()
	begin := time.Now()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".m3u8") {
			w.Header().Set("Content-Type", "video/mp2t")
			http.ServeFile(w, r, filepath.Join("testdata", "hls", fmt.Sprintf("seg%d.ts", r.URL.Path[len(r.URL.Path)-1]%3)))
			return
		}
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		w.Header().Set("Cache-Control", "no-store")
		first := int(time.Since(begin).Seconds())
		fmt.Fprintf(w, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:%[1]d\n", first)
		for i := first; i < first+6; i++ {
			fmt.Fprintf(w, "#EXT-X-DISCONTINUITY\n#EXTINF:1.0,\nsegment%d\n", i)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

const sign = `<!doctype html><style>body{margin:0;height:100vh;background:linear-gradient(90deg,#c00 50%,#00c 50%)}</style>`

// Every type of item, every fit and the usual layouts, as they look.
func TestGallery(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	wide, tall, tiny, film := l.pattern(t, 320, 180), l.pattern(t, 180, 320), l.pattern(t, 32, 18), l.film(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, sign) }))
	defer web.Close()
	stream := hlsServer(t)
	begin, moment := time.Now(), time.Date(2026, 11, 23, 13, 5, 0, 0, time.UTC)
	p := start(t, player.Config{
		Assets: l.open,
		Now:    func() time.Time { return moment.Add(time.Since(begin)) },
		Feed: func(context.Context, string) (any, error) {
			return map[string]any{"title": "News", "entries": []map[string]string{{"title": "A headline of some length", "summary": "What has happened, in a sentence or two that are longer."}}}, nil
		},
	})
	g := openGallery(t, p)
	picture := manifest.Item{Type: manifest.Image, Asset: wide, Fit: manifest.Cover}
	words := manifest.Item{Type: manifest.Text, Text: "Good morning"}

	// The clock first: in a minute it says something else.
	clock := manifest.Item{Type: manifest.Clock, Timezone: "Europe/Amsterdam", Language: "nl", Format: "HH:mm\nEEEE d MMMM yyyy"}
	plain := manifest.Item{Type: manifest.Clock, Format: "hh:mm a"}
	light := zone("light", 50, 0, 50, 100, plain)
	light.Background, light.Color = "#f0e8d8", "#a03000"
	g.turn(l, "clock", zone("a", 0, 0, 50, 100, clock), light)
	g.looksAs("clock")

	g.turn(l, "fits", append(fits("wide-", 1, 48, manifest.Item{Type: manifest.Image, Asset: wide}), fits("tall-", 51, 48, manifest.Item{Type: manifest.Image, Asset: tall})...)...)
	g.looksAs("fits")
	g.turn(l, "fits of video", append(fits("tiny-", 1, 48, manifest.Item{Type: manifest.Image, Asset: tiny}), fits("film-", 51, 48, manifest.Item{Type: manifest.Video, Asset: film})...)...)
	g.looksAs("fits-video")

	bar := zone("bar", 0, 85, 100, 15, manifest.Item{Type: manifest.Ticker, Text: "A line that runs from right to left"})
	bar.Background = "#ffcc00"
	g.turn(l, "three zones", zone("main", 0, 0, 70, 85, picture), zone("side", 70, 0, 30, 85, words), bar)
	g.looksAs("zones-three")
	g.turn(l, "overlapping", zone("main", 0, 0, 100, 100, picture), zone("inset", 60, 10, 30, 30, manifest.Item{Type: manifest.Video, Asset: film, Fit: manifest.Cover}),
		zone("above", 70, 25, 25, 50, words))
	g.looksAs("zones-overlapping")
	g.turn(l, "thirds", zone("a", 0, 0, 100.0/3, 100, picture), zone("b", 100.0/3, 0, 100.0/3, 100, words), zone("c", 200.0/3, 0, 100.0/3, 100, picture))
	g.looksAs("zones-thirds")

	news := manifest.Item{Type: manifest.Feed, URL: "https://example.org/rss"}
	g.turn(l, "feed", zone("cards", 0, 0, 100, 85, news), zone("line", 0, 85, 100, 15, news))
	g.looksAs("feed")

	g.turn(l, "web", zone("web", 10, 10, 80, 80, manifest.Item{Type: manifest.Web, URL: web.URL + "/"}))
	g.looksAs("web")
	g.turn(l, "stream", zone("stream", 10, 10, 80, 80, manifest.Item{Type: manifest.Stream, URL: stream.URL + "/live.m3u8", Fit: manifest.Cover}))
	g.looksAs("stream")
	g.end()
}

// A screen that hangs turned: the same layout as a portrait, in each direction.
func TestGalleryRotation(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	wide := l.pattern(t, 320, 180)
	zones := []manifest.Zone{
		zone("main", 0, 0, 100, 60, manifest.Item{Type: manifest.Image, Asset: wide, Fit: manifest.Cover}),
		zone("text", 0, 60, 100, 30, manifest.Item{Type: manifest.Text, Text: "This way up"}),
		zone("line", 0, 90, 100, 10, manifest.Item{Type: manifest.Ticker, Text: "A line that runs"}),
	}
	var g *gallery
	for _, rotation := range []int{90, 180, 270} {
		p := start(t, player.Config{Assets: l.open, Rotation: rotation, NoMark: true})
		if g == nil {
			g = openGallery(t, p, "ERR_CONNECTION_REFUSED")
		}
		g.p = p
		browsertest.Open(g.ctx, t, "http://"+p.Addr()+"/")
		g.turn(l, "turned", zones...)
		g.looksAs(fmt.Sprintf("rotated-%d", rotation))
		if mark := browsertest.Eval[string](g.ctx, t, `getComputedStyle(document.querySelector('vitrine-mark')).display`); mark != "none" {
			t.Errorf("the corner mark is %s", mark)
		}
		g.end()
	}
}

// Half way through, a fade is a mixture of the two pictures, and a slide covers half of the one before, which has gone a bit aside.
func TestGalleryTransitions(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	first, second := l.pattern(t, 320, 180), l.picture(t, teal)
	p := start(t, player.Config{Assets: l.open})
	g := openGallery(t, p)
	for _, transition := range []string{manifest.Fade, manifest.Slide} {
		g.turn(l, "before "+transition, zone("main", 10, 10, 80, 80, manifest.Item{Type: manifest.Image, Asset: first, Fit: manifest.Cover}))
		g.frozen = false
		show(t, p, l.zones(transition, zone("main", 10, 10, 80, 80, manifest.Item{
			Type: manifest.Image, Asset: second, Fit: manifest.Cover, Transition: transition, TransitionSeconds: 10,
		})))
		count := map[string]int{manifest.Fade: 1, manifest.Slide: 2}[transition]
		browsertest.Wait(g.ctx, t, fmt.Sprintf(`screenAnimations().length === %d`, count))
		timing := browsertest.Eval[float64](g.ctx, t, `screenAnimations().map((a) => { a.pause(); a.currentTime = 5000; return a.effect.getTiming().duration; })[0]`)
		if timing != 10_000 {
			t.Errorf("the %s takes %v ms", transition, timing)
		}
		g.looksAs("transition-" + transition)
		browsertest.Eval[bool](g.ctx, t, `screenAnimations().every((a) => { a.finish(); return true; })`)
		see(g.ctx, t, teal)
		browsertest.Wait(g.ctx, t, `document.querySelectorAll('.layer').length === 1`)
	}
	g.end()
}
