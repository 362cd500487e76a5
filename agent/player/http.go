package player

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Listen opens the port, so that a wrong or taken address is known before anything else is done. Run does it if it wasn't
// done. It fails if the address isn't a loopback address or is taken.
func (p *Player) Listen(ctx context.Context) error {
	if err := checkLoopback(p.cfg.Addr); err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", p.cfg.Addr)
	if err != nil {
		return fmt.Errorf("player: can't listen for the page on %s; is another viewer running? %w", p.cfg.Addr, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener, p.addr = l, l.Addr().String()
	return nil
}

// Close closes the port of a player that listens and isn't run.
func (p *Player) Close() error {
	if l := p.takeListener(); l != nil {
		return l.Close()
	}
	return nil
}

func (p *Player) takeListener() net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.listener
	p.listener = nil
	return l
}

// Run serves until ctx ends, and then ends every connection. It may be run again after it has returned.
func (p *Player) Run(ctx context.Context) error {
	l := p.takeListener()
	if l == nil {
		if err := p.Listen(ctx); err != nil {
			return err
		}
		l = p.takeListener()
	}
	p.readyOnce.Do(func() { close(p.ready) })

	ctx, cancel := context.WithCancel(ctx)
	server := &http.Server{
		Handler:           p.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	var tasks sync.WaitGroup
	tasks.Go(func() { p.Watch(ctx) })
	tasks.Go(func() {
		<-ctx.Done()
		server.Close()
	})
	err := server.Serve(l)
	cancel()
	tasks.Wait()
	// Whoever is admitted from here on sees that ctx has ended; the others are counted.
	p.mu.Lock()
	left := len(p.open)
	p.mu.Unlock()
	p.log.Debug("The player ends its connections.", "pages", left)
	p.pages.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("player: %w", err)
}

// Handler is the player's HTTP side, for whatever path it is put under: the page's own addresses are relative. It answers only requests that
// Config.Guard lets through. What is on changes with the clock only while Run or Watch runs.
func (p *Player) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.serveIndex)
	mux.HandleFunc("GET /web/{file...}", p.serveWeb)
	mux.HandleFunc("GET /assets/{digest}", p.serveAsset)
	mux.HandleFunc("GET /frame", p.serveFrame)
	mux.HandleFunc("GET /v1/reachable", p.serveReachable)
	mux.HandleFunc("GET /v1/feed", p.serveFeed)
	mux.HandleFunc("GET /v1/page", p.servePage)
	if p.cfg.Status != nil {
		mux.HandleFunc("GET /v1/status", p.serveStatus)
	}
	if p.cfg.Metrics != nil {
		mux.HandleFunc("GET /metrics", p.serveMetrics)
	}
	return p.guard(mux)
}

// guard refuses requests that can't be from the player's own page or a local program, and sets what every answer says.
func (p *Player) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		err := p.cfg.Guard(r)
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusForbidden)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// setHeaders forbids everything that the player doesn't need. The page itself gets a wider policy (see serveIndex).
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
}

// errNotLocal refuses what was sent to another machine, or by a page of another origin.
var errNotLocal = errors.New("this is a local address: open it as http://127.0.0.1 with the right port")

// fromHere lets a request through that was sent to a loopback name of this machine and to the port that it came in on, so that no web page can
// reach the player through a name of its own (DNS rebinding).
func fromHere(r *http.Request) error {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return errNotLocal
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.Trim(r.Host, "[]"), "80"
	}
	if !isLoopback(host) || port != fmt.Sprint(local.Port) || !sameOrigin(r) {
		return errNotLocal
	}
	return nil
}

// sameOrigin tells whether a request is from a page of the origin that it was sent to, if it is from a page at all.
func sameOrigin(r *http.Request) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	origins := r.Header.Values("Origin")
	return (len(origins) == 0 || len(origins) == 1 && origins[0] == scheme+r.Host) && !embedded(r)
}

// embedded tells whether a browser says that the request is by a page of another site (W3C Fetch Metadata), such as one that a programme
// shows: an image, a script or a frame has no Origin. A link that a person follows is let pass.
func embedded(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Dest") != "document"
}

func (p *Player) serveStatus(w http.ResponseWriter, _ *http.Request) {
	data, err := json.MarshalIndent(p.cfg.Status(), "", "  ")
	if err != nil {
		p.log.Error("The status can't be written as JSON.", "err", err)
		http.Error(w, "the status can't be written as JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(append(data, '\n'))
}

// serveMetrics answers a monitoring system on this machine, in Prometheus' text format.
func (p *Player) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(p.cfg.Metrics())
}
