package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// Bounds of the journal.
const (
	// maxLetters and maxLetterBytes are how much waits to be sent. Of what is too much, the least important goes first, and of that
	// the oldest.
	maxLetters     = 1000
	maxLetterBytes = 1 << 20
	// maxCommands is how many commands are remembered. One is forgotten only after it has expired, so that it can't be run twice.
	maxCommands = 256
	// compactAt is the size in bytes at which the file is written anew, with what still matters.
	compactAt = 256 << 10
)

// A priority says what goes first when too much waits.
type priority uint8

const (
	priorityEvent priority = iota
	priorityResult
)

// A letter is a message that waits to be sent.
type letter struct {
	Seq  uint64 `json:"seq"`
	Kind string `json:"kind"`
	// Topic and Correlation are those that a command asked its results to have (MQTT 5, section 4.10); empty for others.
	Topic       string          `json:"topic,omitempty"`
	Correlation []byte          `json:"correlation,omitempty"`
	Priority    priority        `json:"priority,omitempty"`
	Payload     json.RawMessage `json:"payload"`
}

// noted is a command that the viewer has, with what became of it.
type noted struct {
	protocol.Command
	Topic       string `json:"topic,omitempty"`
	Correlation []byte `json:"correlation,omitempty"`
	// Until is when it expires, by this viewer's clock when it came.
	Until time.Time `json:"until"`

	// deadline is the same by the monotonic clock; zero after a restart.
	deadline time.Time
	begun    bool
	result   *protocol.Result
}

// An entry is one line of the journal's file. What belongs together stands in one, and so is there whole or not at all.
type entry struct {
	Command  *noted           `json:"command,omitempty"`
	Begun    string           `json:"begun,omitempty"`
	Finished *protocol.Result `json:"finished,omitempty"`
	Letter   *letter          `json:"letter,omitempty"`
	Sent     uint64           `json:"sent,omitempty"`
	// Seq is the number of the last letter, and Lost how many have been given up.
	Seq  uint64 `json:"seq,omitempty"`
	Lost uint64 `json:"lost,omitempty"`
}

// A journal keeps on disk what must not be lost and what must not be done twice: the commands that came, and the messages that
// wait to be sent. It is a file to which lines are appended, which on flash memory costs a quarter of replacing it. It is safe for
// concurrent use.
type journal struct {
	path string
	// writing is held while the file is written; mu only for what is in memory, so that nobody waits for the disk who needn't.
	writing sync.Mutex
	file    *os.File
	size    int64

	mu       sync.Mutex
	commands []*noted
	letters  []letter
	bytes    int
	seq      uint64
	lost     uint64
	inFlight uint64
	unsaved  []byte
}

// openJournal reads the journal at path; there may be none yet. A line that can't be read, as a power cut leaves the last one, is left out; if it is
// another than the last, the file is set aside too, as one is that can't be read at all. The journal can be used in any case; the error says that it is without that one.
func openJournal(path string) (*journal, error) {
	j := &journal{path: path}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	damaged := err != nil
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i, line := range lines {
		var e entry
		if len(line) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &e); err != nil {
			damaged = damaged || i < len(lines)-1
			continue
		}
		j.apply(e)
	}
	if damaged {
		_ = os.Rename(path, path+".damaged") // else the next save takes its place
	}
	if err != nil {
		err = fmt.Errorf("journal of the session: %w", err)
	}
	return j, err
}

// apply changes what is in memory as an entry says.
func (j *journal) apply(e entry) {
	if e.Command != nil && j.find(e.Command.ID) == nil {
		j.commands = append(j.commands, e.Command)
	}
	if c := j.find(e.Begun); c != nil {
		c.begun = true
	}
	if e.Finished != nil {
		if c := j.find(e.Finished.ID); c != nil {
			c.result = e.Finished
		}
	}
	if e.Letter != nil && len(e.Letter.Payload) > 0 {
		j.letters = append(j.letters, *e.Letter)
		j.bytes += len(e.Letter.Payload)
		j.seq = max(j.seq, e.Letter.Seq)
	}
	if e.Sent != 0 {
		j.remove(e.Sent)
	}
	j.seq, j.lost = max(j.seq, e.Seq), max(j.lost, e.Lost)
}

func (j *journal) find(id string) *noted {
	for _, c := range j.commands {
		if id != "" && c.ID == id {
			return c
		}
	}
	return nil
}

func (j *journal) remove(seq uint64) {
	at := slices.IndexFunc(j.letters, func(l letter) bool { return l.Seq == seq })
	if at < 0 {
		return
	}
	j.bytes -= len(j.letters[at].Payload)
	j.letters = slices.Delete(j.letters, at, at+1)
}

// note applies an entry and has it saved with the next save.
func (j *journal) note(e entry) {
	j.apply(e)
	line, err := json.Marshal(e)
	if err != nil {
		return // an entry has nothing in it that can't be written
	}
	j.unsaved = append(append(j.unsaved, line...), '\n')
}

