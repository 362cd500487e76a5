package clock

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"vitrine/platform/clock/counter"
	"vitrine/platform/clock/sntp"
)

// Watching the machine.
const (
	// watchInterval is how often it is looked for a sleep, or somebody who set the system clock.
	watchInterval = 5 * time.Second
	// sleepLimit is the sleep from which on the counter isn't believed, since some machines know it to a second only.
	sleepLimit = 50 * time.Millisecond
	jumpLimit  = time.Second
)

// A Follower is the task that keeps a Clock in step with its servers.
type Follower struct {
	clock *Clock
	log   *slog.Logger
	ready chan struct{}
	once  sync.Once
	// changed has a value when there are other sources.
	changed chan struct{}

	// What a test replaces.
	exchange func(ctx context.Context, addr string) (sntp.Answer, error)
	resolve  func(ctx context.Context, name string) (string, error)
	slept    func() time.Duration

	mu      sync.Mutex
	sources []*source
	running map[*source]context.CancelFunc
}

// NewFollower makes the task for a clock. log may be nil.
func NewFollower(k *Clock, log *slog.Logger) *Follower {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Follower{
		clock: k, log: log, ready: make(chan struct{}), changed: make(chan struct{}, 1), running: map[*source]context.CancelFunc{},
		exchange: sntp.Exchange, resolve: resolve, slept: counter.Slept,
	}
}

// SetServers replaces the "host:port" addresses to ask: the one that playout follows (empty for none), and others for the time of day. Those that were
// asked before go on as they are. It is safe for concurrent use and never blocks.
func (f *Follower) SetServers(designated string, others ...string) {
	f.clock.mu.Lock()
	frequency, known := f.clock.frequency, f.clock.known
	f.clock.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*source
	for i, name := range append([]string{designated}, others...) {
		if name == "" || slices.ContainsFunc(list, func(s *source) bool { return s.name == name }) {
			continue
		}
		j := slices.IndexFunc(f.sources, func(s *source) bool { return s.name == name })
		if j < 0 {
			list = append(list, newSource(name, i == 0, frequency, known))
			continue
		}
		s := f.sources[j]
		s.designated = i == 0
		list = append(list, s)
	}
	f.sources = list
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Kick has all servers asked again at once, as after a change of the network.
func (f *Follower) Kick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sources {
		if s.failures > 0 {
			s.asked = ""
			s.again()
		}
	}
}

// Run asks until ctx ends. It never fails: without an answer the clock goes on by itself.
func (f *Follower) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	defer f.save()
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := time.NewTicker(watchInterval)
	defer watch.Stop()
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	slept, apart := f.slept(), f.apart()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.changed:
			f.restart(ctx, &asking)
		case <-save.C:
			f.save()
		case <-watch.C:
			if now := f.slept(); now-slept > sleepLimit {
				f.log.Info("The machine slept: asking for the time again", "for", (now - slept).Round(time.Millisecond))
				slept = now
				f.forget()
			}
			if now := f.apart(); (now - apart).Abs() > jumpLimit {
				// Or the machine stood still without knowing it, as virtual ones do. The servers tell which.
				f.log.Info("Somebody set the system clock, or this machine stood still: asking for the time again", "by", (now - apart).Round(time.Millisecond))
				apart = now
				f.again()
			}
		}
	}
}

// Ready is closed after the first measurement.
func (f *Follower) Ready() <-chan struct{} { return f.ready }

// String names the task.
func (f *Follower) String() string { return "clock" }

// apart is how far the system clock is ahead of the counter, but for what this program has set it by.
func (f *Follower) apart() time.Duration {
	f.clock.mu.Lock()
	defer f.clock.mu.Unlock()
	return time.Duration(time.Now().UnixNano()) - f.clock.counter() - f.clock.set
}

// restart asks those who are sources now, and no others.
func (f *Follower) restart(ctx context.Context, asking *sync.WaitGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s, stop := range f.running {
		if !slices.Contains(f.sources, s) {
			stop()
			delete(f.running, s)
		}
	}
	for _, s := range f.sources {
		if f.running[s] == nil {
			asked, stop := context.WithCancel(ctx)
			f.running[s] = stop
			asking.Go(func() { f.ask(asked, s) })
		}
	}
}

// ask asks one source until ctx ends.
func (f *Follower) ask(ctx context.Context, s *source) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
		}
		a, err := f.question(ctx, s)
		if ctx.Err() != nil {
			return
		}
		timer.Reset(f.took(s, a, err))
	}
}

