package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/agent/schedule"
	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/library"
	"vitrine/content/manifest"
	"vitrine/content/store"
	"vitrine/platform/clock"
	"vitrine/platform/disk"
)

// How often progress is told: to the page, and to the server.
const (
	pageInterval   = time.Second
	reportInterval = 10 * time.Second
)

// fetchPatience is for how long a fetch that gets no further keeps the machine awake.
const fetchPatience = 10 * time.Minute

// An advance is the furthest that the fetch of a programme has come, over all its tries.
type advance struct {
	wanted digest.Digest
	left   int64 // bytes
	at     time.Time
}

// contentFolder is below the state folder.
const contentFolder = "content"

func (a *Agent) contentPath(name string) string {
	return filepath.Join(a.config.State, contentFolder, name)
}

func (a *Agent) openContent() (err error) {
	c := a.config.Content
	if a.store, err = store.Open(a.contentPath(""), store.Config{Quota: store.Amount(c.Quota), Reserve: store.Amount(c.Reserve), Log: a.log}); err != nil {
		return err
	}
	var peers library.Peers
	if !c.NoPeers {
		a.exchange = a.newExchange()
		peers = a.exchange
	}
	a.library = library.New(library.Config{
		Peers:     peers,
		Near:      a.sticks.Sources,
		Store:     a.store,
		Fetcher:   fetch.New(fetch.Config{Transport: a.contentTransport(), Rate: c.Rate, Log: a.log}),
		Key:       a.publishingKey,
		Bases:     a.contentBases,
		Order:     a.order,
		Window:    a.window,
		Parallel:  c.Parallel,
		Accept:    acceptable,
		Activated: a.activated,
		Progress:  a.progress,
		Fault:     a.contentFault,
		Damaged:   a.damaged,
		Also:      a.cameAlso,
		Now:       a.clock.Now,
		Log:       a.log,
	})
	return nil
}

// scrub is the task that reads all content again.
func (a *Agent) scrub() task {
	return &library.Scrub{Library: a.library, Period: a.config.Content.Scrub, File: a.contentPath("scrub.json")}
}

// acceptable refuses a manifest whose schedule this viewer can't follow.
func acceptable(m *manifest.Manifest) error {
	_, err := schedule.New(m)
	return err
}

// order gives what a manifest needs, what comes on first first.
func (a *Agent) order(m *manifest.Manifest) []digest.Digest {
	s, err := schedule.New(m)
	if err != nil {
		return m.Used() // it wasn't accepted, so that this can't be
	}
	return s.Order(m, a.clock.Now(), a.clock.Trust() >= clock.TrustServer)
}

// window tells whether programmes may be fetched now. Without a clock that can be relied on the hours mean nothing: a programme that
// comes too early is better than one that never comes.
func (a *Agent) window() (open bool, holds time.Duration) {
	if a.clock.Trust() < clock.TrustServer {
		return true, 0
	}
	return schedule.Hours{Week: a.now().Content.Windows, Zone: a.config.Zone}.At(a.clock.Now())
}

// activated is called by the library for the generation that is on disk at the start, and for every new one.
func (a *Agent) activated(active library.Active) {
	if err := a.player.Show(player.Programme{Generation: active.Generation.Manifest, Manifest: active.Manifest}); err != nil {
		a.fault(faultContent, err)
		return
	}
	a.feeds.Want(feeds(active.Manifest))
	a.mu.Lock()
	a.sync, a.advance = nil, advance{}
	a.mu.Unlock()
	a.showState()
	a.session.Report()
}

// feeds are the addresses of the feeds that a programme shows.
func feeds(m *manifest.Manifest) []string {
	var urls []string
	for item := range m.Items() {
		if item.Type == manifest.Feed {
			urls = append(urls, item.URL)
		}
	}
	return urls
}

// progress tells how far a fetch is: the terminal each time, the page and the server now and then.
func (a *Agent) progress(p library.Progress) {
	status := protocol.SyncStatus{Wanted: p.Manifest, Files: p.Files, FilesDone: p.FilesDone, Bytes: p.Bytes, BytesDone: p.BytesDone,
		Rate: p.Rate, Left: int64(p.Left.Seconds())}
	now := time.Now()
	a.mu.Lock()
	a.sync = &status
	if left := p.Bytes - p.BytesDone; a.advance.wanted != p.Manifest || left < a.advance.left {
		a.advance = advance{p.Manifest, left, now}
	}
	page, report := now.Sub(a.synced) >= pageInterval, now.Sub(a.reported) >= reportInterval
	if page {
		a.synced = now
	}
	if report {
		a.reported = now
	}
	a.mu.Unlock()
	a.config.Progress(status)
	if page {
		a.showState()
	}
	if report {
		a.session.Report()
	}
}

// fetching tells whether a programme is on its way, and gets on.
func (a *Agent) fetching() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.advance.at.IsZero() && time.Since(a.advance.at) < fetchPatience
}

// fetchEnded notes that nothing is being fetched before the next try, if there is one. Without an error there is none: what is wanted plays, also when it is what
// played all the time.
func (a *Agent) fetchEnded(err error) {
	a.mu.Lock()
	news := a.sync != nil
	a.sync = nil
	if err == nil {
		a.advance = advance{}
	}
	a.mu.Unlock()
	if news {
		a.showState()
		a.session.Report()
	}
}

// contentFault notes what keeps the wanted programme away; a fault of the disk has a name of its own, since a person must see to it.
func (a *Agent) contentFault(err error) {
	a.fetchEnded(err)
	_, space := errors.AsType[*store.SpaceError](err)
	code := faultContent
	switch {
	case space || disk.Full(err):
		code = faultDiskFull
	case disk.ReadOnly(err):
		code, err = faultDiskFailing, fmt.Errorf("the disk takes no writes any more, as after damage; replace it: %w", err)
	case disk.Failing(err):
		code, err = faultDiskFailing, fmt.Errorf("the disk is failing; replace it: %w", err)
	}
	for _, other := range []string{faultContent, faultDiskFull} {
		if other != code {
			a.fault(other, nil)
		}
	}
	a.fault(code, err)
}

// damaged notes that a file on disk has changed by itself. It stays a fault until the next start, though the file is fetched again: such
// a disk won't get better.
func (a *Agent) damaged(d digest.Digest) {
	a.mu.Lock()
	a.bad++
	n := a.bad
	a.mu.Unlock()
	a.fault(faultDiskFailing, fmt.Errorf("%d files on this disk have changed by themselves since the start, and were or will be fetched again; a disk or card that does this is worn out: replace it", n))
	a.session.Event("content-damaged", fmt.Sprintf("the file %s on disk has changed by itself", d.Short()), a.clock.Now())
}

// itemFailed tells the server of an item that the page can't show, once: the page tries it again every few seconds. The
// player has logged it. Its file is read again: it may have been damaged on disk.
func (a *Agent) itemFailed(f player.Failure) {
	if f.Again {
		return
	}
	a.session.Event("item-failed", fmt.Sprintf("the page can't show %q: %s", f.Name, f.Reason), a.clock.Now())
	if f.Asset.IsZero() {
		return
	}
	select {
	case a.checks <- f.Asset:
	default: // many are waiting: the scrub comes to it
	}
}

// checker is the task that reads files again which a page couldn't show.
type checker struct{ *Agent }

// Run reads until ctx ends.
func (c checker) Run(ctx context.Context) error {
	for {
		select {
		case d := <-c.checks:
			c.library.Check(ctx, d)
		case <-ctx.Done():
			return nil
		}
	}
}

// String names the task.
func (c checker) String() string { return "checker of files" }
