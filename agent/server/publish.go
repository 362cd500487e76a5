package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/server/media"
	"vitrine/content/digest"
	"vitrine/content/manifest"
	"vitrine/platform/atomicfile"
)

const (
	programmeFile = "programme.json"
	manifestDir   = "manifests"
	// keepManifests is how many manifests stay: viewers may be a few behind.
	keepManifests = 10
)

// A publisher turns the media folder into signed manifests, and keeps the last of them with its revision.
type publisher struct {
	site *Site
	// seconds is how long a picture is on.
	seconds float64
	now     func() time.Time

	mu      sync.Mutex
	current programme
	// highest is the highest revision that a viewer has been heard of with.
	highest int64
}

// programme is the form of programme.json: what every viewer of the site is to play.
type programme struct {
	Rev      int64                `json:"rev"`
	Manifest protocol.ManifestRef `json:"manifest"`
	// Update is the serial number of the update that belongs to it.
	Update int64 `json:"update,omitempty"`
}

func newPublisher(site *Site, seconds float64) (*publisher, error) {
	p := &publisher{site: site, seconds: seconds, now: time.Now}
	if err := os.MkdirAll(filepath.Join(site.dir, manifestDir), 0o700); err != nil {
		return nil, err
	}
	err := readJSON(filepath.Join(site.dir, programmeFile), &p.current)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("%w; restore it from a backup, since its revision must never go back", err)
	}
	return p, nil
}

// programme is what viewers are to play; ok is false before anything was published.
func (p *publisher) programme() (programme, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current, p.current.Rev > 0
}

// seen notes the revision that a viewer has. A site has one count of revisions, over all its servers: the next programme of each comes
// after all that viewers have had.
func (p *publisher) seen(rev int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.highest = max(p.highest, rev)
}

// updated gives what is wanted of viewers another revision, if another update is. Before the first programme there is nothing to revise.
func (p *publisher) updated(serial int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.Update == serial || p.current.Rev == 0 {
		return nil
	}
	next := p.current
	next.Rev, next.Update = max(p.current.Rev, p.highest)+1, serial
	if err := atomicfile.WriteJSON(filepath.Join(p.site.dir, programmeFile), next, 0o600); err != nil {
		return err
	}
	p.current = next
	return nil
}

// manifest gives the bytes of a manifest.
func (p *publisher) manifest(d digest.Digest) ([]byte, bool) {
	data, err := os.ReadFile(p.manifestPath(d))
	return data, err == nil && digest.Of(data) == d
}

func (p *publisher) manifestPath(d digest.Digest) string {
	return filepath.Join(p.site.dir, manifestDir, d.Hex()+".json")
}

// update publishes items in a layout (programme.json, or nothing), if they make another programme than the one that is out. added are those that
// have just come: they go on at once, each for its time, before they take their place among the others. What makes no valid programme changes
// nothing.
func (p *publisher) update(items, added []media.Item, layout []byte) (changed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.last()
	m, err := p.compose(items, added, layout, last)
	if err != nil {
		return false, err
	}
	if !announces(m) && last != nil && playsAs(last) == playsAs(m) {
		return false, nil
	}
	data, err := manifest.Marshal(m)
	if err != nil {
		return false, fmt.Errorf("the media folder makes no valid programme: %w", err)
	}
	d := digest.Of(data)
	if err := atomicfile.Write(p.manifestPath(d), data, 0o600); err != nil {
		return false, err
	}
	next := programme{
		Rev:      max(p.current.Rev, p.highest) + 1,
		Manifest: protocol.ManifestRef{Digest: d, Size: int64(len(data)), Signature: manifest.Sign(p.site.publish, data)},
		Update:   p.current.Update,
	}
	if err := atomicfile.WriteJSON(filepath.Join(p.site.dir, programmeFile), next, 0o600); err != nil {
		return false, err
	}
	p.current = next
	return true, p.forget()
}

// last is the manifest that is out; nil if there is none.
func (p *publisher) last() *manifest.Manifest {
	data, ok := p.manifest(p.current.Manifest.Digest)
	if !ok {
		return nil
	}
	m, err := manifest.Parse(data)
	if err != nil {
		return nil
	}
	return m
}