// question is one exchange with a source.
func (f *Follower) question(ctx context.Context, s *source) (sntp.Answer, error) {
	f.mu.Lock()
	addr := s.asked
	f.mu.Unlock()
	if addr == "" {
		var err error
		if addr, err = f.resolve(ctx, s.name); err != nil {
			return sntp.Answer{}, err
		}
	}
	a, err := f.exchange(ctx, addr)
	if err == nil {
		f.mu.Lock()
		s.asked = addr
		f.mu.Unlock()
	}
	return a, err
}

// took takes what came of an exchange, steers the clock by it, and gives the wait until the next.
func (f *Follower) took(s *source, a sntp.Answer, err error) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	wait, fresh := s.took(a, err)
	if s.err != nil {
		f.log.Debug("No time from a server", "server", s.name, "err", s.err)
	}
	if !fresh || !slices.Contains(f.sources, s) {
		return wait
	}
	c := f.choose(a.At)
	f.clock.steer(c)
	f.once.Do(func() {
		f.log.Info("The clock is measured by NTP", "server", s.name, "offset", f.clock.Status().Offset.Round(time.Microsecond), "bound", (a.RTT() / 2).Round(time.Microsecond))
		f.save()
		close(f.ready)
	})
	return wait
}

// choose chooses among those who have said something and can still be reached; there is at least one, who has just answered. f.mu is held.
func (f *Follower) choose(at time.Duration) choice {
	var voters []voter
	var from []*source
	for _, s := range f.sources {
		s.verdict = ""
		if l, ok := s.line(); ok && s.reach != 0 {
			voters = append(voters, voter{name: s.name, line: l, designated: s.designated})
			from = append(from, s)
		}
	}
	c := choose(voters, at)
	for i, v := range voters {
		from[i].verdict = v.verdict
	}
	return c
}

// again asks all sources in a burst.
func (f *Follower) again() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sources {
		s.again()
	}
}

// forget starts all estimates anew, with the frequencies that are known.
func (f *Follower) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sources {
		s.filter.Reset()
		s.again()
	}
}

// Reference is the time as a server for neighbours gives it, one stratum further from the reference clock than the source that it comes from. Its stratum is 0 before
// the clock was measured: a viewer gives no time that it doesn't know.
func (f *Follower) Reference() sntp.Reference {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(f.sources, func(s *source) bool { return s.name == k.source })
	if k.trust < TrustNTP || i < 0 {
		return sntp.Reference{}
	}
	s, at := f.sources[i], k.counter()
	return sntp.Reference{
		Time: k.civil.now(at), Stratum: s.last.Stratum + 1, Leap: s.last.Leap, RefID: refID(s.asked), RefTime: k.measured,
		// What the estimate may be off by is in the dispersion, with half of the way to the source.
		RootDelay: s.last.RootDelay, RootDispersion: s.last.RootDispersion + k.bound(at) - s.last.RootDistance() + k.civil.left(at).Abs(),
	}
}

// A SourceStatus is what is known of one source.
type SourceStatus struct {
	// Server is its "host:port"; Designated is true for the one that playout follows.
	Server     string
	Designated bool
	// Verdict says whether it is used, or why not.
	Verdict string
	// Offset is what it says that the clock lacks by now, and Bound the most by which that can be wrong as long as the source isn't; both are 0 if it
	// said nothing yet.
	Offset, Bound time.Duration
	// RTT and Stratum are of its last answer.
	RTT     time.Duration
	Stratum int
	// Reach has a bit for each of the last eight questions, the last one lowest: 1 for one that was answered.
	Reach uint8
	// Poll is the time between questions.
	Poll time.Duration
}

// Sources are the servers that are asked, in their order.
func (f *Follower) Sources() []SourceStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.counter()
	var list []SourceStatus
	for _, s := range f.sources {
		status := SourceStatus{
			Server: s.name, Designated: s.designated, Verdict: s.says(), RTT: s.last.RTT(), Stratum: s.last.Stratum, Reach: s.reach, Poll: s.interval,
		}
		if l, ok := s.line(); ok {
			l = l.extend(at)
			status.Offset, status.Bound = l.Offset-(k.civil.at(at)-at), l.Bound
		}
		list = append(list, status)
	}
	return list
}

// save writes the time to disk if it is worth it.
func (f *Follower) save() {
	k := f.clock
	if k.Trust() < TrustServer {
		return
	}
	d := document{Time: k.Now()}
	k.mu.Lock()
	if k.known {
		ppm := k.frequency * 1e6
		d.Frequency = &ppm
	}
	k.mu.Unlock()
	if err := k.saved.store(d); err != nil {
		f.log.Warn("The time can't be saved for the next boot", "err", err)
	}
}
