// Package plays keeps proof of play on the viewer's disk until a server has it. What a disk doesn't take goes to the server from memory.
//
// It owns the spool: what a power cut can take are the plays of the last 30 seconds, what a long outage can take is what doesn't fit into its bounds,
// and both are counted. It decides neither what a play is, which the page does, nor when they are sent, which the session does.
package plays

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/disk"
)

const (
	// flushInterval is the time between writes: each costs flash memory a page or two.
	flushInterval = 30 * time.Second
	// segmentSize is the size, in bytes, from which on the next plays go to the next file.
	segmentSize = 128 << 10
	// markAfter is how many plays may have been sent without a note of it on disk. After a power cut they are sent again, and a server must know that
	// many.
	markAfter = 200
	// maxPending is how many plays wait in memory for a disk that can't be written.
	maxPending = 1000
	// recent is how many plays are known by their id: a page that got no answer sends them again.
	recent = 2000
)

// DefaultLimit is how many bytes of plays are kept: about 60,000, two days of two zones that change every six seconds.
const DefaultLimit = 16 << 20

// Config says how to open a Spool.
type Config struct {
	// Limit is how many bytes are kept; 0 means DefaultLimit. What is too much goes, oldest first.
	Limit int64
	// Written is called when there are plays to be sent: on disk, or in memory because the disk takes nothing. It must not block. nil means nobody.
	Written func()
	// Failed is called with what keeps plays from being written, and with nil when they are again. nil means nobody.
	Failed func(error)
	// Log gets what happens; nil means nothing.
	Log *slog.Logger
}

// A Spool is the task that writes plays to disk. It is a folder of files to which lines are appended. Its methods are safe for concurrent use.
type Spool struct {
	dir    string
	config Config
	// writing is held while files are written, mu for what is in memory: whoever adds a play doesn't wait for the disk.
	writing sync.Mutex
	file    *os.File

	mu sync.Mutex
	// segments are the files, oldest first; the last is the one that is written, which may not exist yet.
	segments []segment
	// head are the plays of the first segment that haven't been sent, and inFlight how many of them are on their way.
	head     []protocol.Play
	inFlight int
	// pending are the plays that aren't on disk yet. While failing, since the disk doesn't take them, they are sent from there when all on disk has been; loose is
	// then the id of the last that is on its way.
	pending []protocol.Play
	failing bool
	loose   string
	// unmarked is how many plays of the first segment were sent since that was last noted.
	unmarked int
	lost     uint64
	known    map[string]bool
	ids      []string
}

// A segment is one file.
type segment struct {
	number int
	size   int64
	// plays is how many it has, and sent how many of them have been sent.
	plays, sent int
}

// An entry is one line of a segment.
type entry struct {
	Play *protocol.Play `json:"play,omitempty"`
	// Segment and Sent say that so many plays of a segment have been sent.
	Segment int `json:"segment,omitempty"`
	Sent    int `json:"sent,omitempty"`
	// Lost is how many plays were given up since the viewer was set up.
	Lost uint64 `json:"lost,omitempty"`
}

// Open opens the spool in a folder, which is made if it isn't there. A line that a power cut left half written is passed over, and a file that can't be read
// is left alone: the next start may read it. The spool can be used in any case; the error says what it is without.
func Open(dir string, c Config) (*Spool, error) {
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	if c.Written == nil {
		c.Written = func() {}
	}
	if c.Failed == nil {
		c.Failed = func(error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Spool{dir: dir, config: c, known: map[string]bool{}}
	damage := os.MkdirAll(dir, 0o755)
	files, err := read(dir)
	if damage = errors.Join(damage, err); damage != nil {
		damage = fmt.Errorf("proof of play: %w", damage)
	}
	next := 1
	for _, f := range files {
		next = f.number + 1
		s.lost = max(s.lost, f.lost)
		for _, p := range f.plays {
			s.know(p.ID)
		}
		if f.unread {
			continue
		}
		if f.sent >= len(f.plays) {
			_ = os.Remove(f.path(dir)) // it is looked at again next time
			continue
		}
		s.segments = append(s.segments, segment{f.number, f.size, len(f.plays), f.sent})
	}
	// Never after a line that may be half written.
	s.segments = append(s.segments, segment{number: next})
	s.load()
	return s, damage
}

// String names the task.
func (s *Spool) String() string { return "proof of play" }

// Run writes what was added, every 30 seconds and at the end, until ctx ends.
func (s *Spool) Run(ctx context.Context) error {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	defer func() {
		s.flush()
		s.writing.Lock()
		defer s.writing.Unlock()
		s.close()
	}()
	s.config.Written()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			s.flush()
		}
	}
}

