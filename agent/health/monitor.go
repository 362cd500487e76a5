package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"vitrine/platform/atomicfile"
)

// Tick is how often the screen is looked at, unless a watchdog is less patient.
const Tick = 5 * time.Second

// Config says what a Monitor looks at, and by what it acts. No function may block for long.
type Config struct {
	// Observe is what is seen now, but for Now, which is filled in.
	Observe func() Observation
	// Can says why a step can't be taken on this machine, and Act takes it.
	Can func(Step) error
	Act func(context.Context, Step) error
	// File keeps the steps that were taken, over restarts.
	File string
	// Fault is told what is wrong, and nil when nothing is any more; Event each step.
	Fault func(error)
	Event func(message string)
	// Feed feeds the watchdogs. It is called at each look, as long as the screen is right or there is something left to do about it but to start anew.
	Feed func()
	// Tick is the time between two looks; 0 means the usual one. Limits is for how long what must be wrong; zero means the usual ones.
	Tick   time.Duration
	Limits Limits
	Log    *slog.Logger
}

// A Monitor is the task that looks at the screen. Make one with New.
type Monitor struct {
	config Config
	judge  Judge
	taken  []Taken
	// condemned is set once this agent, or the machine, is to start again: watchdogs aren't fed any more.
	condemned bool
	ill       bool
}

// New makes a monitor that knows the steps that were taken before.
func New(c Config) *Monitor {
	if c.Tick == 0 {
		c.Tick = Tick
	}
	if c.Limits == (Limits{}) {
		c.Limits = Usual
	}
	m := &Monitor{config: c, judge: Judge{Limits: c.Limits}}
	data, err := os.ReadFile(c.File)
	if errors.Is(err, fs.ErrNotExist) {
		return m
	}
	if err == nil {
		err = json.Unmarshal(data, &m.taken)
	}
	if err != nil {
		c.Log.Warn("What was done about the screen before can't be read; the file is set aside", "file", c.File, "err", err)
		_ = os.Rename(c.File, c.File+".bad") // it is replaced in any case
		m.taken = nil
	}
	return m
}

// Condemned tells whether the agent or the machine is to start again. It may be asked once Run has returned.
func (m *Monitor) Condemned() bool { return m.condemned }

// String names the task.
func (m *Monitor) String() string { return "watch over the screen" }

// Run looks until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	ticker := time.NewTicker(m.config.Tick)
	defer ticker.Stop()
	for {
		m.look(ctx)
		if !m.condemned {
			m.config.Feed()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look looks once, and does something about what it sees.
func (m *Monitor) look(ctx context.Context) {
	o := m.config.Observe()
	o.Now = time.Now()
	m.judge.Gone = patience(m.config.Limits.Gone, m.taken, o.Wall)
	v := m.judge.Look(o)
	if v.Kind == Right || m.condemned {
		if v.Kind == Right && m.ill && m.settled(o) {
			m.ill = false
			m.config.Log.Info("The screen is right again")
			m.config.Fault(nil)
		}
		return
	}
	m.ill = true
	m.taken = recent(m.taken, o.Wall)
	s, err := next(v.Kind, o.Ours, m.taken, o.Wall, m.config.Limits.Settle, m.config.Can)
	switch {
	case errors.Is(err, errSettling):
		return
	case err != nil:
		m.config.Fault(fmt.Errorf("%s; nothing is done about it: %w", v.Why, err))
		return
	}
	m.take(ctx, s, v, o)
}

// settled tells whether the screen is right because it is, and not because there was no time yet to see that it isn't.
func (m *Monitor) settled(o Observation) bool {
	if len(m.taken) == 0 {
		return true
	}
	last := m.taken[len(m.taken)-1]
	return o.Wall.Sub(last.At) >= m.config.Limits.Settle*settles[last.Step] || o.Wall.Before(last.At)
}

// take takes a step, which is on disk and told before. One that starts anew and can't be noted isn't taken: it would be, for ever.
func (m *Monitor) take(ctx context.Context, s Step, v Verdict, o Observation) {
	m.taken = append(m.taken, Taken{Step: s, At: o.Wall.UTC(), Why: v.Why})
	if err := m.keep(); err != nil && s >= Agent {
		m.taken = m.taken[:len(m.taken)-1]
		m.config.Fault(fmt.Errorf("%s; nothing is done about it: it can't be noted on disk: %w", v.Why, err))
		return
	} else if err != nil {
		m.config.Log.Warn("What is done about the screen can't be noted on disk", "err", err)
	}
	message := fmt.Sprintf("%s; %s (%d of %d within a day)", v.Why, words[s], count(m.taken, s), daily[s])
	m.config.Log.Warn("The screen isn't right: " + message)
	m.config.Fault(errors.New(message))
	m.config.Event(message)
	m.condemned = s >= Agent
	if err := m.config.Act(ctx, s); err != nil {
		m.config.Log.Error("The screen can't be mended so", "err", err)
		m.config.Fault(fmt.Errorf("%s; that failed: %w", message, err))
	}
	m.judge = Judge{Limits: m.config.Limits} // what was changed needs time to come back
}

func (m *Monitor) keep() error { return atomicfile.WriteJSON(m.config.File, m.taken, 0o600) }
