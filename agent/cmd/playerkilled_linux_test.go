package cmd_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"vitrine/agent/update"
	"vitrine/content/digest"
	"vitrine/content/release"
	"vitrine/content/store"
	"vitrine/platform/disk"
)

// cutsOfPlayer is the environment variable with how often the player's power is cut.
const cutsOfPlayer = "VITRINE_PLAYER_CUTS"

// laterFolder is a folder of a site with pictures that are on disk long before they are shown, and how many of 205 kB there are.
const (
	laterFolder = "later"
	laterPieces = 60
)

// aheadOfTime is a programme that has them.
const aheadOfTime = `{
 "presentations": {
  "now": {"zones": [{"id": "main", "w": 100, "h": 100, "playlist": [{"file": "1-red.png"}, {"file": "2-green.png"}]}]},
  "later": {"zones": [{"id": "main", "w": 100, "h": 100, "playlist": [{"folder": "later"}]}]}
 },
 "schedule": {"default": "now", "events": [{"presentation": "later", "start": "2100-01-01T00:00:00Z"}]}
}`

// The power of a player is cut at random moments: in each round once while something new is on its way to it, two programmes and then a release of the
// viewer, and once while it starts, by UEFI. What is on its card then is a whole programme and whole releases, and it starts with a picture on the screen.
func TestPlayerLosesPower(t *testing.T) {
	w := newWall(t)
	if _, err := os.Stat("/usr/share/OVMF/OVMF_CODE_4M.fd"); err != nil {
		t.Fatalf("%v (Debian package ovmf)", err)
	}
	w.firmware = []string{"--uefi"}
	rounds := 10
	if text := os.Getenv(cutsOfPlayer); text != "" {
		cuts, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s=%s: want a number", cutsOfPlayer, text)
		}
		rounds = (cuts + 1) / 2
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	within := func(most time.Duration) time.Duration { return time.Duration(random.Int64N(int64(most))) }
	t.Logf("the seed is %d", seed)
	vendor := w.vendor()
	w.add(aheadOfTime)
	w.serve()
	// A programme and a release take about twelve seconds to come.
	w.on(stickOf("stick", fatStick(t, w.settings()+"[content]\r\nrate = \"1 MB/s\"\r\n"))...)
	w.shows("the page that waits", waits)
	w.attach("stick")
	w.plays()
	halfway := 0
	look := func() {
		if w.isWhole(vendor) {
			halfway++
		}
	}
	for round := range rounds {
		if round%3 == 2 {
			w.publish(vendor, round)
			w.endAfter(within(time.Minute))
		} else {
			w.replaceLater(round + 1)
			w.endAfter(within(15 * time.Second))
		}
		look()
		w.on()
		w.endAfter(within(90 * time.Second))
		look()
		w.on()
		w.plays()
	}
	t.Logf("%d cuts, %d of them while pictures were on their way", 2*rounds, halfway)
	if rounds >= 10 && halfway == 0 {
		t.Error("no cut was while pictures were on their way")
	}
	w.publish(vendor, rounds)
	w.awaitServer("1 kept", "update", "status")
	w.plays()
}

// add gives the site a programme whose folder later is there.
func (w *wall) add(programme string) {
	w.t.Helper()
	w.replaceLater(0)
	if err := os.WriteFile(filepath.Join(w.site.media, "programme.json"), []byte(programme), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// replaceLater puts other pictures into that folder, all at once.
func (w *wall) replaceLater(number int) {
	w.t.Helper()
	more := w.t.TempDir()
	for i := range laterPieces {
		pictures(w.t, more, laterPieces*number+i)
	}
	folder := filepath.Join(w.site.media, laterFolder)
	if err := os.RemoveAll(folder); err != nil {
		w.t.Fatal(err)
	}
	command(w.t, "mv", more, folder)
}

// laterPictures are those of that folder.
func (w *wall) laterPictures() map[digest.Digest]bool {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.site.media, laterFolder, "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	pictures := map[digest.Digest]bool{}
	for _, path := range files {
		pictures[digest.Of(read(w.t, path))] = true
	}
	return pictures
}

// publish hands out a release that is newer the higher the number is.
func (w *wall) publish(vendor releaser, number int) {
	w.t.Helper()
	version, made := fmt.Sprintf("99.%d", number), time.Now().Truncate(time.Second)
	folder, _ := vendor.sign(w.t, version, viewerOf(w.t, version, made), func(r *release.Release) { r.Made = made })
	w.site.publish(w.t, folder)
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

// isWhole looks at a copy of the card's last partition: it has a whole programme, and what is known of releases is true. It tells whether the pictures of the
// newest programme have come in part.
func (w *wall) isWhole(vendor releaser) (halfway bool) {
	t := w.t
	t.Helper()
	dir := t.TempDir()
	part, state := filepath.Join(dir, "data.img"), filepath.Join(dir, "state")
	defer os.Remove(part)
	if err := copyPartition(w.card, 4, part); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "mount", "-t", "ext4", "-o", "loop", part, state)
	defer command(t, "umount", state)
	got, err := wholeProgramme(t, filepath.Join(state, "content"))
	if err != nil || got.IsZero() {
		t.Errorf("there is no whole programme on the card: %v", err)
	}
	releases, damage := update.Open(disk.OS{}, state)
	runs, ok, problem := releases.Choose(update.Base{}, []ed25519.PublicKey{vendor.key.Public().(ed25519.PublicKey)}, "", false)
	if damage != nil || problem != nil {
		t.Errorf("the releases on the card: %v, %v", damage, problem)
	}
	if t.Failed() {
		t.FailNow()
	}
	say := "the installed viewer"
	if ok {
		say = "release " + runs.Version
	}
	if trial := releases.Record.Trial; trial != nil {
		say += fmt.Sprintf(", and %s on trial, ready %v, started %d times", trial.Version, trial.Ready, trial.Starts)
	}
	content, err := store.Open(filepath.Join(state, "content"), store.Config{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	assets, err := content.Assets()
	if err != nil {
		t.Fatal(err)
	}
	newest, pictures := 0, w.laterPictures()
	for _, a := range assets {
		if !a.Partial && pictures[a.Digest] {
			newest++
		}
	}
	t.Logf("on the card: programme %v, %d of %d of the newest pictures, %s", got, newest, laterPieces, say)
	return newest > 0 && newest < laterPieces
}

// partition is where one of the four partitions of an MBR's table begins, and its size, in bytes.
func partition(card string, number int) (first, size int64, err error) {
	f, err := os.Open(card)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	entry := make([]byte, 16)
	if _, err := f.ReadAt(entry, int64(446+16*(number-1))); err != nil {
		return 0, 0, err
	}
	first, size = int64(binary.LittleEndian.Uint32(entry[8:]))*512, int64(binary.LittleEndian.Uint32(entry[12:]))*512
	if size == 0 {
		return 0, 0, fmt.Errorf("%s has no partition %d", card, number)
	}
	return first, size, nil
}

// copyPartition copies a partition to a file, with holes where there is nothing.
func copyPartition(card string, number int, to string) error {
	first, size, err := partition(card, number)
	if err != nil {
		return err
	}
	f, err := os.Open(card)
	if err != nil {
		return err
	}
	defer f.Close()
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
