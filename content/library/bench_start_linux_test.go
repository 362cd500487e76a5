package library_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/store"
)

// active is how many assets the programme uses that is on disk at the start.
const active = 2000

// BenchmarkStart gives the time from the start of a process until it knows the programme on disk, all of whose files are there, beside a count of
// the files by find. Cold is with nothing of the disk in memory.
func BenchmarkStart(b *testing.B) {
	needProgram(b, timeProgram, "time")
	needProgram(b, "find", "findutils")
	stores := []int{active, 50 * active}
	if testing.Short() {
		stores = []int{active}
	}
	for _, n := range stores {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			folder := diskFolder(b)
			wanted := fillStore(b, folder, n)
			contestants := []contestant{
				{"viewer", func(b *testing.B, folder string) *exec.Cmd { return task{Folder: folder, Wanted: wanted}.command(b) }},
				{"find", func(b *testing.B, folder string) *exec.Cmd {
					return exec.Command("find", folder+"/assets", "-type", "f")
				}},
			}
			b.Run("warm", func(b *testing.B) {
				contest{}.starts(b, folder, contestants, func(*testing.B) {})
			})
			b.Run("cold", func(b *testing.B) {
				needRoot(b, "to empty the system's caches")
				contest{}.starts(b, folder, contestants, dropCaches)
			})
		})
	}
}

// starts has all contestants look at the same folder, each time after prepare.
func (c contest) starts(b *testing.B, folder string, contestants []contestant, prepare func(*testing.B)) {
	for b.Loop() {
		shuffled(contestants, func(one contestant) {
			command := one.command(b, folder)
			prepare(b)
			c[one.name] = append(c[one.name], measure(b, command))
		})
	}
	c.report(b, "viewer")
}

func dropCaches(b *testing.B) {
	b.Helper()
	syscall.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		b.Fatal(err)
	}
}

// fillStore puts n tiny assets into a store, and activates a programme that uses some of them.
func fillStore(b *testing.B, folder string, n int) library.Ref {
	b.Helper()
	s, err := store.Open(folder, store.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var used []digest.Digest
	var writers errgroup.Group
	writers.SetLimit(64)
	for i := range n {
		asset := binary.BigEndian.AppendUint64(nil, uint64(i))
		d := digest.Of(asset)
		writers.Go(func() error { return s.Put(d, int64(len(asset)), bytes.NewReader(asset)) })
		if i < active {
			used = append(used, d)
		}
	}
	document := slideshow(b, used, 8)
	wanted := sign(document)
	writers.Go(func() error { return s.Put(wanted.Digest, wanted.Size, bytes.NewReader(document)) })
	if err := writers.Wait(); err != nil {
		b.Fatal(err)
	}
	if err := s.Activate(store.Generation{Manifest: wanted.Digest, Size: wanted.Size, Signature: wanted.Signature, Activated: time.Unix(1e9, 0).UTC()}); err != nil {
		b.Fatal(err)
	}
	return wanted
}
