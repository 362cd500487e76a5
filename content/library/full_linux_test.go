package library_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"vitrine/content/store"
	"vitrine/platform/disk"
)

// smallDisk mounts a file system of a few megabytes for the length of a test.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("a small file system needs root")
		}
		t.Skip("a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A filling disk is full to the last byte from its n-th operation on.
type filling struct {
	disk.OS
	left *atomic.Int64
	fill func()
}

func (d filling) step() {
	if d.left.Add(-1) == 0 {
		d.fill()
	}
}

func (d filling) OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error) {
	if flag&os.O_CREATE != 0 {
		d.step()
	}
	f, err := d.OS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return fillingFile{f, d}, nil
}

func (d filling) Rename(from, to string) error {
	d.step()
	return d.OS.Rename(from, to)
}

func (d filling) Mkdir(path string) error {
	d.step()
	return d.OS.Mkdir(path)
}

type fillingFile struct {
	disk.File
	disk filling
}

func (f fillingFile) Write(b []byte) (int, error) {
	f.disk.step()
	return f.File.Write(b)
}

// fill writes until not one byte more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		return // there is no room for its name either
	}
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Error(err)
			}
			block = block[:len(block)/2]
		}
	}
}

// At whichever stage of a sync the disk becomes full, what plays plays on and the fault is told; once there is room again, the programme
// comes.
func TestDiskFullAtEveryStage(t *testing.T) {
	root := smallDisk(t)
	filler := filepath.Join(root, "filler")
	for at := int64(1); ; at++ {
		left := &atomic.Int64{}
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := filepath.Join(root, fmt.Sprint(at))
				defer os.RemoveAll(dir)
				defer os.Remove(filler)
				config := store.Config{FS: filling{left: left, fill: func() { fill(t, filler) }}, Reserve: store.Amount{Bytes: 1}}
				s := &site{}
				a, b := s.publish("a", shared, onlyA), s.publish("b", shared, slow, onlyB, another)
				v := startOn(t, dir, config, s, false)
				v.want(a)
				v.check(t, "a", "")
				left.Store(at)
				v.want(b)
				active, _ := v.Active()
				whole(t, v.store, active.Manifest)
				if last := v.lastFault(); active.Manifest.ID == "a" && last == nil {
					t.Error("b didn't come, and nobody was told")
				}
				v.stop()
				v = startOn(t, dir, config, s, true) // a restart on the full disk
				if again, ok := v.Active(); !ok || again.Generation.Manifest != active.Generation.Manifest {
					t.Errorf("after a restart %v plays; before, %v did", again.Generation.Manifest.Short(), active.Generation.Manifest.Short())
				}
				v.stop()
				os.Remove(filler)
				v = startOn(t, dir, config, s, false)
				v.want(b)
				eventually()
				v.check(t, "b", "")
				v.stop()
			})
		})
		if left.Load() > 0 || t.Failed() {
			if at < 20 {
				t.Errorf("there were %d stages: this tests little", at)
			}
			return // it was never reached
		}
	}
}
