// Package server is the server for one site: it announces itself, takes viewers in, carries their sessions, serves their
// content and tells them the time.
//
// It owns the site's state folder and everything that listens for viewers. It is made of the same parts as the viewer and
// is never linked into it.
package server

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"vitrine/agent/protocol"
	"vitrine/agent/server/media"
	"vitrine/agent/server/view"
	"vitrine/content/digest"
	"vitrine/platform/clock/sntp"
)

// Config says how to run a server.
type Config struct {
	// State is the folder with the site; it is made if need be.
	State string
	// Site is the site's name; empty takes the one in State, or "site" for a new one.
	Site string
	// Media is the folder whose pictures and videos are the programme.
	Media string
	// Role is protocol.RoleMain or protocol.RoleBackup.
	Role string
	// Name is what people call this server; empty takes the machine's.
	Name string
	// Location is whom the server is for; empty for the whole site.
	Location protocol.Location
	// Priority ranks servers of one role, from 0, which is tried first, to protocol.MaxPriority.
	Priority int
	// Peers are the other servers of the site, which viewers are told of.
	Peers []protocol.Server
	// ProbesFrom are networks behind routers whose probes are answered. Directly connected ones always are.
	ProbesFrom []netip.Prefix
	// CertificateLife is how long a viewer's certificate is valid; 0 means 30 days. It is renewed at two thirds of that.
	CertificateLife time.Duration
	// RenewalGrace is how long after its expiry a viewer's certificate can still be renewed.
	RenewalGrace time.Duration
	// Listen and NTP are the TCP and UDP addresses to listen on, such as ":7237" and ":123".
	Listen, NTP string
	// Seconds is how long each picture is on.
	Seconds float64
	// Browsers says whether and how browsers are viewers.
	Browsers view.Ports
	// Remote is for what programmes show of other web servers to browsers; nil without.
	Remote *Remote
	// Version is the program's.
	Version string
	// Log gets what happens; nil means nothing.
	Log *slog.Logger
}

// A Server is a running site. Make one with New, and Run it once.
type Server struct {
	config Config
	log    *slog.Logger
	site   *Site
	fleet  *fleet
	// machines are those on which viewers run.
	machines *machines
	history  *history
	register *register
	handout  *handout
	ready    chan struct{}

	listener  net.Listener
	time      *sntp.Server
	control   net.Listener
	folder    *media.Folder
	publisher *publisher
	broker    *broker
	door      *view.Door // nil without browsers
	view      *view.View // nil without browsers
}

// New opens the site and every port, so that what can't work is said before anything is announced.
func New(c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Role != protocol.RoleMain && c.Role != protocol.RoleBackup {
		return nil, fmt.Errorf("role %q: want %q or %q", c.Role, protocol.RoleMain, protocol.RoleBackup)
	}
	if c.Name == "" {
		// A machine without a name is found all the same.
		c.Name, _ = os.Hostname()
	}
	if protocol.CheckName(c.Name) != nil {
		c.Name = ""
	}
	s := &Server{config: c, log: c.Log, fleet: newFleet(), machines: newMachines(), handout: newHandout(), ready: make(chan struct{})}
	if err := s.open(); err != nil {
		s.closePorts()
		return nil, err
	}
	return s, nil
}

// open does what New promises. The media folder and the ports come first: if they are wrong, no site is made.
func (s *Server) open() (err error) {
	if s.folder, err = media.New(s.config.Media, media.Config{Index: filepath.Join(s.config.State, "media-index.json"), Log: s.log}); err != nil {
		return err
	}
	if s.listener, err = net.Listen("tcp", s.config.Listen); err != nil {
		return fmt.Errorf("session port: %w; another server may be running, or choose another address with --listen", err)
	}
	if s.time, err = sntp.Listen(s.config.NTP, nil, s.log); err != nil {
		return fmt.Errorf("%w; ports below 1024 need root or CAP_NET_BIND_SERVICE, or choose another with --ntp", err)
	}
	if !s.config.Browsers.None() {
		if s.door, err = view.Open(s.config.Browsers, s.log); err != nil {
			return err
		}
	}
	var created bool
	if s.site, created, err = OpenSite(s.config.State, s.config.Site); err != nil {
		return err
	}
	if s.config.CertificateLife != 0 {
		s.site.viewerLife = s.config.CertificateLife
	}
	if created {
		s.log.Info(fmt.Sprintf("Created site %q with its own certificate authority", s.site.Name()), "state", s.config.State)
	}
	if s.publisher, err = newPublisher(s.site, s.config.Seconds); err != nil {
		return err
	}
	if err = s.loadUpdate(); err != nil {
		return err
	}
	if s.history, err = newHistory(s.config.State); err != nil {
		return err
	}
	if s.register, err = newRegister(s.config.State); err != nil {
		return err
	}
	if s.door != nil {
		s.view = s.newView(s.door)
	}
	if s.control, err = listenControl(s.config.State); err != nil {
		return err
	}
	s.broker, err = newBroker(s.log, s.admitSession, s.receive)
	return err
}

