// Package peer lets viewers of one site on one network take assets from one another, so that a programme crosses a thin line once.
//
// It owns the exchange between them: who gives what to whom, and whose turn it is to fetch an asset from outside. It never finds
// peers itself, never fetches from outside, and believes nobody: what a peer gives is checked by its hash like anything else.
package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vitrine/content/digest"
)

// Scheme is that of the addresses of assets at peers. Only Transport knows it.
const Scheme = "vitrine-peer"

// Paths of the exchange.
const (
	assetPath = "/v1/assets/"
	havePath  = "/v1/have"
)

// Config says how to make an Exchange. Its functions may be called from several goroutines at once.
type Config struct {
	// Self gives this viewer's name among peers; it decides about turns, and so must be the one under which others know it.
	Self func() string
	// Open opens an asset that is here in whole; the error is fs.ErrNotExist if it isn't.
	Open func(digest.Digest) (io.ReadSeekCloser, error)
	// Server and Client give the TLS configurations for connections from and to peers: both must prove that the other end is a viewer
	// of the site.
	Server, Client func() (*tls.Config, error)
	// Port is the TCP port on which to listen; if it is taken, or 0, any.
	Port uint16
	// Slots is how many assets are given at once; 0 means 4. Who comes then is asked to come again.
	Slots int
	// Rate is how many bytes per second are given in all; 0 means any number.
	Rate int64
	// Log gets what happens; nil means nothing.
	Log *slog.Logger
}

const defaultSlots = 4

// A Peer is another viewer.
type Peer struct {
	// Name is its Self.
	Name string
	// Addrs are the "host:port" addresses at which it may listen.
	Addrs []string
}

// maxPeers bounds how many peers a viewer works with: those with the lowest names, so that all choose the same.
const maxPeers = 64

// An Exchange is a viewer's part in it. Make one with New; its methods are safe for concurrent use.
type Exchange struct {
	config Config
	log    *slog.Logger
	ready  chan struct{}
	once   sync.Once
	slots  chan struct{}
	limit  *rate.Limiter
	client *http.Client

	mu    sync.Mutex
	port  uint16
	peers map[string]*peer
	// share is the fetch that is under way; nil if none is.
	share *share
	held  int
}

// peer is a Peer, and what is known of how it answers.
type peer struct {
	Peer
	// used is the address that answered last.
	used string
	// barred is until when it isn't asked, since it didn't answer, and bar how long that was.
	barred time.Time
	bar    time.Duration
}

// New makes an Exchange.
func New(c Config) *Exchange {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Slots <= 0 {
		c.Slots = defaultSlots
	}
	x := &Exchange{config: c, log: c.Log, ready: make(chan struct{}), slots: make(chan struct{}, c.Slots), peers: map[string]*peer{}}
	if c.Rate > 0 {
		x.limit = rate.NewLimiter(rate.Limit(c.Rate), chunk)
	}
	x.client = &http.Client{Transport: x.transport()}
	return x
}

// String names the task.
func (x *Exchange) String() string { return "exchange with peers" }

// Ready is closed once Run listens for the first time.
func (x *Exchange) Ready() <-chan struct{} { return x.ready }

// Port is the TCP port on which Run listens; 0 before Ready.
func (x *Exchange) Port() uint16 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.port
}

// Set says which peers there are now. What is known of those that stay is kept.
func (x *Exchange) Set(peers []Peer) {
	self := x.config.Self()
	peers = slices.DeleteFunc(slices.Clone(peers), func(p Peer) bool { return p.Name == self || len(p.Addrs) == 0 })
	slices.SortFunc(peers, func(a, b Peer) int { return strings.Compare(a.Name, b.Name) })
	peers = peers[:min(len(peers), maxPeers)]
	x.mu.Lock()
	defer x.mu.Unlock()
	next := map[string]*peer{}
	for _, p := range peers {
		next[p.Name] = &peer{Peer: p}
		if old := x.peers[p.Name]; old != nil && slices.Equal(old.Addrs, p.Addrs) {
			next[p.Name] = old
		}
	}
	x.peers = next
}

// Run listens and gives until ctx ends, and then ends every connection. It may be run again after it has returned.
func (x *Exchange) Run(ctx context.Context) error {
	l, err := x.listen(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var closing sync.WaitGroup
	defer closing.Wait()
	defer cancel()
	server := &http.Server{
		Handler:           x.handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(x.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	closing.Go(func() {
		<-ctx.Done()
		server.Close()
		x.client.CloseIdleConnections()
	})
	x.once.Do(func() { close(x.ready) })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("exchange with peers: %w", err)
	}
	return nil
}

// listen opens the port.
func (x *Exchange) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf(":%d", x.config.Port))
	if err != nil && x.config.Port != 0 {
		x.log.Debug("Peers are given content on another port, since the usual one is taken", "err", err)
		l, err = lc.Listen(ctx, "tcp", ":0")
	}
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.port = uint16(l.Addr().(*net.TCPAddr).Port)
	x.mu.Unlock()
	return tls.NewListener(l, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return x.config.Server() },
	}), nil
}

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)
