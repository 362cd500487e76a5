package player_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitrine/agent/player"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

var (
	red   = color.RGBA{200, 0, 0, 255}
	green = color.RGBA{0, 160, 0, 255}
	blue  = color.RGBA{0, 0, 200, 255}
	teal  = color.RGBA{0, 192, 192, 255} // testdata/teal.webm
)

// A library is a store in memory.
type library struct {
	mu     sync.Mutex
	files  map[digest.Digest][]byte
	assets map[digest.Digest]manifest.Asset
}

func newLibrary() *library {
	return &library{files: map[digest.Digest][]byte{}, assets: map[digest.Digest]manifest.Asset{}}
}

// open is Config.Assets.
func (l *library) open(d digest.Digest) (io.ReadSeekCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	data, ok := l.files[d]
	if !ok {
		return nil, fmt.Errorf("asset %s: %w", d.Short(), fs.ErrNotExist)
	}
	return nopCloser{bytes.NewReader(data)}, nil
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// add puts a file in.
func (l *library) add(name, mediaType string, data []byte) digest.Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := digest.Of(data)
	l.files[d] = data
	l.assets[d] = manifest.Asset{Size: int64(len(data)), Type: mediaType, Name: name}
	return d
}

// remove takes a file out; manifests still name it.
func (l *library) remove(d digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.files, d)
}

// picture adds a picture of one colour, 64 by 36.
func (l *library) picture(t testing.TB, c color.Color) digest.Digest {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 64, 36))
	draw.Draw(img, img.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	var data bytes.Buffer
	if err := png.Encode(&data, img); err != nil {
		t.Fatal(err)
	}
	return l.add(fmt.Sprint(c, ".png"), "image/png", data.Bytes())
}

// film adds the video of testdata, 1.2 s of teal.
func (l *library) film(t testing.TB) digest.Digest {
	t.Helper()
	return l.add("teal.webm", "video/webm", teals(t))
}

func teals(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/teal.webm")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// programme makes a programme of one presentation with one zone. Its generation is told apart by its id.
func (l *library) programme(id string, items ...manifest.Item) player.Programme {
	return l.zones(id, manifest.Zone{ID: "main", W: 100, H: 100, Playlist: items})
}

func (l *library) zones(id string, zones ...manifest.Zone) player.Programme {
	l.mu.Lock()
	defer l.mu.Unlock()
	assets := map[digest.Digest]manifest.Asset{}
	for d, a := range l.assets {
		assets[d] = a
	}
	return player.Programme{
		Generation: digest.Of([]byte(id)),
		Manifest: &manifest.Manifest{
			Version: manifest.Version, ID: id, Assets: assets,
			Presentations: map[string]manifest.Presentation{"welcome": {Background: "#102030", Zones: zones}},
			Schedule:      manifest.Schedule{Default: "welcome"},
		},
	}
}

func still(d digest.Digest, seconds float64) manifest.Item {
	return manifest.Item{Type: manifest.Image, Asset: d, Seconds: seconds, Fit: manifest.Cover}
}

// start runs a player on a free port for the length of a test.
func start(t testing.TB, c player.Config) *player.Player {
	t.Helper()
	p, _ := run(t, c)
	return p
}

// run makes a player and runs it; stop ends it and waits.
func run(t testing.TB, c player.Config) (p *player.Player, stop func()) {
	t.Helper()
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Assets == nil {
		c.Assets = newLibrary().open
	}
	p = player.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-p.Ready():
	case <-time.After(patience):
		t.Fatal("the player isn't ready")
	}
	return p, stop
}

// show gives a player a programme.
func show(t testing.TB, p *player.Player, programme player.Programme) {
	t.Helper()
	if err := p.Show(programme); err != nil {
		t.Fatal(err)
	}
}

// awaitPlaying waits until what is on in the first zone is as it should be.
func awaitPlaying(t testing.TB, p *player.Player, what string, ok func(player.Playing) bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); ; {
		if got := p.Playing(); len(got) > 0 && ok(got[0]) {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waiting for %s: the agent knows %+v", what, p.Playing())
		}
	}
}

func isShown(p player.Playing) bool { return p.Shown }
