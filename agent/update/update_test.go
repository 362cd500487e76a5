package update_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"vitrine/agent/update"
	"vitrine/content/digest"
	"vitrine/content/release"
	"vitrine/platform/atomicfile"
	"vitrine/platform/disk"
	"vitrine/platform/disk/disktest"
)

const state = "/state"

var (
	day  = time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	base = update.Base{Version: "1.0", Built: day}
)

// The vendor's key.
var (
	secret = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	keys   = []ed25519.PublicKey{secret.Public().(ed25519.PublicKey)}
)

// A signed release is one as it comes.
type signed struct {
	update.Release
	document  []byte
	signature string
	program   []byte
}

// made is the release of the n-th day after the base's.
func made(n int) signed {
	s := signed{program: bytes.Repeat([]byte{byte(n)}, 1000+n)}
	s.Version, s.Made, s.Program, s.Size = fmt.Sprintf("1.%d", n), day.AddDate(0, 0, n), digest.Of(s.program), int64(len(s.program))
	document, err := release.Marshal(&release.Release{Format: 1, Version: s.Version, Made: s.Made, Expires: s.Made.AddDate(1, 0, 0), Programs: []release.Program{
		{Platform: release.Platform{OS: "linux", Arch: "amd64"}, File: "vitrine", Size: s.Size, Digest: s.Program},
	}})
	if err != nil {
		panic(err)
	}
	s.document, s.signature, s.Digest = document, release.Sign(secret, document), digest.Of(document)
	return s
}

// on installs it.
func (s signed) on(f *update.Folder) error {
	return f.Install(s.Release, s.document, s.signature, bytes.NewReader(s.program))
}

// A player is a disk with a state folder, and the run of the machine that it is in.
type player struct {
	*testing.T
	disk *disktest.Disk
	boot int
}

func newPlayer(t *testing.T) *player {
	d := disktest.New(1 << 20)
	if err := d.Mkdir(state); err != nil {
		t.Fatal(err)
	}
	if err := d.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	return &player{t, d, 1}
}

func (p *player) open() *update.Folder {
	p.Helper()
	f, damage := update.Open(p.disk, state)
	if damage != nil {
		p.Fatal(damage)
	}
	return f
}

// start is what happens at a start of the installed program: it gives the version that runs.
func (p *player) start(installed update.Base) (*update.Folder, string) {
	p.Helper()
	f := p.open()
	c, ok, problem := f.Choose(installed, keys, fmt.Sprint(p.boot), true)
	if problem != nil {
		p.Log(problem)
	}
	if !ok {
		return f, installed.Version
	}
	if c.Path != f.Program(c.Release) {
		p.Errorf("%s is not the program of %s", c.Path, c.Version)
	}
	return f, c.Version
}

func (p *player) install(n int) *update.Folder {
	p.Helper()
	f := p.open()
	p.must(made(n).on(f))
	p.must(f.Ready(true))
	return f
}

// keep installs a release that proves itself.
func (p *player) keep(n int) {
	p.Helper()
	p.install(n)
	f, version := p.start(base)
	if want := fmt.Sprintf("1.%d", n); version != want {
		p.Fatalf("%s runs, and not %s", version, want)
	}
	p.must(f.Confirm())
	p.must(f.Tidy())
}

func (p *player) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// runs checks which version a start gives.
func (p *player) runs(installed update.Base, want string) *update.Folder {
	p.Helper()
	f, version := p.start(installed)
	if version != want {
		p.Errorf("%s runs; want %s", version, want)
	}
	return f
}

