// Package view is the HTML5 viewer: it shows the page of the viewers' player to plain browsers, such as a smart TV's or a Chromebook's, each
// under a link with a secret key in it.
//
// It owns the ports for browsers, whom they answer, and what is known of the browsers; links and what they stand for are given to it. It never
// serves anything of the viewers' API, and no key of a link is logged.
package view

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"vitrine/agent/player"
	"vitrine/content/digest"
)

// refreshEvery is how often the links are read again: the folder of a backup server is changed from outside.
const refreshEvery = 5 * time.Second

// Ports says whether, where and under which names browsers are served. Without an address they aren't: a site that has none needs no such ports,
// and they may be another program's.
type Ports struct {
	// TLS and HTTP are TCP addresses to listen on, such as ":443" and ":80"; empty for one that isn't wanted.
	TLS, HTTP string
	// Plain serves the page on HTTP as well, where browsers are otherwise sent to TLS. Without TLS it is served there anyhow.
	Plain bool
	// Names are those under which browsers know this server, beside its addresses.
	Names []string
	// CertFile and KeyFile are the operator's certificate. Without them it is one of the site's CA.
	CertFile, KeyFile string
}

// None tells whether no port is wanted.
func (p Ports) None() bool { return p.TLS == "" && p.HTTP == "" }

// A Door is the ports, open.
type Door struct {
	ports     Ports
	tls, http net.Listener
	certs     *certificates
}

// Open opens the ports and reads the certificate, so that what can't work is said before anything else is done.
func Open(p Ports, log *slog.Logger) (d *Door, err error) {
	d = &Door{ports: p}
	if d.certs, err = newCertificates(p, log); err != nil {
		return nil, err
	}
	if p.TLS != "" {
		if d.tls, err = listen(p.TLS); err != nil {
			return nil, fmt.Errorf("browser port: %w; ports below 1024 need root or CAP_NET_BIND_SERVICE, or choose another with --view, such as :8443", err)
		}
	}
	if p.HTTP != "" {
		if d.http, err = listen(p.HTTP); err != nil {
			d.Close()
			return nil, fmt.Errorf("plain browser port: %w; ports below 1024 need root or CAP_NET_BIND_SERVICE, or choose another with --view-http, such as :8080", err)
		}
	}
	return d, nil
}

// Close gives the ports back. Run does it at its end.
func (d *Door) Close() {
	for _, l := range []net.Listener{d.tls, d.http} {
		if l != nil {
			l.Close()
		}
	}
}

// Config says whom to serve what.
type Config struct {
	// Issue makes a certificate of the site's CA, for a server that has none of its operator's.
	Issue func(names []string, addresses []net.IP) (*tls.Certificate, error)
	// CA is the site's CA as DER; browsers are offered it where Issue is used.
	CA []byte
	// Site is the site's name, and Version the program's.
	Site, Version string
	// Links lists all links.
	Links func() ([]Link, error)
	// Assets opens an asset of a programme. An error that is fs.ErrNotExist says that it isn't there.
	Assets func(digest.Digest) (io.ReadSeekCloser, error)
	// Reachable and Feed are the player's (player.Config); nil for what there isn't.
	Reachable func(ctx context.Context, url string) error
	Feed      func(ctx context.Context, url string) (any, error)
	// Played keeps what a browser has shown, and Failed is told what it can't.
	Played func(viewer string, p player.Play) error
	Failed func(viewer string, f player.Failure)
	// Log gets what an installer should know.
	Log *slog.Logger
}

// A Link is what a browser opens to be a viewer.
type Link struct {
	// ID and Name are the viewer's.
	ID, Name string
	// Hash is that of the key in it; empty if none works any more.
	Hash string
	// Ended are those of keys that worked once.
	Ended []string
}

// HashKey is what is kept of a key.
func HashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// A View serves browsers. Make one with New, and Run it once.
type View struct {
	*Door
	cfg     Config
	log     *slog.Logger
	guesses *guesses
	worker  []byte
	open    sync.WaitGroup

	mu        sync.Mutex
	ctx       context.Context // of Run; nil before
	screens   map[string]*screen
	keys      map[string]*screen // by hash
	ended     map[string]bool    // hashes
	programme *player.Programme
}

// New makes a view of open ports.
func New(d *Door, c Config) *View {
	d.certs.issuer = c.Issue
	return &View{
		Door: d, cfg: c, log: c.Log, guesses: newGuesses(), screens: map[string]*screen{}, keys: map[string]*screen{}, ended: map[string]bool{},
		worker: workerOf(player.New(player.Config{Files: pageFiles}).Page()),
	}
}

// Run serves until ctx ends, and returns once every page is gone.
func (v *View) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer v.open.Wait()
	defer cancel()
	v.mu.Lock()
	v.ctx = ctx
	v.mu.Unlock()
	if err := v.Refresh(); err != nil {
		return err
	}
	failed := make(chan error, 2)
	var servers sync.WaitGroup
	defer servers.Wait()
	for _, l := range []net.Listener{v.tls, v.http} {
		if l == nil {
			continue
		}
		server := v.server(ctx, l == v.tls)
		defer server.Close()
		servers.Go(func() { failed <- serve(server, l, l == v.tls) })
	}
	v.log.Info("Serving browsers", "view", v.Base(""))
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			cancel()
			return err
		case <-tick.C:
			if err := v.Refresh(); err != nil {
				v.log.Error("The links of browsers can't be read; those that are known stay", "err", err)
			}
		}
	}
}

// serve runs a server on a listener until it is closed.
func serve(server *http.Server, l net.Listener, overTLS bool) error {
	var err error
	if overTLS {
		err = server.ServeTLS(l, "", "")
	} else {
		err = server.Serve(l)
	}
	if err == http.ErrServerClosed {
		return nil
	}
	return fmt.Errorf("browsers: %w", err)
}

// Refresh reads the links. Pages of one that has ended end at once.
func (v *View) Refresh() error {
	links, err := v.cfg.Links()
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ctx == nil || v.ctx.Err() != nil {
		return nil
	}
	v.keys, v.ended = map[string]*screen{}, map[string]bool{}
	for _, link := range links {
		for _, hash := range link.Ended {
			v.ended[hash] = true
		}
		s := v.screens[link.ID]
		if s == nil {
			s = v.newScreen(link.ID)
			v.screens[link.ID] = s
		}
		s.set(v.ctx, link)
		if link.Hash != "" {
			v.keys[link.Hash] = s
		}
	}
	return nil
}

// Show replaces what the browsers play.
func (v *View) Show(p player.Programme) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.programme = &p
	for _, s := range v.screens {
		v.show(s)
	}
}

// show gives a screen the present programme. v.mu is held.
func (v *View) show(s *screen) {
	if v.programme == nil {
		return
	}
	if err := s.player.Show(*v.programme); err != nil {
		v.log.Error("A browser can't be given the programme; what plays stays", "viewer", s.name, "err", err)
	}
}