func (s *Server) closePorts() {
	for _, l := range []net.Listener{s.listener, s.control} {
		if l != nil {
			l.Close()
		}
	}
	if s.time != nil {
		s.time.Close()
	}
	if s.door != nil {
		s.door.Close()
	}
}

// Site is the server's site.
func (s *Server) Site() *Site { return s.site }

// Addr is the TCP address of the session port.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Ready is closed once viewers can connect and find the server.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	defer s.closePorts()
	group, ctx := errgroup.WithContext(ctx)
	target := s.target()
	content := newConnQueue(s.listener.Addr())
	web := s.api().server()
	door := &port{listener: s.listener, config: s.site.TLSConfig(), log: s.log, session: s.broker.serve, content: content}

	group.Go(func() error { return door.run(ctx) })
	group.Go(func() error { return serveHTTP(ctx, web, content) })
	group.Go(func() error { return serveHTTP(ctx, s.controlServer(), s.control) })
	group.Go(func() error { return s.time.Run(ctx) })
	group.Go(func() error { return s.folder.Run(ctx) })
	group.Go(func() error { return s.publishLoop(ctx) })
	group.Go(func() error { return s.watchUpdate(ctx) })
	if s.view != nil {
		group.Go(func() error { return s.view.Run(ctx) })
		if s.config.Remote != nil {
			group.Go(func() error { return s.config.Remote.Run(ctx) })
		}
	}
	group.Go(func() error { return target.Run(ctx) })
	group.Go(func() error {
		select {
		case <-target.Ready():
			s.log.Info("Serving viewers", "site", s.site.Name(), "server", s.listener.Addr().String(), "media", s.config.Media)
			close(s.ready)
		case <-ctx.Done():
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return s.broker.close()
	})
	return group.Wait()
}

// serveHTTP runs a server on a listener until ctx ends.
func serveHTTP(ctx context.Context, server *http.Server, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(l)
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) api() *api {
	return &api{
		site: s.site, log: s.log, admit: s.admit, grace: s.config.RenewalGrace,
		manifest:    s.publisher.manifest,
		asset:       s.openAsset,
		shelves:     newShelves(s.config.State),
		servers:     s.servers,
		sameMachine: s.sameMachine,
		enrolled: func(v Viewer) {
			s.machines.forget(v.ID)
			s.sendDesired(v.ID)
		},
	}
}

func (s *Server) openAsset(d digest.Digest) (*os.File, string, error) {
	if f, contentType, err := s.site.releaseFile(d); err == nil {
		return f, contentType, nil
	}
	f, item, err := s.folder.Open(d)
	return f, item.Type, err
}

// admit says why whoever shows that certificate may not have a session or content.
func (s *Server) admit(shown *x509.Certificate) error {
	if err := untimely(shown); err != nil {
		return err
	}
	v, err := s.site.Viewer(shown.Subject.CommonName)
	if err != nil {
		return err
	}
	return v.admits(shown)
}

// admitSession says why a caller may not have a session.
func (s *Server) admitSession(c caller) error {
	if err := s.admit(c.shown); err != nil {
		return err
	}
	return s.sameMachine(c)
}

// sameMachine says why whoever shows a certificate of the site isn't the viewer that it is for.
func (s *Server) sameMachine(c caller) error {
	v, err := s.site.Viewer(c.shown.Subject.CommonName)
	if err != nil {
		return err
	}
	moved, err := s.machines.connect(v, c.fingerprint, c.peer, s.fleet.get(v.ID).Presence.Online, time.Now())
	if moved {
		if err := s.site.withdraw(c.fingerprint); err != nil {
			s.log.Warn("A request for pairing that is over can't be removed", "viewer", v.Name, "err", err)
		}
	}
	if f, ok := s.machines.of(v.ID, time.Now()); ok && time.Since(f.Since) < time.Second {
		s.log.Warn("FAULT: "+f.Message, "viewer", v.Name)
	}
	return err
}