func TestLives(t *testing.T) {
	for name, live := range map[string]func(p *player){
		"nothing": func(p *player) { p.runs(base, "1.0") },
		"a good one stays": func(p *player) {
			p.keep(1)
			p.runs(base, "1.1")
			p.boot++
			p.runs(base, "1.1")
			p.disk.FailAt(0, "")
			p.boot++
			if p.runs(base, "1.1"); p.disk.Steps() > 0 {
				p.Error("an ordinary start writes to the disk")
			}
		},
		"of keys that aren't believed any more": func(p *player) {
			p.keep(1)
			p.install(2)
			f := p.open()
			if c, ok, problem := f.Choose(base, nil, "1", true); ok || !errors.Is(problem, release.ErrNoKey) {
				p.Errorf("%+v, %v", c, problem)
			}
			p.runs(base, "1.1") // the one on trial has lost its chance
		},
		"changed by somebody who can write there": func(p *player) {
			p.keep(1)
			r := made(1)
			evil := []byte("evil")
			r.Program, r.Size = digest.Of(evil), int64(len(evil))
			file, err := p.disk.OpenFile(p.open().Program(r.Release), os.O_WRONLY|os.O_TRUNC, 0)
			p.must(err)
			_, err = file.Write(evil)
			p.must(err)
			p.must(file.Close())
			p.must(atomicfile.WriteJSONOn(p.disk, state+"/releases/releases.json", update.Record{Confirmed: &r.Release}, 0o644))
			p.runs(base, "1.0")
		},
		"one that ends at once": func(p *player) {
			p.keep(1)
			p.install(2)
			p.runs(base, "1.2")
			f := p.runs(base, "1.1")
			fresh, err := f.Told()
			if len(fresh) != 1 || fresh[0].Version != "1.2" || !strings.Contains(fresh[0].Why, "crashed") || err != nil {
				p.Errorf("%v, %v", fresh, err)
			}
			if again, _ := p.open().Told(); len(again) > 0 {
				p.Errorf("told twice: %v", again)
			}
			r := made(2).Release
			if err := f.Record.Refuses(r, day); err == nil || !strings.Contains(err.Error(), "crashed") {
				p.Errorf("it may be tried again: %v", err)
			}
		},
		"without one before it": func(p *player) {
			p.install(1)
			p.runs(base, "1.1")
			p.runs(base, "1.0")
		},
		"power cuts in a good trial": func(p *player) {
			p.install(1)
			p.runs(base, "1.1")
			p.boot++
			p.runs(base, "1.1")
			p.boot++
			f := p.runs(base, "1.1")
			p.must(f.Confirm())
			p.boot++
			p.runs(base, "1.1")
		},
		"too many power cuts": func(p *player) {
			p.install(1)
			for range 3 {
				p.runs(base, "1.1")
				p.boot++
			}
			p.runs(base, "1.0")
		},
		"stopped in a trial": func(p *player) {
			p.install(1)
			f := p.runs(base, "1.1")
			p.must(f.Pause())
			f = p.runs(base, "1.1")
			p.must(f.Confirm())
			p.runs(base, "1.1")
		},
		"not well in time": func(p *player) {
			p.install(1)
			f := p.runs(base, "1.1")
			p.must(f.Fail("no picture", false))
			p.runs(base, "1.0")
			p.must(f.Judge(false))
			if err := p.open().Record.Refuses(made(1).Release, base.Built); err == nil {
				p.Error("it is tried again")
			}
		},
		"no session, as before it": func(p *player) {
			p.install(1)
			f := p.runs(base, "1.1")
			p.must(f.Fail("no session", true))
			f = p.runs(base, "1.0")
			if err := f.Record.Refuses(made(1).Release, base.Built); err == nil {
				p.Error("it is tried again at once")
			}
			p.must(f.Judge(false))
			p.install(1)
			p.runs(base, "1.1")
		},
		"no session, unlike before it": func(p *player) {
			p.install(1)
			f := p.runs(base, "1.1")
			p.must(f.Fail("no session", true))
			f = p.runs(base, "1.0")
			p.must(f.Judge(true))
			p.must(p.open().Judge(false)) // the network is gone later
			if err := p.open().Record.Refuses(made(1).Release, base.Built); err == nil {
				p.Error("it is tried again")
			}
		},
		"can't be run": func(p *player) {
			p.keep(1)
			p.install(2)
			f := p.open()
			c, _, _ := f.Choose(base, keys, "1", true)
			p.must(f.Reject(c, errors.New("exec format error")))
			if c, ok, _ := f.Choose(base, keys, "1", true); !ok || c.Version != "1.1" {
				p.Errorf("%+v, %v", c, ok)
			}
		},
		"a new package": func(p *player) {
			p.keep(1)
			newer := update.Base{Version: "2.0", Built: day.AddDate(0, 0, 1)}
			p.runs(newer, "2.0")
			p.install(2)
			p.runs(newer, "1.2")
			p.boot++
			p.runs(update.Base{Version: "3.0", Built: day.AddDate(0, 0, 2)}, "3.0")
		},
		"damaged on disk": func(p *player) {
			p.keep(1)
			p.keep(2)
			r := made(2)
			p.damage(p.open().Program(r.Release))
			f := p.runs(base, "1.1")
			if err := f.Record.Refuses(r.Release, day.AddDate(0, 0, 1)); err != nil {
				p.Errorf("it can't be had again: %v", err)
			}
			p.must(r.on(f))
			p.runs(base, "1.1") // it waits for a good moment
			f = p.open()
			p.must(f.Ready(true))
			p.runs(base, "1.2")
		},
		"gone from disk": func(p *player) {
			p.keep(1)
			r := made(1).Release
			p.must(p.disk.Remove(p.open().Program(r)))
			p.runs(base, "1.0")
		},
		"truncated in a trial": func(p *player) {
			f := p.install(1)
			r := made(1).Release
			file, err := p.disk.OpenFile(f.Program(r), 2, 0)
			p.must(err)
			p.must(file.Truncate(100))
			p.must(file.Close())
			p.runs(base, "1.0")
		},
		"nobody starts it again": func(p *player) {
			p.install(1)
			if c, ok, err := p.open().Choose(base, keys, "1", false); ok || err != nil {
				p.Errorf("%+v, %v", c, err)
			}
		},
		"no longer wanted": func(p *player) {
			f := p.install(1)
			p.must(f.Cancel())
			p.runs(base, "1.0")
		},
		"only three are kept": func(p *player) {
			for n := 1; n < 5; n++ {
				p.keep(n)
			}
			p.install(5)
			entries, err := p.disk.ReadDir(state + "/releases")
			if len(entries) != 4 || err != nil { // with the record
				p.Errorf("%v, %v", entries, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { live(&player{T: t, disk: newPlayer(t).disk, boot: 1}) })
	}
}

// damage changes a byte.
func (p *player) damage(path string) {
	p.Helper()
	f, err := p.disk.OpenFile(path, 2, 0)
	p.must(err)
	_, err = f.Write([]byte{99})
	p.must(err)
	p.must(f.Close())
}

func TestRefuses(t *testing.T) {
	p := newPlayer(t)
	p.keep(5)
	f := p.open()
	for n, want := range map[int]bool{4: false, 5: false, 6: true} {
		r := made(n).Release
		if err := f.Record.Refuses(r, day.AddDate(0, 0, 5)); (err == nil) != want {
			t.Errorf("%d: %v", n, err)
		}
	}
	// What has run once doesn't come back, though the program that runs now is older: the package was installed again, and is an older one.
	r := made(4).Release
	if err := f.Record.Refuses(r, day); !errors.Is(err, update.ErrOlder) {
		t.Errorf("an old release is taken: %v", err)
	}
}

// What comes isn't what was announced: nothing of it stays.
func TestInstallChecks(t *testing.T) {
	for name, program := range map[string]string{"cut off": "short", "too long": strings.Repeat("x", 2000), "others": strings.Repeat("x", 1001)} {
		p := newPlayer(t)
		f := p.open()
		r := made(1)
		r.program = []byte(program)
		if err := r.on(f); err == nil || f.Record.Trial != nil {
			t.Errorf("%s: %v, %+v", name, err, f.Record)
		}
		if entries, _ := p.disk.ReadDir(state + "/releases"); len(entries) > 0 {
			t.Errorf("%s: %v", name, entries)
		}
	}
}

// A disk on which files with some end of a path can't be read, though they are there.
type unreadable struct {
	disk.FS
	end string
}

func (u unreadable) OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error) {
	if strings.HasSuffix(path, u.end) {
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EIO}
	}
	return u.FS.OpenFile(path, flag, perm)
}

