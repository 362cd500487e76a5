package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"vitrine/agent/protocol"
)

// commandTimeout bounds the run of one command.
const commandTimeout = 30 * time.Second

// afterTimeout is how long what a command does at last waits for its result to be sent: the result is on disk by then.
const afterTimeout = 3 * time.Second

// A Handler runs a command. It must return soon after ctx ends.
type Handler func(ctx context.Context, args json.RawMessage) (Outcome, error)

// An Outcome is what came of a command that was done.
type Outcome struct {
	// Data goes into the result as JSON, if it isn't nil.
	Data any
	// After is called once the result is on disk, and has been sent if that is possible soon: for commands after which this agent
	// can't say anything any more. nil for most.
	After func()
}

// Why commands are not run. A technician reads these.
var (
	errNoExpiry = errors.New("it carries no time of expiry: give it a message expiry interval, or `expires`")
	errExpired  = errors.New("it came too late: it has expired")
	errNoTime   = errors.New("this viewer's clock isn't set, so that it can't tell whether the command has expired")
	errCut      = errors.New("the agent stopped while it ran the command")
)

// order takes a command that came. It is on disk when order returns, so that it can be acknowledged: it will be run, and answered,
// whatever happens to the connection.
func (s *Session) order(p *paho.Publish) {
	c, err := protocol.ParseCommand(p.Payload)
	if err != nil {
		s.log.Warn("A command can't be read and is ignored", "err", err)
		return
	}
	n := noted{Command: c}
	var expiry *uint32
	if p.Properties != nil {
		n.Topic, n.Correlation, expiry = p.Properties.ResponseTopic, p.Properties.CorrelationData, p.Properties.MessageExpiry
	}
	expires := s.expiry(&n, expiry)
	fresh, err := s.journal.receive(n, s.now())
	switch {
	case err != nil:
		s.answer(n, protocol.Result{ID: n.ID, State: protocol.ResultFailed, Error: err.Error()})
	case !fresh:
		s.repeat(n)
	case expires != nil:
		s.finish(n, Outcome{}, expires)
	default:
		poke(s.ordered)
	}
}

// expiry works out when a command expires. By the message's own expiry it is known without a clock: the broker takes off of it how long
// it kept the message (MQTT 5, section 3.3.2.3.3).
func (s *Session) expiry(n *noted, seconds *uint32) error {
	now, sure := s.config.Now()
	if seconds == nil && n.Expires.IsZero() {
		return errNoExpiry
	}
	if seconds != nil {
		left := time.Duration(*seconds) * time.Second
		n.deadline, n.Until = time.Now().Add(left), now.Add(left)
	}
	if !n.Expires.IsZero() && (sure || seconds == nil) {
		if seconds == nil || n.Expires.Before(n.Until) {
			n.Until = n.Expires
		}
		if !sure {
			return errNoTime
		}
	}
	return nil
}

// late says why a command must not be run now.
func (s *Session) late(n *noted) error {
	now, sure := s.config.Now()
	switch {
	case !n.deadline.IsZero() && time.Now().After(n.deadline), sure && now.After(n.Until):
		return errExpired
	case n.deadline.IsZero() && !sure:
		return errNoTime
	}
	return nil
}

// repeat answers a command that came before, with what became of it. One that is still to be run will be answered then.
func (s *Session) repeat(n noted) {
	if result := s.journal.resultOf(n.ID); result != nil {
		s.answer(n, *result)
	}
}

// answer lets a result wait to be sent.
func (s *Session) answer(n noted, r protocol.Result) {
	s.journal.post(resultLetter(n, r))
	s.written()
}

func resultLetter(n noted, r protocol.Result) letter {
	payload, _ := json.Marshal(r) // strings, and JSON that was checked
	return letter{Kind: protocol.KindResult, Topic: n.Topic, Correlation: n.Correlation, Priority: priorityResult, Payload: payload}
}

// runCommands runs commands one after the other until ctx ends, with or without a connection. What an earlier run of the agent left
// unfinished is answered first.
func (s *Session) runCommands(ctx context.Context) {
	for _, n := range s.journal.cut() {
		s.finish(*n, Outcome{}, errCut)
	}
	for ctx.Err() == nil {
		n := s.journal.next()
		if n == nil {
			select {
			case <-s.ordered:
			case <-ctx.Done():
			}
			continue
		}
		s.run(ctx, *n)
	}
}

// run runs a command, unless it is too late or unknown.
func (s *Session) run(ctx context.Context, n noted) {
	handler, ok := s.config.Commands[n.Name]
	err := s.late(&n)
	if err == nil && !ok {
		err = fmt.Errorf("this viewer doesn't know the command %.40q", n.Name)
	}
	if err == nil {
		// On disk before it is run: after a crash in the middle it is answered as failed, and never run again.
		if failed := s.journal.begin(n.ID); failed != nil {
			err = fmt.Errorf("the command was not run, since it can't be noted on disk: %w", failed)
		}
	}
	if err != nil {
		s.finish(n, Outcome{}, err)
		return
	}
	s.answer(n, protocol.Result{ID: n.ID, State: protocol.ResultAccepted})
	s.log.Info("The server commands: "+n.Name, "id", n.ID)
	limited, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	outcome, err := handler(limited, n.Args)
	if err != nil && ctx.Err() != nil {
		return // the agent stops; its next run says so
	}
	s.finish(n, outcome, err)
	if err == nil && outcome.After != nil {
		s.awaitSent(ctx)
		outcome.After()
	}
}

// finish notes and answers what became of a command.
func (s *Session) finish(n noted, outcome Outcome, err error) {
	result := protocol.Result{ID: n.ID, State: protocol.ResultDone}
	if err == nil && outcome.Data != nil {
		result.Data, err = json.Marshal(outcome.Data)
	}
	if err != nil {
		result.State, result.Error = protocol.ResultFailed, err.Error()
		s.log.Warn("A command was not done", "command", n.Name, "id", n.ID, "err", err)
	}
	if err := s.journal.finish(result, resultLetter(n, result)); err != nil {
		s.log.Warn("A result can't be noted on disk", "err", err)
	}
	poke(s.mail)
}

// awaitSent waits until nothing waits to be sent, or not for long.
func (s *Session) awaitSent(ctx context.Context) {
	timeout := time.NewTimer(afterTimeout)
	defer timeout.Stop()
	for {
		if n, _ := s.journal.waiting(); n == 0 {
			return
		}
		select {
		case <-s.delivered:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
