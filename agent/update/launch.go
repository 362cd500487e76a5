package update

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"vitrine/content/digest"
	"vitrine/content/release"
)

// A Choice is what runs in place of the installed program.
type Choice struct {
	Release
	// Path is that of the program.
	Path string
	// Trial tells that it is to prove itself; its start is counted.
	Trial bool
}

// Choose says what runs in place of the installed program, of what one of the keys has signed; ok is false if that runs itself. With mayTry a release may be tried: there is somebody who starts
// this program again however it ends. boot differs between runs of the machine. problem is what is to be told of it; there can be one with any choice.
func (f *Folder) Choose(base Base, keys []ed25519.PublicKey, boot string, mayTry bool) (c Choice, ok bool, problem error) {
	if reflect.DeepEqual(f.Record, Record{}) {
		return Choice{}, false, nil // there is no folder, and need be none
	}
	f.keys = keys
	if mayTry {
		problem = f.try(base, boot)
		if t := f.Record.Trial; problem == nil && t != nil && t.Ready && !f.unfit[t.Digest] {
			return Choice{t.Release, f.Program(t.Release), true}, true, nil
		}
	}
	for _, r := range []*Release{f.Record.Confirmed, f.Record.Previous} {
		if r == nil || f.unfit[r.Digest] || !r.Made.After(base.Built) {
			continue
		}
		err := f.verify(*r)
		if err == nil {
			return Choice{*r, f.Program(*r), false}, true, problem
		}
		f.unfit[r.Digest] = true
		problem = errors.Join(problem, fmt.Errorf("release %s: %w", r.Version, err))
		if damaged := *r; mayTry && isDamage(err) {
			problem = errors.Join(problem, f.change(func(record *Record) { record.drop(damaged.Digest) }))
		}
	}
	return Choice{}, false, problem
}

// try settles how the last run of a trial has ended, and counts another. Without a record of that nothing is tried.
func (f *Folder) try(base Base, boot string) error {
	next := f.Record.clone()
	next.Base = base
	next.settle(boot)
	var bad error
	if t := next.Trial; t != nil && t.Ready {
		bad = f.verify(t.Release)
	}
	switch t := next.Trial; {
	case t == nil || !t.Made.After(base.Built):
		next.Trial = nil // the installed program has become newer
	case !t.Ready:
	case isDamage(bad):
		next.drop(t.Digest)
	case bad != nil:
		next.fail("it can't be run: " + bad.Error())
	default:
		next.begin(boot)
	}
	if reflect.DeepEqual(next, f.Record) {
		return nil
	}
	if err := f.change(func(r *Record) { *r = next }); err != nil {
		return fmt.Errorf("no release is tried, since it can't be noted on disk: %w", err)
	}
	return nil
}

// Reject says that a choice can't be run.
func (f *Folder) Reject(c Choice, why error) error {
	f.unfit[c.Digest] = true
	if !c.Trial {
		return nil
	}
	return f.change(func(r *Record) { r.fail("it can't be run: " + why.Error()) })
}

// errDamaged is that a release on disk isn't what it was.
var errDamaged = errors.New("it is damaged on disk")

// isDamage tells damage from a disk that fails at the moment.
func isDamage(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, os.ErrNotExist)
}

