package cmd_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A player's settings come with its card. Then it starts with a card that has lost something: who it is comes from the one partition or the other, and the programme from the server.
func TestPlayerCardIsDamaged(t *testing.T) {
	w := newWall(t)
	w.serve()
	settings := filepath.Join(t.TempDir(), "vitrine.toml")
	if err := os.WriteFile(settings, []byte(w.settings()), 0o600); err != nil {
		t.Fatal(err)
	}
	w.flash("--settings", settings)
	w.on()
	w.plays()
	for _, c := range []struct {
		what, says string
		harm       func()
	}{
		{"a folder of content that can't be read", "is damaged", w.folderDamaged},
		{"rubbish in place of its data", "is made anew", func() { w.rubbish(4) }},
		{"rubbish in place of who it is", "is made anew", func() { w.rubbish(3) }},
		{"rubbish in place of its data, once more", "is made anew", func() { w.rubbish(4) }},
	} {
		t.Logf("The card has %s.", c.what)
		w.kill()
		w.forget()
		c.harm()
		w.on()
		w.plays()
		w.listed("online")
		if list := mustRun(t, "vitrine-server", "viewers", "list", "--state", w.site.state); strings.Count(list, "screen") != 1 {
			t.Errorf("the player has become another viewer:\n%s", list)
		}
		if said := w.within("dmesg | grep vitrine:"); !strings.Contains(said, c.says) {
			t.Errorf("the kernel's log has no word of it:\n%s", said)
		}
	}
}

// folderDamaged writes over the block that says what is in the folder content, of which the kernel has noticed something. What the journal has is brought in before: it would mend it.
func (w *wall) folderDamaged() {
	w.t.Helper()
	needProgram(w.t, "debugfs", "e2fsprogs")
	first, size, err := partition(w.card, 4)
	if err != nil {
		w.t.Fatal(err)
	}
	// In a file of its own: e2fsck loses its place in another one when it has brought in the journal.
	command(w.t, "sh", "-ec", `dd if="$1" of="$2" bs=1M iflag=skip_bytes,count_bytes skip="$3" count="$4" conv=sparse status=none
		e2fsck -p "$2" || [ $? = 1 ]
		block=$(debugfs -R 'blocks content' "$2")
		head -c 4096 /dev/zero | tr '\0' x | dd of="$2" bs=4096 seek=$((block)) conv=notrunc status=none
		debugfs -w -R 'ssv state 2' "$2"
		dd if="$2" of="$1" bs=1M oflag=seek_bytes seek="$3" conv=notrunc status=none
		rm "$2"`, "sh", w.card, w.card+".part", strconv.FormatInt(first, 10), strconv.FormatInt(size, 10))
}

// rubbish writes over the first megabytes of a partition of the card.
func (w *wall) rubbish(number int) {
	w.t.Helper()
	first, size, err := partition(w.card, number)
	if err != nil {
		w.t.Fatal(err)
	}
	f, err := os.OpenFile(w.card, os.O_WRONLY, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte("rubbish!"), int(min(size, 32<<20)/8)), first); err != nil {
		w.t.Fatal(err)
	}
}
