package cmd_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"vitrine/content/digest"
)

// cutsOfPlayer is the environment variable with how often the player's power is cut.
const cutsOfPlayer = "VITRINE_PLAYER_CUTS"

// The power of a player is cut at random moments: in each round once while a new programme is on its way to it, and once while it starts. What is on its
// card then is a whole programme, not older than the last one, and it starts with a picture on the screen.
func TestPlayerLosesPower(t *testing.T) {
	w := newWall(t)
	cuts := 20
	if text := os.Getenv(cutsOfPlayer); text != "" {
		var err error
		if cuts, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s=%s: want a number", cutsOfPlayer, text)
		}
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("the seed is %d", seed)
	w.serve()
	w.on(stickOf("stick", w.stick())...)
	w.shows("the page that waits", waits)
	w.attach("stick")
	w.plays()
	found := map[digest.Digest]int{}
	for cut := range cuts {
		if cut%2 == 0 {
			more := t.TempDir()
			pictures(t, more, 10+cut, 11+cut)
			command(t, "sh", "-c", "rm -f "+w.site.media+"/1?.png; mv "+more+"/*.png "+w.site.media)
			w.endAfter(time.Duration(random.Int64N(int64(12 * time.Second))))
		} else {
			w.on()
			w.endAfter(time.Duration(random.Int64N(int64(90 * time.Second))))
		}
		got := w.onCard()
		found[got]++
		t.Logf("cut %d: programme %v", cut+1, got)
		if got.IsZero() || t.Failed() {
			t.Fatal("there is no whole programme on the card")
		}
		if cut%2 == 1 {
			w.on()
			w.plays()
		}
	}
	t.Logf("%d cuts, %d programmes", cuts, len(found))
}

// endAfter cuts the power after a time.
func (w *wall) endAfter(d time.Duration) {
	w.t.Helper()
	w.t.Logf("the power goes after %.1f s", d.Seconds())
	select {
	case <-time.After(d):
		w.kill()
	case <-w.ended:
		w.t.Fatal("the machine has ended by itself")
	}
}

// onCard is the programme that is whole in the last partition of the card, of which a copy is looked at.
func (w *wall) onCard() digest.Digest {
	w.t.Helper()
	dir := w.t.TempDir()
	part, mounted := filepath.Join(dir, "data.img"), filepath.Join(dir, "mounted")
	defer os.Remove(part)
	if err := copyPartition(w.card, 4, part); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Mkdir(mounted, 0o755); err != nil {
		w.t.Fatal(err)
	}
	command(w.t, "mount", "-t", "ext4", "-o", "loop", part, mounted)
	defer command(w.t, "umount", mounted)
	got, err := wholeProgramme(w.t, filepath.Join(mounted, "content"))
	if err != nil {
		w.t.Error(err)
	}
	return got
}

// copyPartition copies one of the four partitions of an MBR's table to a file, with holes where there is nothing.
func copyPartition(card string, number int, to string) error {
	f, err := os.Open(card)
	if err != nil {
		return err
	}
	defer f.Close()
	entry := make([]byte, 16)
	if _, err := f.ReadAt(entry, int64(446+16*(number-1))); err != nil {
		return err
	}
	first, size := int64(binary.LittleEndian.Uint32(entry[8:]))*512, int64(binary.LittleEndian.Uint32(entry[12:]))*512
	if size == 0 {
		return fmt.Errorf("%s has no partition %d", card, number)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	block := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(block)) {
		n, err := f.ReadAt(block[:min(int64(len(block)), size-at)], first+at)
		if err != nil && err != io.EOF {
			return err
		}
		if !zeros(block[:n]) {
			if _, err := out.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
	}
	return out.Truncate(size)
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
