package library

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"vitrine/content/digest"
	"vitrine/content/store"
	"vitrine/platform/atomicfile"
)

// DefaultScrub is the time in which a scrub reads everything once.
const DefaultScrub = 7 * 24 * time.Hour

// Limits of a scrub.
const (
	// fastest is the most that it reads, in bytes per second, however much there is.
	fastest = 5 << 20
	// slowest is the least, so that one file takes no days.
	slowest = 64 << 10
	// keepPlace is how often it notes where it is: a machine that is switched off every night must get to the end nevertheless.
	keepPlace = 15 * time.Minute
	// rest is the longest wait before it looks whether the next round is due, or after the disk couldn't be listed.
	rest = time.Hour
)

// A Scrub is the task that reads the whole store again, slowly and for ever, because flash memory forgets: a file whose bytes have
// changed is set aside and fetched again. It never runs
// faster than it must.
type Scrub struct {
	Library *Library
	// Period is the time for the whole store; 0 means DefaultScrub.
	Period time.Duration
	// File keeps the place between runs.
	File string

	place scrubPlace
}

// scrubPlace is how far the present round is: the assets are read in the order of their digests.
type scrubPlace struct {
	Last digest.Digest `json:"last,omitzero"`
	// Done is when the last round ended.
	Done time.Time `json:"done,omitzero"`
}

// String names the task.
func (s *Scrub) String() string { return "scrub" }

// Run reads until ctx ends.
func (s *Scrub) Run(ctx context.Context) error {
	s.load()
	for ctx.Err() == nil {
		if s.place.Last.IsZero() && s.early() {
			pause(ctx, rest)
			continue
		}
		if err := s.round(ctx); err != nil && ctx.Err() == nil {
			s.Library.log.Warn("The content on disk can't be examined at present", "err", err)
			pause(ctx, rest)
		}
	}
	s.save()
	return nil
}

// early tells whether the next round isn't due yet. A time in the future is that of a clock that was wrong.
func (s *Scrub) early() bool {
	since := s.Library.config.Now().Sub(s.place.Done)
	return since >= 0 && since < s.period()
}

func (s *Scrub) period() time.Duration {
	if s.Period <= 0 {
		return DefaultScrub
	}
	return s.Period
}

// round goes through the store once, from where the last run ended.
func (s *Scrub) round(ctx context.Context) error {
	assets, err := s.Library.config.Store.Assets()
	if err != nil {
		return err
	}
	assets = slices.DeleteFunc(assets, func(a store.Asset) bool { return a.Partial })
	slices.SortFunc(assets, func(a, b store.Asset) int { return compare(a.Digest, b.Digest) })
	rate := s.rate(assets)
	kept, bad := time.Now(), 0
	for _, a := range assets {
		if compare(a.Digest, s.place.Last) <= 0 {
			continue
		}
		if !s.Library.examine(ctx, a.Digest, slowly(rate)) {
			bad++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.place.Last = a.Digest
		if time.Since(kept) >= keepPlace {
			s.save()
			kept = time.Now()
		}
	}
	s.Library.log.Debug("All content on disk was read again", "files", len(assets), "bad", bad)
	s.place = scrubPlace{Done: s.Library.config.Now().UTC()}
	s.save()
	return nil
}

// rate is how many bytes are read per second.
func (s *Scrub) rate(assets []store.Asset) int64 {
	return min(max(int64(float64(bytesOf(assets))/s.period().Seconds()), slowest), fastest)
}

func bytesOf(assets []store.Asset) (n int64) {
	for _, a := range assets {
		n += a.Size
	}
	return n
}

// slowly waits before each piece for as long as it costs.
func slowly(rate int64) func(context.Context, int) error {
	return func(ctx context.Context, n int) error {
		pause(ctx, time.Duration(float64(n)/float64(rate)*float64(time.Second)))
		return ctx.Err()
	}
}

func compare(a, b digest.Digest) int { return slices.Compare(a[:], b[:]) }

func (s *Scrub) load() {
	data, err := os.ReadFile(s.File)
	if err == nil {
		err = json.Unmarshal(data, &s.place)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Library.log.Debug("It isn't known how far the last examination of the content came; it begins anew", "err", err)
		s.place = scrubPlace{}
	}
}

func (s *Scrub) save() {
	if err := atomicfile.WriteJSON(s.File, s.place, 0o644); err != nil {
		s.Library.log.Debug("It can't be kept how far the examination of the content came", "err", err)
	}
}

// Check reads one asset again now, as after a page couldn't show it, and mends it if its bytes have changed. It tells whether they are
// right.
func (l *Library) Check(ctx context.Context, d digest.Digest) bool {
	return l.examine(ctx, d, func(context.Context, int) error { return nil })
}

// examine reads an asset. One whose bytes have changed is set aside, and fetched again if anything needs it. One that can't be read is
// as bad; but a disk that can't be read at all is not a reason to throw everything away.
func (l *Library) examine(ctx context.Context, d digest.Digest, wait func(context.Context, int) error) (whole bool) {
	err := l.config.Store.VerifySlowly(ctx, d, wait)
	_, changed := errors.AsType[*store.MismatchError](err)
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, fs.ErrNotExist):
		return true
	case !changed && !atomicfile.IsDiskFault(err):
		l.log.Warn("A file on disk can't be read", "digest", d.Short(), "err", err)
		return true
	}
	l.log.Error("A file on disk has changed by itself: the disk is failing", "digest", d.Short(), "err", err)
	l.bad(d, err)
	l.Refresh()
	return false
}

// bad takes a file away whose bytes have changed. One that couldn't be read stays until another copy has come: the next time it may be.
func (l *Library) bad(d digest.Digest, err error) {
	if atomicfile.IsDiskFault(err) {
		l.config.Store.Doubt(d)
	} else {
		l.config.Store.SetAside(d)
	}
	l.config.Damaged(d)
}