// Add takes a play. It is on disk within 30 seconds. One that it has had already changes nothing.
func (s *Spool) Add(p protocol.Play) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[p.ID] {
		return
	}
	s.know(p.ID)
	if len(s.pending) >= maxPending {
		s.pending = s.pending[1:]
		s.lost++
	}
	s.pending = append(s.pending, p)
}

// know remembers an id for a while.
func (s *Spool) know(id string) {
	s.known[id] = true
	s.ids = append(s.ids, id)
	if len(s.ids) > recent {
		delete(s.known, s.ids[0])
		s.ids = s.ids[1:]
	}
}

// Status is how many plays wait to be sent, and how many have been given up since the viewer was set up.
func (s *Spool) Status() (waiting int, lost uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting = len(s.pending)
	for _, g := range s.segments {
		waiting += g.plays - g.sent
	}
	return waiting, s.lost
}

// Next is the batch that is to be sent next, as a `plays` message; ok is false if there is none. What isn't on disk yet waits until it is, unless the disk
// takes nothing.
func (s *Spool) Next() (payload []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.head[:min(len(s.head), protocol.MaxPlays)]
	s.inFlight, s.loose = len(batch), ""
	if len(batch) == 0 && s.failing && len(s.pending) > 0 {
		batch = s.pending[:min(len(s.pending), protocol.MaxPlays)]
		s.loose = batch[len(batch)-1].ID
	}
	if len(batch) == 0 {
		return nil, false
	}
	payload, err := json.Marshal(protocol.Plays{Plays: batch})
	return payload, err == nil
}

// Sent says that a server has the batch that Next gave last.
func (s *Spool) Sent() {
	s.mu.Lock()
	s.settle(s.loose)
	s.loose = ""
	s.head = s.head[s.inFlight:]
	s.segments[0].sent += s.inFlight
	s.unmarked += s.inFlight
	s.inFlight = 0
	done := len(s.head) == 0 && len(s.segments) > 1
	mark := s.unmarked >= markAfter
	s.mu.Unlock()
	if done {
		s.finish()
	} else if mark {
		s.flush()
	}
}

// settle takes from what is pending all up to the play with an id. Those that aren't there any more were given up, sent or written meanwhile. s.mu is held.
func (s *Spool) settle(id string) {
	last := slices.IndexFunc(s.pending, func(p protocol.Play) bool { return p.ID == id })
	s.pending = s.pending[last+1:]
}

// finish removes the first segment if all of it was sent, and reads the next.
func (s *Spool) finish() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) > 1 && s.segments[0].sent >= s.segments[0].plays {
		s.drop()
	}
}

// drop removes the first of several segments, and reads the next. Both locks are held.
func (s *Spool) drop() {
	s.lost += uint64(s.segments[0].plays - s.segments[0].sent)
	s.remove()
	s.load()
}

