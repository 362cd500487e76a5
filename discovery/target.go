package discovery

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"vitrine/discovery/wsd"
)

// A Target is a service that can be found (the role Target Service, section 2). It announces itself on
// every interface when it starts or the interface appears, answers Probes and Resolves, and says Bye when it stops. Set
// the fields before Run and leave them.
//
// It is built to be of no use to attackers: it answers only well-formed requests, only sources on a directly connected
// network and never below port 1024, each request once, few in a second, and with no more than four times the bytes of
// the request.
type Target struct {
	// EPR is the service's stable name, "urn:uuid:" and a UUID that survives restarts.
	EPR string
	// Types are the roles that it plays.
	Types []wsd.Name
	// Scopes are URIs that group services.
	Scopes []string
	// XAddrs gives the URLs by which a peer can reach the service, for peers that reach this machine at the address
	// local. It is called for each message, possibly from several goroutines. nil means none.
	XAddrs func(local netip.Addr) []string
	// MetadataVersion must be greater than at the last Run if any of the above has changed.
	MetadataVersion uint32
	// InstanceID must be greater than at the last Run (Application Sequencing); 0 takes the seconds since 1970.
	InstanceID uint32
	// MaxDelay bounds the random wait before a Hello and before the answer to a multicast; 0 means APP_MAX_DELAY, 500 ms.
	// The standards allow any distribution up to that. Where there are few targets, as with servers of one site, 20 ms
	// keep them apart well enough and let clients find them at once.
	MaxDelay time.Duration
	// Port is the UDP port; 0 means 3702.
	Port uint16
	// Interfaces are the names of the interfaces to use; empty means all that carry multicast, and loopback.
	Interfaces []string
	// OffLink are networks whose hosts are answered although they are not directly connected: those of clients behind a router
	// that are configured with this machine's address. Such sources can be forged from anywhere.
	OffLink []netip.Prefix
	// Log may be nil.
	Log *slog.Logger

	// delay chooses the wait before a Hello or an answer; nil for a random one up to the limit that it is given.
	delay func(limit time.Duration) time.Duration

	making, closing sync.Once
	ready           chan struct{}
	tally           tally
}

// Counters says what became of the datagrams that came in.
func (t *Target) Counters() Counters { return t.tally.counters() }

// Ready is closed when the interfaces are joined for the first time, so that Probes are answered.
func (t *Target) Ready() <-chan struct{} {
	t.making.Do(func() { t.ready = make(chan struct{}) })
	return t.ready
}

// String names the task.
func (t *Target) String() string { return "discovery target" }

// byeTime bounds how long a Target that stops repeats its Bye: at least one repeat fits in, and nobody waits for more.
const byeTime = 500 * time.Millisecond

// Run says Hello (section 4.1) and answers Probes (5.3) and Resolves (6.3) until ctx ends, says Bye (4.2) and returns nil. The Bye leaves at once; that it leaves several times takes half a
// second. An error means that there are interfaces and none could be joined, or that what is to be announced can't be
// written. A Target runs once at a time, but may be run again.
func (t *Target) Run(ctx context.Context) error {
	r := newResponder(t)
	if _, err := r.announcement(wsd.Version11, wsd.Hello, netip.AddrFrom4([4]byte{127, 0, 0, 1})); err != nil {
		return err
	}
	defer r.pending.Wait()
	g := &membership{
		port: orPort(t.Port), interfaces: t.Interfaces, log: r.log, offLink: t.OffLink, tally: &t.tally,
		joined: func(ctx context.Context, m *member) {
			if wait(ctx, r.delay(r.maxDelay)) {
				t.announce(ctx, r, wsd.Hello, m)
			}
		},
		received: func(ctx context.Context, m *member, l *link, p packet) (fate, error) {
			return r.receive(ctx, m.reply, l, p)
		},
		leaving: func(members []*member) {
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), byeTime)
			defer cancel()
			var sending sync.WaitGroup
			for _, m := range members {
				sending.Go(func() { t.announce(bye, r, wsd.Bye, m) })
			}
			sending.Wait()
		},
	}
	return g.run(ctx, func() {
		t.Ready()
		t.closing.Do(func() { close(t.ready) })
	})
}

// announce multicasts a Hello or a Bye on one interface, in both versions at once.
func (t *Target) announce(ctx context.Context, r *responder, action wsd.Action, m *member) {
	group := m.groupAddress(&m.link, orPort(t.Port))
	// Left to itself, Linux multicasts on loopback from the address of another interface.
	local := m.link.facing(group.Addr())
	// All get their numbers before the first is heard. What gets one later than a Bye finds that its context has ended, and isn't sent after that.
	messages := make([][]byte, len(versions))
	for i, v := range versions {
		var err error
		if messages[i], err = r.announcement(v, action, local); err != nil {
			r.log.Warn("This service can't be announced", "interface", m.link.iface.Name, "err", err)
			return
		}
	}
	if ctx.Err() != nil {
		return
	}
	var sending sync.WaitGroup
	defer sending.Wait()
	for i, v := range versions {
		sending.Go(func() {
			err := transmit(ctx, v.MulticastCopies(), func() error { return m.sendFrom(messages[i], group, m.link.iface.Index, local) })
			if err != nil && ctx.Err() == nil {
				r.log.Warn("This service could not be announced", "interface", m.link.iface.Name, "err", err)
			}
		})
	}
}
