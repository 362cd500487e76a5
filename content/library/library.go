// Package library gets from a wanted manifest to an activated generation, all or nothing.
//
// It owns the order of things: the manifest is fetched, its signature checked, it is read, what is missing is fetched, and
// only when all of it is on disk does it become the active generation. Whatever fails on the way, what is active stays, and
// what of it is damaged is fetched again, whether what is wanted can be had or not. It never shows anything and never talks to
// a server itself.
//
// After damage the whole one of the two generations on disk plays, the current one before the previous one: the last good programme. If neither is whole,
// what there is of one plays, again the current one first, since most of a programme is more than a dark screen.
package library

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/manifest"
	"vitrine/content/store"
	"vitrine/platform/backoff"
)

// A Ref names a wanted manifest.
type Ref struct {
	Digest digest.Digest
	// Size is the manifest's length in bytes.
	Size int64
	// Signature is by the site's publishing key.
	Signature string
}

// Active is the generation that plays. All of it was on disk when it was activated; what is damaged since is fetched again.
type Active struct {
	Generation store.Generation
	Manifest   *manifest.Manifest
}

// Config says how to make a Library. All functions may be called from several goroutines, and must not block.
type Config struct {
	Store   *store.Store
	Fetcher *fetch.Fetcher
	// Key gives the key that manifests must be signed with; nil while there is none.
	Key func() ed25519.PublicKey
	// Bases gives the addresses of servers that have /v1/manifests/ and /v1/assets/, best first; none while there is no
	// server.
	Bases func() []string
	// Near gives places that cost no outside line and may have an asset, such as a USB stick; nil if there are none.
	Near func(digest.Digest) []fetch.Source
	// Peers are other viewers that share the work; nil if there are none.
	Peers Peers
	// Order gives the assets that a manifest uses, what is needed first first; nil is in any order.
	Order func(*manifest.Manifest) []digest.Digest
	// Window tells whether downloads from servers are allowed now, and how long that holds; 0 is for ever. Nil means always.
	// While nothing plays they are allowed in any case.
	Window func() (open bool, holds time.Duration)
	// Parallel is how many assets are fetched side by side; 0 means 4: enough to hide the syncs of small files.
	Parallel int
	// Accept refuses a manifest that is valid but can't be played here.
	Accept func(*manifest.Manifest) error
	// Activated is told of the generation that is on disk at the start, and of each new one.
	Activated func(Active)
	// Progress is told of every step of a fetch, by one goroutine at a time.
	Progress func(Progress)
	// Fault is told what keeps the wanted generation away, and nil once nothing does.
	Fault func(error)
	// Also is told how each try to have what is wanted beside the programme has ended: nil means that all of it is here. Of waits for the hours in which downloads
	// are allowed nothing is said. Nil if nothing is wanted.
	Also func(error)
	// Damaged is told of each file on disk whose bytes have changed.
	Damaged func(digest.Digest)
	// Now is the time that is noted as that of the activation.
	Now func() time.Time
	// Log gets what happens; nil means nothing.
	Log *slog.Logger
}

const defaultParallel = 4

// Waits between tries.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// A Library is the task that keeps the active generation what is wanted. Make one with New; its methods are safe for
// concurrent use.
type Library struct {
	config Config
	log    *slog.Logger
	ready  chan struct{}
	news   chan struct{}

	// activating is held while one generation takes the place of another.
	activating sync.Mutex

	mu     sync.Mutex
	active *Active
	wanted *Ref
	// damaged is why the current generation of the store doesn't play; nil if it does.
	damaged error
	// waiting are for the end of a sync of what they name.
	waiting map[chan error]Ref
	// cancel stops the sync of a manifest that is no longer wanted.
	cancel context.CancelFunc
	// also are the files that are wanted beside the programme; fetchingAlso tells that it is them that cancel stops.
	also         []File
	fetchingAlso bool
}

// New makes a library.
func New(c Config) *Library {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Parallel <= 0 {
		c.Parallel = defaultParallel
	}
	if c.Near == nil {
		c.Near = func(digest.Digest) []fetch.Source { return nil }
	}
	if c.Order == nil {
		c.Order = (*manifest.Manifest).Used
	}
	if c.Window == nil {
		c.Window = func() (bool, time.Duration) { return true, 0 }
	}
	if c.Damaged == nil {
		c.Damaged = func(digest.Digest) {}
	}
	return &Library{config: c, log: c.Log, ready: make(chan struct{}), news: make(chan struct{}, 1), waiting: map[chan error]Ref{}}
}