// isNew tells whether a presentation shows what has just come.
func isNew(presentation string) bool { return strings.HasPrefix(presentation, newPrefix) }

func announces(m *manifest.Manifest) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(m.Presentations)), isNew)
}

// playsAs is a manifest without what differs each time it is made.
func playsAs(m *manifest.Manifest) string {
	copied := *m
	copied.ID, copied.Issued = "", time.Time{}
	copied.Schedule.Events = slices.DeleteFunc(slices.Clone(m.Schedule.Events), func(e manifest.Event) bool { return isNew(e.Presentation) })
	copied.Presentations = maps.Clone(m.Presentations)
	maps.DeleteFunc(copied.Presentations, func(name string, _ manifest.Presentation) bool { return isNew(name) })
	if len(copied.Schedule.Events) == 0 {
		copied.Schedule.Events = nil
	}
	data, err := json.Marshal(&copied)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// forget removes all but the newest manifests.
func (p *publisher) forget() error {
	entries, err := os.ReadDir(filepath.Join(p.site.dir, manifestDir))
	if err != nil || len(entries) <= keepManifests {
		return err
	}
	age := func(e os.DirEntry) time.Time {
		info, err := e.Info()
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return age(b).Compare(age(a)) })
	for _, e := range entries[keepManifests:] {
		if strings.HasPrefix(e.Name(), p.current.Manifest.Digest.Hex()) {
			continue
		}
		if err := os.Remove(filepath.Join(p.site.dir, manifestDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// compose makes the manifest. It is issued after the last one, also when both are made within a second or the clock was put back: a viewer
// takes from a stick only what is newer than what it plays.
func (p *publisher) compose(items, added []media.Item, written []byte, last *manifest.Manifest) (*manifest.Manifest, error) {
	l, err := readLayout(written)
	if err != nil {
		return nil, err
	}
	now := p.now().UTC().Truncate(time.Second)
	issued := now
	if last != nil && !issued.After(last.Issued) {
		issued = last.Issued.UTC().Truncate(time.Second).Add(time.Second)
	}
	f := &filler{items: items, seconds: p.seconds, assets: map[digest.Digest]manifest.Asset{}}
	m := &manifest.Manifest{
		Version:       manifest.Version,
		ID:            fmt.Sprintf("%s-%s", p.site.Name(), issued.Format("20060102T150405Z")),
		Issued:        issued,
		Timezone:      l.Timezone,
		Assets:        f.assets,
		Presentations: map[string]manifest.Presentation{},
		Schedule:      l.Schedule,
		Sync:          l.Sync,
	}
	for _, name := range slices.Sorted(maps.Keys(l.Presentations)) {
		if m.Presentations[name], err = f.presentation("presentations."+name, l.Presentations[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", media.ProgrammeFile, err)
		}
	}
	p.announce(m, l, f, added, now)
	return m, nil
}

// maxFirst is how many new items are shown before their turn: a folder of a thousand must not keep the programme away.
const maxFirst = 5

// lowest is the priority of what is shown because it has just come: whatever the layout has in its schedule comes before it.
const lowest = -1000

// announce puts what has just come on, one after the other, in the default presentation.
func (p *publisher) announce(m *manifest.Manifest, l *layout, f *filler, added []media.Item, start time.Time) {
	for i, item := range added {
		name := fmt.Sprintf("%s%d", newPrefix, i+1)
		fallback := l.Schedule.Default
		shown, one, ok := f.announce(l.Presentations[fallback], m.Presentations[fallback], item)
		if !ok {
			continue
		}
		m.Presentations[name] = shown
		end := start.Add(p.showing(one))
		m.Schedule.Events = append(m.Schedule.Events, manifest.Event{
			Presentation: name, Priority: lowest,
			Start: start.Format(time.RFC3339), End: end.Format(time.RFC3339),
		})
		start = end
	}
}

// showing is how long an item that has just come is on, in whole seconds, since events have no fractions.
func (p *publisher) showing(item manifest.Item) time.Duration {
	seconds := item.Seconds
	if seconds == 0 {
		seconds = p.seconds
	}
	return (time.Duration(seconds*float64(time.Second)) + time.Second - 1).Truncate(time.Second)
}