// receive notes a command. It is false for one that was noted before. The error is that too many are remembered, or that of the
// disk; then the command is not noted.
func (j *journal) receive(c noted, now time.Time) (fresh bool, err error) {
	j.mu.Lock()
	if j.find(c.ID) != nil {
		j.mu.Unlock()
		return false, nil
	}
	if !j.forget(now) {
		j.mu.Unlock()
		return true, fmt.Errorf("this viewer has %d commands already that have not expired", maxCommands)
	}
	j.note(entry{Command: &c})
	j.mu.Unlock()
	if err := j.save(); err != nil {
		j.mu.Lock()
		j.commands = slices.DeleteFunc(j.commands, func(n *noted) bool { return n.ID == c.ID })
		j.mu.Unlock()
		return true, fmt.Errorf("the command was not run, since it can't be noted on disk: %w", err)
	}
	return true, nil
}

// forget makes room for one more command.
func (j *journal) forget(now time.Time) bool {
	if len(j.commands) < maxCommands {
		return true
	}
	at := slices.IndexFunc(j.commands, func(c *noted) bool { return c.result != nil && now.After(c.Until) })
	if at < 0 {
		return false
	}
	j.commands = slices.Delete(j.commands, at, at+1)
	return true
}

// next is the first command that was not begun; nil if there is none.
func (j *journal) next() *noted {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.commands {
		if !c.begun && c.result == nil {
			return c
		}
	}
	return nil
}

// begin notes durably that a command is being run: after a crash it isn't run again.
func (j *journal) begin(id string) error {
	j.mu.Lock()
	j.note(entry{Begun: id})
	j.mu.Unlock()
	return j.save()
}

// finish notes durably what became of a command, and the message that says so. The error is that of the disk; the message waits to
// be sent nevertheless.
func (j *journal) finish(r protocol.Result, l letter) error {
	j.mu.Lock()
	j.number(&l)
	j.note(entry{Finished: &r, Letter: &l})
	j.limit()
	j.mu.Unlock()
	return j.save()
}

// cut lists the commands that were begun and never finished, when the agent starts.
func (j *journal) cut() []*noted {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []*noted
	for _, c := range j.commands {
		if c.begun && c.result == nil {
			list = append(list, c)
		}
	}
	return list
}

// resultOf is what became of a command; nil if it isn't known or not finished.
func (j *journal) resultOf(id string) *protocol.Result {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c := j.find(id); c != nil {
		return c.result
	}
	return nil
}

// post lets a message wait to be sent. It is on disk after the next save.
func (j *journal) post(l letter) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.number(&l)
	j.note(entry{Letter: &l})
	j.limit()
}

func (j *journal) number(l *letter) {
	j.seq++
	l.Seq = j.seq
}

// limit gives up letters until the rest is within bounds, but never the one that is being sent.
func (j *journal) limit() {
	for len(j.letters) > maxLetters || j.bytes > maxLetterBytes {
		victim := -1
		for i, l := range j.letters {
			if l.Seq != j.inFlight && (victim < 0 || l.Priority < j.letters[victim].Priority) {
				victim = i
			}
		}
		if victim < 0 {
			return
		}
		j.note(entry{Sent: j.letters[victim].Seq, Lost: j.lost + 1})
	}
}

// first is the message that is to be sent next; ok is false if none waits.
func (j *journal) first() (l letter, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.letters) == 0 {
		return letter{}, false
	}
	j.inFlight = j.letters[0].Seq
	return j.letters[0], true
}

// sent notes that a message has arrived. It is not on disk at once: after a power cut it may be sent again, with its id.
func (j *journal) sent(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note(entry{Sent: seq})
}

// give notes that a message can't be sent, ever.
func (j *journal) give(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note(entry{Sent: seq, Lost: j.lost + 1})
}

// waiting is how many messages wait, and how many have been given up.
func (j *journal) waiting() (n int, lost uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.letters), j.lost
}

// save makes what was noted durable.
func (j *journal) save() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	data := j.unsaved
	j.unsaved = nil
	j.mu.Unlock()
	if len(data) == 0 && j.file != nil {
		return nil
	}
	if j.file == nil || j.size+int64(len(data)) > compactAt || j.append(data) != nil {
		return j.compact()
	}
	return nil
}

// append adds lines. After an error the file is closed, and written anew by the next save: what a failed sync left of it nobody
// knows.
func (j *journal) append(data []byte) error {
	_, err := j.file.Write(data)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.close()
		return err
	}
	j.size += int64(len(data))
	return nil
}

// compact writes the file anew.
func (j *journal) compact() error {
	j.close()
	data := j.snapshot()
	if err := atomicfile.Write(j.path, data, 0o600); err != nil {
		return err
	}
	file, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	j.file, j.size = file, int64(len(data))
	return nil
}

// snapshot is a file that says what is in memory.
func (j *journal) snapshot() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	write := func(e entry) { _ = lines.Encode(e) } // into memory, of what can be encoded
	for _, c := range j.commands {
		e := entry{Command: c, Finished: c.result}
		if c.begun {
			e.Begun = c.ID
		}
		write(e)
	}
	for i := range j.letters {
		write(entry{Letter: &j.letters[i]})
	}
	write(entry{Seq: j.seq, Lost: j.lost})
	j.unsaved = nil
	return b.Bytes()
}

// close closes the file; the next save opens it again. The caller holds writing, or is the only one left.
func (j *journal) close() {
	if j.file != nil {
		_ = j.file.Close() // it was synced
		j.file = nil
	}
}