// Ready is closed once what is on disk has been looked at.
func (l *Library) Ready() <-chan struct{} { return l.ready }

// String names the task.
func (l *Library) String() string { return "content" }

// Active is the generation that plays; ok is false while there is none.
func (l *Library) Active() (a Active, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active == nil {
		return Active{}, false
	}
	return *l.active, true
}

// Want names the generation that is wanted from now on. The sync of another one stops.
func (l *Library) Want(r Ref) {
	l.mu.Lock()
	if l.wanted != nil && *l.wanted == r {
		l.mu.Unlock()
		return
	}
	l.wanted = &r
	if l.cancel != nil {
		l.cancel()
	}
	l.mu.Unlock()
	l.Refresh()
}

// Refresh ends the wait after a failure: something may have changed for the better.
func (l *Library) Refresh() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// Rollback makes the previous generation the active one, durably, and forgets the one that was, whose manifest it gives. What was wanted
// isn't any more. The error says that there is no previous one, or that it isn't whole; then nothing changes.
func (l *Library) Rollback() (from digest.Digest, to Active, err error) {
	l.mu.Lock()
	if l.cancel != nil {
		l.cancel()
	}
	wanted := l.wanted
	l.wanted = nil
	l.mu.Unlock()
	defer func() {
		if err != nil && wanted != nil {
			l.Want(*wanted)
		}
		l.Refresh()
	}()
	l.activating.Lock()
	defer l.activating.Unlock()
	current, _ := l.config.Store.Current()
	previous, ok := l.config.Store.Previous()
	if !ok {
		return from, to, errors.New("there is no earlier programme on this disk")
	}
	if to, err = l.open(previous); err != nil {
		return from, to, fmt.Errorf("the earlier programme can't be played: %w", err)
	}
	if _, err := l.config.Store.Rollback(); err != nil {
		return from, to, err
	}
	l.log.Warn("Rolled back to the programme before", "programme", to.Manifest.ID, "digest", previous.Manifest.Short())
	l.set(to)
	return current.Manifest, to, nil
}

// Run loads what is on disk, and then follows what is wanted until ctx ends.
func (l *Library) Run(ctx context.Context) error {
	l.Load(ctx)
	select {
	case <-l.ready: // after a restart of the task
	default:
		close(l.ready)
	}
	retry := backoff.Backoff{Base: firstRetry, Max: lastRetry}
	retryAlso := retry
	var last Ref
	var err error
	for news := true; ctx.Err() == nil; {
		select {
		case <-l.news: // the sync that begins now has it
			news = true
		default:
		}
		if wanted := l.nowWanted(); wanted != last {
			retry.Reset()
			last = wanted
		}
		if news || !isFinal(err) {
			err = l.sync(ctx)
			l.tell(last, err)
		}
		var damage error
		if last == (Ref{}) || err != nil && !errors.Is(err, errSuperseded) {
			damage = l.mend(ctx, last)
		}
		if errors.Is(err, errSuperseded) || errors.Is(damage, errSuperseded) {
			retry.Reset()
			news = l.wait(ctx, 0)
			continue
		}
		wait := l.pause(last, err, damage, &retry)
		switch err := l.fetchAlso(ctx, last); {
		case errors.Is(err, errSuperseded):
			wait = 0 // there is news
		case err == nil:
			retryAlso.Reset()
		default:
			wait = sooner(wait, l.pauseAlso(err, &retryAlso))
		}
		news = l.wait(ctx, wait)
	}
	return nil
}

// pause tells why what is wanted can't be had, and why what is on disk can't be mended, and gives how long to wait before both are tried again; 0 is until there is
// news.
func (l *Library) pause(wanted Ref, err, damage error, retry *backoff.Backoff) (wait time.Duration) {
	current, _ := l.config.Store.Current()
	var fault error
	again := false
	for i, err := range []error{err, damage} {
		closed, waits := errors.AsType[*closedError](err)
		if waits {
			wait = closed.opens
		}
		if err == nil || waits {
			continue
		}
		again = again || !isFinal(err)
		if mended := i > 0; mended != (current.Manifest == wanted.Digest) {
			err = l.withDamage(err)
		}
		if fault != nil {
			err = fmt.Errorf("%w; and %w", fault, err)
		}
		fault = err
	}
	if fault == nil && wait == 0 {
		retry.Reset()
		l.config.Fault(nil)
		return 0
	}
	if fault == nil {
		l.log.Info("The new programme waits for the hours in which downloads are allowed", "wait", wait.Round(time.Second))
		return wait
	}
	l.config.Fault(fault)
	if again {
		wait = sooner(wait, retry.Next())
	}
	l.log.Warn("The new programme can't be had; the one before plays on", "err", fault, "retry", wait.Round(100*time.Millisecond))
	return wait
}