// Without its record no release is removed, and the one that ran does again, if it proves itself; else the one before it.
func TestRecordThatCantBeRead(t *testing.T) {
	record := state + "/releases/releases.json"
	for name, ruin := range map[string]func(*player) disk.FS{
		"no JSON":       func(p *player) disk.FS { p.damage(record); return p.disk },
		"disk at fault": func(p *player) disk.FS { return unreadable{p.disk, record} },
	} {
		t.Run(name, func(t *testing.T) {
			p := &player{T: t, disk: newPlayer(t).disk, boot: 1}
			p.keep(1)
			p.keep(2)
			fsys := ruin(p)
			f, damage := update.Open(fsys, state)
			if damage == nil || !strings.Contains(damage.Error(), "can't be read") {
				t.Error(damage)
			}
			p.must(f.Tidy())
			p.must(f.Cancel())
			if entries, err := p.disk.ReadDir(state + "/releases"); len(entries) != 3 || err != nil { // with the record
				t.Errorf("%v, %v", entries, err)
			}
			f, _ = update.Open(fsys, state)
			if c, ok, problem := f.Choose(base, keys, "1", true); !ok || c.Version != "1.2" || !c.Trial || problem != nil {
				t.Fatalf("%+v, %v", c, problem)
			}
			p.runs(base, "1.1") // it has failed; the record is good again
			if err := p.open().Record.Refuses(made(2).Release, base.Built); err == nil {
				t.Error("it is tried again")
			}
		})
	}
}

// While nothing at all can be read nothing is removed or noted; the next start finds everything.
func TestDiskAwayForAMoment(t *testing.T) {
	p := newPlayer(t)
	p.keep(1)
	p.keep(2)
	f, damage := update.Open(unreadable{p.disk, ""}, state)
	if damage == nil {
		t.Error("nothing is said")
	}
	if c, ok, problem := f.Choose(base, keys, "1", true); ok || problem != nil {
		t.Errorf("%+v, %v", c, problem)
	}
	p.must(f.Tidy())
	p.must(f.Cancel())
	p.runs(base, "1.2")
}

