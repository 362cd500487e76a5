package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// commandTimeout bounds the run of one command.
const commandTimeout = 30 * time.Second

// command runs a command and sends its result. The error is that of sending.
func (l *link) command(ctx context.Context, payload []byte) error {
	s := l.session
	c, err := protocol.ParseCommand(payload)
	if err != nil {
		s.log.Warn("A command can't be read and is ignored", "err", err)
		return nil
	}
	if earlier, ok := s.journal.find(c.ID); ok {
		return l.publish(ctx, protocol.KindResult, earlier, false)
	}
	handler, ok := s.config.Commands[c.Name]
	if !ok {
		return l.finish(ctx, c, fmt.Errorf("this viewer doesn't know the command %.40q", c.Name))
	}
	// On disk before it is run: after a crash in the middle it is answered as failed, and never run again.
	if err := s.journal.put(protocol.Result{ID: c.ID, State: protocol.ResultFailed, Error: "the agent stopped while it ran the command"}); err != nil {
		return l.finish(ctx, c, fmt.Errorf("the command was not run, since it can't be noted on disk: %w", err))
	}
	if err := l.publish(ctx, protocol.KindResult, protocol.Result{ID: c.ID, State: protocol.ResultAccepted}, false); err != nil {
		return err
	}
	s.log.Info("The server commands: "+c.Name, "id", c.ID)
	run, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	return l.finish(ctx, c, handler(run, c.Args))
}

// finish notes and sends the result of a command.
func (l *link) finish(ctx context.Context, c protocol.Command, err error) error {
	result := protocol.Result{ID: c.ID, State: protocol.ResultDone}
	if err != nil {
		result.State, result.Error = protocol.ResultFailed, err.Error()
	}
	if err := l.session.journal.put(result); err != nil {
		l.session.log.Warn("A result can't be noted on disk", "err", err)
	}
	return l.publish(ctx, protocol.KindResult, result, false)
}

// journalSize is how many commands are remembered. A command that comes again after so many others is run again.
const journalSize = 256

// A journal remembers on disk which commands have been run, and with what result. It is used by one goroutine.
type journal struct {
	path    string
	results []protocol.Result
}

// openJournal reads the journal. One that can't be read is set aside: a viewer must not refuse all commands because of it.
func openJournal(path string) (*journal, error) {
	j := &journal{path: path}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal of commands: %w", err)
	}
	if json.Unmarshal(data, &j.results) != nil {
		j.results = nil
		if err := os.Rename(path, path+".damaged"); err != nil && !atomicfile.IsDiskFault(err) {
			return nil, fmt.Errorf("journal of commands: %w", err)
		}
	}
	return j, nil
}

func (j *journal) find(id string) (protocol.Result, bool) {
	for _, r := range j.results {
		if r.ID == id {
			return r, true
		}
	}
	return protocol.Result{}, false
}

// put notes a result durably, in place of an earlier one of the same command. On an error what is on disk stays.
func (j *journal) put(result protocol.Result) error {
	replaced := false
	for i, r := range j.results {
		if r.ID == result.ID {
			j.results[i], replaced = result, true
		}
	}
	if !replaced {
		j.results = append(j.results, result)
	}
	if len(j.results) > journalSize {
		j.results = j.results[len(j.results)-journalSize:]
	}
	return atomicfile.WriteJSON(j.path, j.results, 0o600)
}