// verify reads a release again: neither is run what a power cut or a worn card has left, nor what isn't signed. The browser may be the same user's as the
// agent, and somebody who has got into it must not stay there.
func (f *Folder) verify(r Release) error {
	document, err := f.small(r, release.DocumentFile)
	if err != nil {
		return err
	}
	signature, err := f.small(r, release.SignatureFile)
	if err != nil {
		return err
	}
	if digest.Of(document) != r.Digest {
		return fmt.Errorf("%w: its document has changed", errDamaged)
	}
	if err := release.Verify(f.keys, document, strings.TrimSpace(string(signature))); err != nil {
		return err
	}
	signed, err := release.Parse(document)
	if err != nil {
		return err
	}
	has := slices.ContainsFunc(signed.Programs, func(p release.Program) bool { return p.Digest == r.Program && p.Size == r.Size })
	if !has || !signed.Made.Equal(r.Made) {
		return errors.New("the record says something else of it than its document")
	}
	file, err := f.fs.OpenFile(f.Program(r), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return check(r, file)
}

// small reads a small file of a release.
func (f *Folder) small(r Release, name string) ([]byte, error) {
	file, err := f.fs.OpenFile(filepath.Join(f.release(r.Digest), name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, release.MaxSize+1))
}

// check reads a program to its end, and compares it with what it should be.
func check(r Release, program io.Reader) error {
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(program, r.Size+1))
	if err != nil {
		return err
	}
	if got := digest.Digest(h.Sum(nil)); n != r.Size || got != r.Program {
		return fmt.Errorf("%w: its program has %d of %d bytes, and the digest %s", errDamaged, n, r.Size, got.Short())
	}
	return nil
}

// Confirm keeps the release on trial: it has proved itself.
func (f *Folder) Confirm() error { return f.change((*Record).confirm) }

// Fail ends the trial, if there is one: the next start takes what ran before. alone tells that it had no session with a server.
func (f *Folder) Fail(why string, alone bool) error {
	return f.change(func(r *Record) {
		if r.Trial != nil {
			r.fail(why)
			r.Failed[len(r.Failed)-1].Alone = alone
		}
	})
}

// Judge settles whose fault it was that releases had no session: theirs, for good, if what ran before them has one; if that has none for as long either, they
// may be tried again.
func (f *Folder) Judge(theirs bool) error {
	if !slices.ContainsFunc(f.Record.Failed, func(failed Failure) bool { return failed.Alone }) {
		return nil
	}
	return f.change(func(r *Record) { r.judge(theirs) })
}

// Pause notes that a trial is ended by somebody who has the right to, and goes on at the next start.
func (f *Folder) Pause() error {
	return f.change(func(r *Record) {
		if r.Trial != nil {
			r.Trial.Paused = true
		}
	})
}

// Ready lets the release that waits be tried at the next start; screen tells whether the screen is right before that.
func (f *Folder) Ready(screen bool) error {
	return f.change(func(r *Record) {
		if r.Trial != nil {
			r.Trial.Ready, r.Trial.Screen = true, screen
		}
	})
}

// Cancel forgets a release that was to be tried, and wasn't begun: nobody wants it any more.
func (f *Folder) Cancel() error {
	if t := f.Record.Trial; t == nil || t.Starts > 0 {
		return nil
	}
	return errors.Join(f.change(func(r *Record) { r.Trial = nil }), f.Tidy())
}

// Told notes that the server has been told of all failures, and gives those that are new.
func (f *Folder) Told() (fresh []Failure, err error) {
	for _, failed := range f.Record.Failed {
		if !failed.Told {
			fresh = append(fresh, failed)
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	return fresh, f.change(func(r *Record) {
		for i := range r.Failed {
			r.Failed[i].Told = true
		}
	})
}

// A Proof watches whether a release on trial is well: it must be, without a break, for Good, within Limit.
type Proof struct {
	Good, Limit time.Duration
	began, well time.Time
	last        string
}

// Look takes what is missing at a moment, in words; nothing if all is well. It gives whether the release has proved itself, or why it has failed.
func (p *Proof) Look(now time.Time, missing string) (proved bool, failed string) {
	if p.began.IsZero() {
		p.began = now
	}
	if missing != "" {
		p.well, p.last = time.Time{}, missing
	} else if p.well.IsZero() {
		p.well = now
	}
	switch {
	case !p.well.IsZero() && now.Sub(p.well) >= p.Good:
		return true, ""
	case now.Sub(p.began) >= p.Limit && p.last != "":
		return false, fmt.Sprintf("within %v it wasn't well for %v: %s", p.Limit, p.Good, p.last)
	}
	return false, ""
}
