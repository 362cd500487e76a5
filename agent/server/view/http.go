package view

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/netutil"

	"vitrine/agent/player"
)

// Limits of what browsers can cost.
const (
	maxConnections    = 4000 // on each port
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeader         = 16 << 10
	sayTimeout        = 10 * time.Second
)

// listen opens a port. A browser that was unplugged says no goodbye: its connections are found dead within 45 s.
func listen(addr string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3}}
	l, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return netutil.LimitListener(l, maxConnections), nil
}

// server is that of one port.
func (v *View) server(ctx context.Context, overTLS bool) *http.Server {
	handler := v.handler()
	if !overTLS && v.tls != nil && !v.ports.Plain {
		handler = v.toTLS()
	}
	return &http.Server{
		Handler:           handler,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: v.certs.get},
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(v.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
}

func (v *View) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", v.serveDoor)
	mux.HandleFunc("GET /ca.crt", v.serveCA)
	mux.HandleFunc("/view/{name}/{key}/{rest...}", v.serveView)
	mux.HandleFunc("GET /view/{name}/{key}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.EscapedPath()+"/", http.StatusPermanentRedirect)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { tell(w, http.StatusNotFound, unknownLink) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		if err := v.guard(r); err != nil {
			tell(w, http.StatusMisdirectedRequest, words{"Not under this name", err.Error()})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// toTLS sends browsers to the other port, and tells those about the site's CA that don't know it yet: how else would they get there?
func (v *View) toTLS() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ca.crt", v.serveCA)
	mux.HandleFunc("GET /{$}", v.serveDoor)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+hostPort(hostname(r.Host), port(v.tls), 443)+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header())
		if err := v.guard(r); err != nil {
			tell(w, http.StatusMisdirectedRequest, words{"Not under this name", err.Error()})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// guard says why a request isn't answered. A name that isn't this server's may be one that a web page has made point here (DNS rebinding); an
// address can't be. Which key is in the path says all else.
func (v *View) guard(r *http.Request) error {
	host := hostname(r.Host)
	if _, err := netip.ParseAddr(host); err != nil && !v.certs.names(host) {
		return fmt.Errorf("this server doesn't know itself as %.100q; run it with --view-name %.100s if that is its name, or use its address", host, host)
	}
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		from, err := url.Parse(origins[0])
		if err != nil || len(origins) > 1 || from.Host != r.Host {
			return errors.New("pages of other sites have no business here")
		}
	}
	return nil
}

// serveView finds the screen that a key stands for. The name before it is there for people.
func (v *View) serveView(w http.ResponseWriter, r *http.Request) {
	from := address(r)
	if v.guesses.tooMany(from) {
		w.Header().Set("Retry-After", strconv.Itoa(guessBurst))
		tell(w, http.StatusTooManyRequests, words{"Wait a little", "Too many links that don't exist were asked for from this address. Try again in a minute."})
		return
	}
	hash := HashKey(r.PathValue("key"))
	v.mu.Lock()
	s, ended := v.keys[hash], v.ended[hash]
	leaving := v.ctx == nil || v.ctx.Err() != nil
	if !leaving {
		v.open.Add(1)
	}
	v.mu.Unlock()
	if leaving {
		tell(w, http.StatusServiceUnavailable, words{"The server is about to end", "The page tries again by itself."})
		return
	}
	defer v.open.Done()
	path := r.PathValue("rest")
	switch {
	case s != nil:
		v.serveScreen(w, r, s, path)
	case ended && path == "v1/page":
		v.sayOver(w, r)
	case ended:
		tell(w, http.StatusGone, endedLink)
	default:
		v.guesses.wrong(from)
		tell(w, http.StatusNotFound, unknownLink)
	}
}

// serveScreen is what is below a link.
func (v *View) serveScreen(w http.ResponseWriter, r *http.Request, s *screen, path string) {
	r, done := s.visit(r)
	defer done()
	switch path {
	case "sw.js":
		if r.Method != http.MethodGet {
			http.Error(w, "only GET is answered here", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'")
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write(v.worker)
		return
	case "v1/programme":
		v.servePlan(w, s)
		return
	case "v1/page":
		s.arrive(r)
		defer s.leave()
	}
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = "/"+path, ""
	s.pages.ServeHTTP(w, inner)
}

// servePlan gives what a page needs to play on, and to begin again, without the server.
func (v *View) servePlan(w http.ResponseWriter, s *screen) {
	plan, err := s.player.Plan()
	switch {
	case errors.Is(err, player.ErrNothing):
		http.Error(w, "there is no programme yet", http.StatusNotFound)
	case err != nil:
		v.log.Error("The plan of a programme can't be written", "err", err)
		http.Error(w, "the plan can't be written", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Write(plan)
	}
}

// sayOver tells a page that its link has ended: it forgets what it has. Nothing else makes it do so, and no link that is merely unknown: a server
// that lost its state must not darken a screen.
func (v *View) sayOver(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithTimeout(r.Context(), sayTimeout)
	defer cancel()
	data, err := json.Marshal(map[string]string{"type": "over"})
	if err != nil || conn.Write(ctx, websocket.MessageText, data) != nil {
		return
	}
	// An error means that the page has gone first.
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// Base is how a browser reaches this server at a host; at the best one that is known if it is empty.
func (v *View) Base(host string) string {
	if host == "" {
		host = v.certs.best()
	}
	if v.tls != nil {
		return "https://" + hostPort(host, port(v.tls), 443) + "/"
	}
	return "http://" + hostPort(host, port(v.http), 80) + "/"
}

// Link is the link with a key in it.
func (v *View) Link(host, name, key string) string {
	return v.Base(host) + "view/" + url.PathEscape(name) + "/" + key + "/"
}

// hostname is a Host header without the port, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// hostPort leaves out the port that goes without saying.
func hostPort(host string, port, usual int) string {
	if port != usual {
		return net.JoinHostPort(host, strconv.Itoa(port))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