func (s *Spool) remove() {
	if err := os.Remove(s.segments[0].path(s.dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.config.Log.Warn("Plays that were sent can't be removed; they will be sent again", "err", err)
	}
	s.segments = s.segments[1:]
	s.unmarked, s.inFlight = 0, 0
}

// load reads the plays of the first segment that has some. Both locks are held.
func (s *Spool) load() {
	s.head = nil
	for {
		first := &s.segments[0]
		if first.sent < first.plays {
			f, err := readSegment(s.dir, first.number)
			if err == nil && len(f.plays) >= first.plays {
				s.head = f.plays[first.sent:first.plays]
				return
			}
			s.config.Log.Error("Plays on disk are gone", "file", first.path(s.dir), "err", err)
			s.lost += uint64(first.plays - first.sent)
			first.sent = first.plays
		}
		if len(s.segments) == 1 {
			return
		}
		s.remove()
	}
}

// flush writes what is pending.
func (s *Spool) flush() {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	pending := s.pending
	mark := entry{Segment: s.segments[0].number, Sent: s.segments[0].sent, Lost: s.lost}
	unmarked := s.unmarked
	current := s.segments[len(s.segments)-1]
	s.mu.Unlock()
	if len(pending) == 0 && unmarked == 0 {
		return
	}
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for i := range pending {
		_ = lines.Encode(entry{Play: &pending[i]}) // into memory, of what can be encoded
	}
	_ = lines.Encode(mark)
	wrote, err := s.append(current, b.Bytes())
	s.config.Failed(err)
	if err != nil {
		s.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failing = true
		switch {
		case wrote:
			// What of it is in the file nobody knows: the next one takes all of it. A server knows by their ids those that get through twice.
			s.segments = append(s.segments, segment{number: current.number + 1})
		case errors.Is(err, fs.ErrExist):
			s.segments[len(s.segments)-1].number++ // that one wasn't seen at the start, and isn't ours to change
		}
		if len(s.pending) > 0 {
			s.config.Written()
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = false
	last := &s.segments[len(s.segments)-1]
	last.size += int64(b.Len())
	last.plays += len(pending)
	switch {
	case len(s.segments) == 1:
		s.head = append(s.head, pending...)
	case len(s.head) == 0:
		s.load()
	}
	if len(pending) > 0 {
		s.settle(pending[len(pending)-1].ID)
	}
	s.unmarked -= unmarked
	if last.size >= segmentSize {
		s.close()
		s.segments = append(s.segments, segment{number: last.number + 1})
	}
	s.limit()
	if len(pending) > 0 {
		s.config.Written()
	}
}

// limit gives up the oldest segments while all are too large. Both locks are held.
func (s *Spool) limit() {
	total := int64(0)
	for _, g := range s.segments {
		total += g.size
	}
	for total > s.config.Limit && len(s.segments) > 1 {
		total -= s.segments[0].size
		s.drop()
	}
}

// append adds lines to a segment, durably; wrote is false if the file is as it was. writing is held.
func (s *Spool) append(g segment, data []byte) (wrote bool, err error) {
	if s.file == nil {
		f, err := os.OpenFile(g.path(s.dir), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return false, err
		}
		s.file = f
		if info, err := f.Stat(); err == nil && g.size == 0 && info.Size() > 0 {
			return false, &fs.PathError{Op: "begin", Path: f.Name(), Err: fs.ErrExist}
		}
		if err := (disk.OS{}).SyncDir(s.dir); err != nil {
			return false, err
		}
	}
	if n, err := s.file.Write(data); err != nil {
		return n > 0, err
	}
	return true, s.file.Sync()
}

// close closes the file that is written; writing is held.
func (s *Spool) close() {
	if s.file != nil {
		_ = s.file.Close() // it was synced
		s.file = nil
	}
}

const ending = ".jsonl"

func (g segment) path(dir string) string {
	return filepath.Join(dir, fmt.Sprintf("%08d", g.number)+ending)
}

// contents is what is in a segment's file.
type contents struct {
	segment
	plays []protocol.Play
	lost  uint64
	marks map[int]int
	// unread tells that the file can't be read.
	unread bool
}

// read reads all segments, oldest first, with what their lines say has been sent. The error says what can't be read.
func read(dir string) (files []contents, damage error) {
	entries, damage := os.ReadDir(dir)
	sent := map[int]int{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ending)
		number, err := strconv.Atoi(name)
		if !ok || err != nil || number < 1 {
			continue
		}
		f, err := readSegment(dir, number)
		if errors.Is(err, fs.ErrNotExist) {
			continue // sent, and gone, while we looked
		}
		f.unread, damage = err != nil, errors.Join(damage, err)
		for segment, n := range f.marks {
			sent[segment] = max(sent[segment], n)
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b contents) int { return a.number - b.number })
	for i := range files {
		files[i].sent = min(sent[files[i].number], len(files[i].plays))
	}
	return files, damage
}

func readSegment(dir string, number int) (contents, error) {
	f := contents{segment: segment{number: number}, marks: map[int]int{}}
	data, err := os.ReadFile(f.path(dir))
	if err != nil {
		return f, err
	}
	f.size = int64(len(data))
	for line := range bytes.Lines(data) {
		var e entry
		if json.Unmarshal(line, &e) != nil {
			continue // half written, or damaged: the others count
		}
		switch {
		case e.Play != nil && protocol.CheckPlayID(e.Play.ID) == nil:
			f.plays = append(f.plays, *e.Play)
		case e.Play == nil:
			f.marks[e.Segment] = max(f.marks[e.Segment], e.Sent)
			f.lost = max(f.lost, e.Lost)
		}
	}
	return f, nil
}

// A Record is a play on disk.
type Record struct {
	protocol.Play
	// Sent tells that a server has it.
	Sent bool `json:"sent"`
}

// List reads the plays that are on disk in a folder, oldest first, whether a Spool is open there or not. It has all that haven't been sent, and some
// that have.
func List(dir string) ([]Record, error) {
	files, err := read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("plays: %w", err)
	}
	var list []Record
	for _, f := range files {
		for i, p := range f.plays {
			list = append(list, Record{p, i < f.sent})
		}
	}
	return list, nil
}
