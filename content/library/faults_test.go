package library_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/store"
	"vitrine/platform/disk"
	"vitrine/platform/disk/disktest"
)

// The programmes of the fault tests: b shares a picture with a, and has one that comes so slowly that it is noted in between how far it is.
var (
	shared  = "shared"
	onlyA   = "only a"
	slow    = "slow" + strings.Repeat("0123456789abcdef", 16<<10)
	onlyB   = "only b"
	another = "4" + strings.Repeat("x", 1000)
)

// aThenB is a disk on which a is active, and b is wanted by a viewer.
type aThenB struct {
	disk *disktest.Disk
	site *site
	a, b library.Ref
}

// prepare must be called in a bubble.
func prepare(t *testing.T) *aThenB {
	t.Helper()
	p := &aThenB{disk: disktest.New(1 << 40), site: &site{}}
	p.a, p.b = p.site.publish("a", shared, onlyA), p.site.publish("b", shared, slow, onlyB, another)
	p.site.slow = map[digest.Digest]bool{digest.Of([]byte(slow)): true}
	v := p.start(t, p.disk, false)
	v.want(p.a)
	v.check(t, "a", "")
	v.stop()
	return p
}

func (p *aThenB) start(t *testing.T, d disk.FS, offline bool) *viewer {
	return startOn(t, "/state/content", store.Config{FS: d}, p.site, offline)
}

// eventually waits until everything has come, or was tried for a while.
func eventually() {
	<-time.After(30 * time.Minute)
	synctest.Wait()
}

// steps is how many changes of the disk it takes to get from a to b, and to start.
func steps(t *testing.T) (n int) {
	synctest.Test(t, func(t *testing.T) {
		p := prepare(t)
		p.disk.FailAt(0, "")
		v := p.start(t, p.disk, false)
		v.want(p.b)
		eventually()
		v.check(t, "b", "")
		n = p.disk.Steps()
	})
	if n < 30 {
		t.Fatalf("%d steps: this tests little", n)
	}
	return n
}

// plays checks that a viewer without a network plays a or b, whole; with confirmed set it must be b.
func (p *aThenB) plays(t *testing.T, d disk.FS, confirmed bool) {
	t.Helper()
	v := p.start(t, d, true)
	defer v.stop()
	active, ok := v.Active()
	switch {
	case !ok:
		t.Fatalf("nothing plays; faults %v", v.faults)
	case confirmed && active.Manifest.ID != "b":
		t.Errorf("%s plays, though b was active", active.Manifest.ID)
	case active.Generation.Manifest != p.a.Digest && active.Generation.Manifest != p.b.Digest:
		t.Errorf("%s plays", active.Manifest.ID)
	}
	whole(t, v.store, active.Manifest)
}

// comes checks that b can be had after all.
func (p *aThenB) comes(t *testing.T, d disk.FS) {
	t.Helper()
	v := p.start(t, d, false)
	defer v.stop()
	v.want(p.b)
	eventually()
	v.check(t, "b", "")
}

// Whichever operation of the disk fails, in whichever way, what plays is whole, and b comes once the disk works again.
func TestEveryOperationFails(t *testing.T) {
	n := steps(t)
	for _, mode := range []disktest.Mode{disktest.Fail, disktest.Full, disktest.ReadOnly} {
		for at := 1; at <= n; at++ {
			t.Run(fmt.Sprintf("%s/%d", mode, at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := prepare(t)
					p.disk.FailAt(at, mode)
					opened, err := store.Open("/state/content", store.Config{FS: p.disk})
					if err != nil {
						t.Fatalf("the folder can't be opened: %v", err)
					}
					opened.Close()
					p.disk.FailAt(at, mode)
					v := p.start(t, p.disk, false)
					v.want(p.b)
					eventually()
					active, ok := v.Active()
					if !ok {
						t.Fatalf("nothing plays; faults %v", v.faults)
					}
					whole(t, v.store, active.Manifest)
					confirmed := slices.Contains(v.activated, "b")
					if mode == disktest.ReadOnly && !confirmed && v.faults[len(v.faults)-1] == nil {
						t.Error("b didn't come, and nobody was told")
					}
					v.stop()
					p.disk.FailAt(0, "")
					p.plays(t, p.disk, confirmed)
					p.comes(t, p.disk)
				})
			})
		}
	}
}

// Whenever the power is cut, and whatever of the unsynced is left: what plays afterwards, without a network, is whole, is a or b, and is b if
// that was active before.
func TestPowerCutAtEveryOperation(t *testing.T) {
	n := steps(t)
	for at := 1; at <= n; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := prepare(t)
				p.disk.FailAt(at, disktest.Cut)
				opened, err := store.Open("/state/content", store.Config{FS: p.disk})
				confirmed := false
				if err == nil {
					opened.Close()
					p = prepare(t)
					p.disk.FailAt(at, disktest.Cut)
					v := p.start(t, p.disk, false)
					v.want(p.b)
					eventually()
					confirmed = slices.Contains(v.activated, "b")
					v.stop()
				}
				for seed := range uint64(4) {
					after := p.disk.AfterCut(seed)
					p.plays(t, after, confirmed)
					p.comes(t, after)
				}
			})
		})
	}
}