// What isn't whole on disk, or not of somebody who is believed, isn't run for want of a record either.
func TestRebuiltOfLittle(t *testing.T) {
	p := newPlayer(t)
	p.keep(1)
	p.install(2)
	p.damage(p.open().Program(made(1).Release))
	p.damage(state + "/releases/releases.json")
	f, _ := update.Open(p.disk, state)
	if c, ok, problem := f.Choose(base, nil, "1", true); ok || problem != nil {
		t.Errorf("%+v, %v", c, problem)
	}
	if fresh, err := p.open().Told(); len(fresh) != 1 || fresh[0].Version != "1.2" || !strings.Contains(fresh[0].Why, release.ErrNoKey.Error()) || err != nil {
		t.Errorf("%v, %v", fresh, err)
	}
	p.runs(base, "1.0")
}

func TestProof(t *testing.T) {
	for name, test := range map[string]struct {
		// well is a letter for each 10 seconds: w is well.
		well   string
		proved bool
		failed string
	}{
		"at once":            {"wwww", true, ""},
		"not yet":            {"www", false, ""},
		"later":              {"----wwww", true, ""},
		"with a break":       {"www-www", false, ""},
		"never":              {"-----------", false, "no session"},
		"well too late":      {"--------www", false, "no session"},
		"well just in time":  {"------wwww", true, ""},
		"comes and goes":     {"ww-ww-ww-ww", false, "no session"},
		"well, then no more": {"ww---------", false, "no session"},
	} {
		p := update.Proof{Good: 30 * time.Second, Limit: 100 * time.Second}
		var proved bool
		var failed string
		for i, c := range test.well {
			missing := ""
			if c != 'w' {
				missing = "no session"
			}
			if proved, failed = p.Look(day.Add(time.Duration(i)*10*time.Second), missing); failed != "" {
				break
			}
		}
		if proved != test.proved || (failed == "") != (test.failed == "") || !strings.Contains(failed, test.failed) {
			t.Errorf("%s: %v, %q", name, proved, failed)
		}
	}
}

// change is what is done to go from release 1 to release 2: the errors are those of a disk that fails.
func change(d disk.FS, boot string) (confirmed bool, err error) {
	f, err := update.Open(d, state)
	if err != nil {
		return false, err
	}
	if err := made(2).on(f); err != nil {
		return false, err
	}
	if err := f.Ready(true); err != nil {
		return false, err
	}
	if f, err = update.Open(d, state); err != nil {
		return false, err
	}
	if c, ok, problem := f.Choose(base, keys, boot, true); !ok || c.Version != "1.2" {
		return false, errors.Join(problem, errors.New("it isn't tried"))
	}
	if err := f.Confirm(); err != nil {
		return false, err
	}
	return true, f.Tidy()
}

// Whichever operation of the disk fails, in whichever way, or if the power is cut there: what runs next is whole, and release 1, or 2 on trial, or 2 if it was
// kept. The installed program is never needed.
func TestEveryOperationFails(t *testing.T) {
	p := newPlayer(t)
	p.keep(1)
	p.disk.FailAt(0, "")
	if _, err := change(p.disk, "1"); err != nil {
		t.Fatal(err)
	}
	n := p.disk.Steps()
	if n < 20 {
		t.Fatalf("%d steps: this tests little", n)
	}
	for _, mode := range []disktest.Mode{disktest.Fail, disktest.Full, disktest.ReadOnly, disktest.Cut} {
		for at := 1; at <= n; at++ {
			for seed := range uint64(8) {
				p := newPlayer(t)
				p.keep(1)
				p.disk.FailAt(at, mode)
				confirmed, err := change(p.disk, "1")
				if mode == disktest.Cut {
					p.disk = p.disk.AfterCut(seed)
					p.boot++
				} else {
					p.disk.FailAt(0, "")
				}
				f, version := p.start(base)
				if version != "1.1" && version != "1.2" || confirmed && version != "1.2" {
					t.Fatalf("%s at %d, seed %d: %s runs (kept: %v, %v)", mode, at, seed, version, confirmed, err)
				}
				if problem := f.Tidy(); problem != nil {
					t.Fatalf("%s at %d: %v", mode, at, problem)
				}
				if mode != disktest.Cut {
					break
				}
			}
		}
	}
}

// A release is only ever run with all its bytes.
func TestChosenIsWhole(t *testing.T) {
	p := newPlayer(t)
	p.install(1)
	f := p.open()
	c, ok, problem := f.Choose(base, keys, "1", true)
	if !ok || problem != nil {
		t.Fatal(problem)
	}
	info, err := p.disk.Stat(c.Path)
	if err != nil || info.Size() != c.Size || info.Mode()&fs.ModePerm&0o100 == 0 {
		t.Errorf("%v, %v", info, err)
	}
}
