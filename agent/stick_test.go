package agent_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/manifest"
	"vitrine/content/stick"
)

var publishing = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

// export writes a programme of two pictures onto a stick, and gives what a server says of it.
func export(t *testing.T, dir, id string) (first digest.Digest, ref protocol.ManifestRef) {
	t.Helper()
	m := &manifest.Manifest{Version: 1, ID: id, Issued: time.Unix(1e9, 0).UTC(), Assets: map[digest.Digest]manifest.Asset{}}
	zone, files := manifest.Zone{ID: "z", W: 100, H: 100}, map[digest.Digest][]byte{}
	for n := range 2 {
		picture := fmt.Appendf(nil, "picture %d of %s", n, id)
		d := digest.Of(picture)
		files[d], m.Assets[d] = picture, manifest.Asset{Size: int64(len(picture)), Type: "image/png"}
		zone.Playlist = append(zone.Playlist, manifest.Item{Type: manifest.Image, Asset: d, Seconds: 1})
	}
	m.Presentations = map[string]manifest.Presentation{"p": {Zones: []manifest.Zone{zone}}}
	m.Schedule.Default = "p"
	document, err := manifest.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	ref = protocol.ManifestRef{Digest: digest.Of(document), Size: int64(len(document)), Signature: manifest.Sign(publishing, document)}
	files[ref.Digest] = document
	written := stick.Export{
		Programme: stick.Programme{Site: "shop", ID: id, Manifest: ref.Digest, Size: ref.Size, Signature: ref.Signature},
		Manifest:  m,
		Open:      func(d digest.Digest) (io.ReadSeekCloser, error) { return file{bytes.NewReader(files[d])}, nil },
	}
	if _, _, err := written.Write(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return zone.Playlist[0].Asset, ref
}

// fetches is a viewer that does nothing but fetch what it wants, until it is stopped.
func fetches(t *testing.T, state string) (a *agent.Agent, stop func()) {
	t.Helper()
	a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Content().Run(ctx) }()
	return a, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		a.Close()
	}
}

// plays waits until it plays a programme.
func plays(t *testing.T, a *agent.Agent, want protocol.ManifestRef) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for end := time.After(20 * time.Second); ; {
		select {
		case <-look.C:
			if a.Status().Content.Generation == want.Digest {
				return
			}
		case <-end:
			t.Fatalf("it plays %v, want %v", a.Status().Content.Generation, want.Digest)
		}
	}
}

// A stick that lacks a file, which nobody else has, doesn't take the place of what the server wants: neither now nor after a restart.
func TestStickThatLacksAFile(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			state, bad, good := t.TempDir(), t.TempDir(), t.TempDir()
			belong(t, state, publishing.Public().(ed25519.PublicKey))
			missing, _ := export(t, bad, "bad")
			if err := os.Remove(filepath.Join(bad, "vitrine/assets", missing.Hex()[:1], missing.Hex())); err != nil {
				t.Fatal(err)
			}
			_, wanted := export(t, good, "good")
			has, err := stick.Read(good)
			if err != nil {
				t.Fatal(err)
			}
			a, stop := fetches(t, state)
			a.Desired(protocol.Desired{Rev: 1, Manifest: &wanted})
			if err := a.TakeProgramme(t.Context(), bad); err == nil {
				t.Error("a stick that lacks a file is taken")
			}
			if restart {
				stop()
				a, stop = fetches(t, state)
			}
			defer stop()
			a.HasNear(has)
			plays(t, a, wanted)
		})
	}
}

// The programme of a stick that plays is what is wanted after a restart too, until the server has another one.
func TestStickStaysWanted(t *testing.T) {
	state, dir, other := t.TempDir(), t.TempDir(), t.TempDir()
	belong(t, state, publishing.Public().(ed25519.PublicKey))
	_, brought := export(t, dir, "brought")
	_, later := export(t, other, "later")
	has, err := stick.Read(other)
	if err != nil {
		t.Fatal(err)
	}
	a, stop := fetches(t, state)
	first := protocol.ManifestRef{Digest: digest.Of(nil), Size: 1, Signature: "x"}
	a.Desired(protocol.Desired{Rev: 1, Manifest: &first})
	if err := a.TakeProgramme(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	plays(t, a, brought)
	stop()
	content, err := agent.ReadContent(state)
	if err != nil {
		t.Fatal(err)
	}
	inventory, err := content.Inventory()
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range inventory.Items {
		if item.Digest == first.Digest {
			t.Errorf("after a restart what the server had is %v", item.Uses)
		}
	}
	a, stop = fetches(t, state)
	defer stop()
	a.HasNear(has)
	a.Desired(protocol.Desired{Rev: 2, Manifest: &later})
	plays(t, a, later)
}