// pauseAlso is how long to wait after a fetch of what is wanted beside the programme.
func (l *Library) pauseAlso(err error, retry *backoff.Backoff) time.Duration {
	if closed, ok := errors.AsType[*closedError](err); ok {
		return closed.opens
	}
	wait := retry.Next()
	l.log.Info("What is wanted beside the programme can't be had", "err", err, "retry", wait.Round(100*time.Millisecond))
	return wait
}

// sooner is the shorter of two waits, of which 0 is for ever.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// nowWanted is what is wanted, or the zero Ref.
func (l *Library) nowWanted() Ref {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wanted == nil {
		return Ref{}
	}
	return *l.wanted
}

// Get is Want, and waits for the end of the first try: nil means that the generation is active, and an error why it isn't yet.
func (l *Library) Get(ctx context.Context, r Ref) error {
	done := make(chan error, 1)
	l.mu.Lock()
	l.waiting[done] = r
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting, done)
	}()
	l.Want(r)
	l.Refresh()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell tells those who wait how a try of r has ended.
func (l *Library) tell(r Ref, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for done, wanted := range l.waiting {
		if wanted == r {
			select {
			case done <- err:
			default: // it has its answer
			}
		}
	}
}

// withDamage says beside an error what is wrong with the disk: that must not be lost behind what keeps it from being mended.
func (l *Library) withDamage(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.damaged == nil {
		return err
	}
	return fmt.Errorf("%w; and it can't be mended now: %w", l.damaged, err)
}

// wait returns after d (0 means never), when ctx ends, or when there is news, which it tells.
func (l *Library) wait(ctx context.Context, d time.Duration) (news bool) {
	var after <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-after:
	case <-l.news:
		return true
	case <-ctx.Done():
	}
	return false
}

// errSuperseded says that another generation is wanted, or that the task ends.
var errSuperseded = errors.New("another programme is wanted meanwhile")

// A finalError is one that only another manifest can cure.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func isFinal(err error) bool {
	_, ok := errors.AsType[finalError](err)
	return ok
}

// Load activates what is on disk, without any network: the current generation, or, if that is damaged, the previous one, or, if neither is whole, what is there
// of one. Run does it at its beginning, and then has the current one mended.
func (l *Library) Load(context.Context) {
	var partial *Active
	for i, g := range l.remembered() {
		a, err := l.open(g)
		if err == nil {
			l.log.Info([]string{"Playing what is on disk", "Playing the programme before it"}[i], "programme", a.Manifest.ID, "digest", g.Manifest.Short())
			l.set(a)
			return
		}
		l.log.Error([]string{"The programme on disk is damaged", "The programme before it is damaged too"}[i], "digest", g.Manifest.Short(), "err", err)
		if i == 0 {
			l.mu.Lock()
			l.damaged = fmt.Errorf("the programme on disk is damaged: %w", err)
			l.mu.Unlock()
			l.config.Fault(l.damaged)
		}
		if missing, ok := errors.AsType[*missingError](err); ok && missing.missing < missing.of && partial == nil {
			partial = &a
		}
	}
	if partial != nil {
		l.log.Warn("Playing what is there of a programme", "programme", partial.Manifest.ID, "digest", partial.Generation.Manifest.Short())
		l.set(*partial)
	}
}

// A missingError says that files of a generation aren't on disk.
type missingError struct{ missing, of int }

func (e *missingError) Error() string {
	return fmt.Sprintf("%d of its %d files are missing", e.missing, e.of)
}

// open reads a generation from disk and checks that all of it is there. With a *missingError it gives what there is.
func (l *Library) open(g store.Generation) (Active, error) {
	m, err := l.readManifest(refOf(g), true)
	if err != nil {
		return Active{}, err
	}
	// That it was activated vouches for its files; what has become of their bytes since is for the scrub to find out.
	used := m.Used()
	l.config.Store.Vouch(used...)
	missing := 0
	for _, d := range used {
		if !l.config.Store.Has(d, m.Assets[d].Size) {
			missing++
		}
	}
	a := Active{Generation: g, Manifest: m}
	if missing > 0 {
		return a, &missingError{missing, len(used)}
	}
	return a, nil
}

// set makes a the active generation.
func (l *Library) set(a Active) {
	l.mu.Lock()
	l.active = &a
	l.mu.Unlock()
	l.config.Activated(a)
}