// publishLoop makes a programme of the media folder, now and whenever it changes.
func (s *Server) publishLoop(ctx context.Context) error {
	select {
	case <-s.folder.Ready():
	case <-ctx.Done():
		return nil
	}
	known := map[digest.Digest]bool{}
	for first := true; ; first = false {
		items := s.folder.Items()
		var added []media.Item
		for _, item := range items {
			if !first && !known[item.Digest] && len(added) < maxFirst {
				added = append(added, item)
			}
		}
		known = map[digest.Digest]bool{}
		for _, item := range items {
			known[item.Digest] = true
		}
		s.publish(items, added, first)
		select {
		case <-s.folder.Changed():
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Server) publish(items, added []media.Item, first bool) {
	changed, err := s.publisher.update(items, added, s.folder.Programme())
	if err != nil {
		s.log.Error("The programme could not be published; the one before stays", "err", err)
	}
	if p, ok := s.publisher.programme(); ok && changed {
		s.log.Info("Published a programme", "items", len(items), "new", len(added), "digest", p.Manifest.Digest.Short())
	}
	if first || changed {
		s.showBrowsers()
	}
	s.log.Debug("The programme is up to date", "items", len(items))
	s.sendAll()
}

// sendDesired tells a viewer what it is to play, and to run.
func (s *Server) sendDesired(viewer string) {
	p, ok := s.publisher.programme()
	if !ok {
		return
	}
	d := protocol.Desired{Rev: p.Rev, Manifest: &p.Manifest, Servers: s.servers()}
	if v, err := s.site.Viewer(viewer); err == nil {
		d.Update = s.updateFor(v, s.fleet.get(viewer).Reported.Labels)
	}
	if d.Update != nil {
		s.handout.mu.Lock()
		s.handout.sent[viewer] = *d.Update
		s.handout.mu.Unlock()
	}
	s.send(viewer, protocol.KindDesired, d, true)
}

func (s *Server) send(viewer, kind string, v any, retain bool) {
	payload, err := json.Marshal(v)
	if err == nil {
		err = s.broker.publish(viewer, kind, payload, retain)
	}
	if err != nil {
		s.log.Error("A message could not be sent", "viewer", viewer, "kind", kind, "err", err)
	}
}

// receive takes a viewer's message. An error means that it can't be kept, and that the viewer must not hear otherwise.
func (s *Server) receive(m message) (lost error) {
	s.machines.alive(m.viewer, time.Now())
	var err error
	switch m.kind {
	case protocol.KindReported:
		var r protocol.Reported
		if r, err = protocol.ParseReported(m.payload); err == nil {
			s.noteLinks(m.viewer, s.fleet.get(m.viewer).Reported.Device, r.Device)
			s.fleet.report(m.viewer, r)
			// Not every broker keeps retained messages for ever; the revision tells. One that is ahead was with another server of the site.
			s.publisher.seen(r.Rev)
			if p, ok := s.publisher.programme(); ok && r.Rev < p.Rev {
				s.sendDesired(m.viewer)
			}
			s.heardOfUpdate(m.viewer, r)
		}
	case protocol.KindPresence:
		var p protocol.Presence
		if p, err = protocol.ParsePresence(m.payload); err == nil && s.fleet.presence(m.viewer, p) {
			s.log.Info("A viewer is "+map[bool]string{true: "online", false: "offline"}[p.Online], "viewer", s.nameOf(m.viewer))
		}
	case protocol.KindResult:
		var r protocol.Result
		if r, err = protocol.ParseResult(m.payload); err == nil {
			s.fleet.result(r)
		}
	case protocol.KindPlays:
		var p protocol.Plays
		if p, err = protocol.ParsePlays(m.payload); err == nil {
			if _, lost = s.register.add(m.viewer, p.Plays); lost != nil {
				s.log.Error("Proof of play can't be kept; the viewer will send it again", "viewer", s.nameOf(m.viewer), "err", lost)
			}
		}
	case protocol.KindEvent:
		var e protocol.Event
		var fresh bool
		if e, err = protocol.ParseEvent(m.payload); err == nil {
			fresh, err = s.history.add(m.viewer, e)
		}
		if fresh {
			s.log.Info("A viewer says: "+e.Message, "viewer", s.nameOf(m.viewer))
		}
	}
	if err != nil {
		s.log.Warn("A viewer's message can't be read", "viewer", m.viewer, "err", err)
	}
	return lost
}

func (s *Server) nameOf(id string) string {
	v, err := s.site.Viewer(id)
	if err != nil {
		return id
	}
	return v.Name
}

// servers is what viewers are told: this server, at every address of the machine.
func (s *Server) servers() []protocol.Server {
	return append([]protocol.Server{{
		ID:       s.ID(),
		Role:     s.config.Role,
		Priority: s.config.Priority,
		Location: s.config.Location,
		Addrs:    dialAddresses(s.listener.Addr()),
		NTP:      s.time.Addr().Port(),
	}}, s.config.Peers...)
}

// ID is the server's stable id. A backup server has a copy of the main one's folder, and an id of its own nevertheless.
func (s *Server) ID() string {
	if s.config.Role == protocol.RoleMain {
		return s.site.ServerID()
	}
	return derivedUUID(s.site.ServerID(), s.config.Role, s.config.Name)
}
