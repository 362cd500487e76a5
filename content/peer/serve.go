package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"vitrine/content/digest"
	"vitrine/content/fetch"
)

// Limits of what peers may ask.
const (
	// maxHave is how many assets may be asked about at once, and maxHaveBytes the size of such a question.
	maxHave      = 10_000
	maxHaveBytes = 1 << 20
	// longestHold is how long a request for an asset that is on its way is held, and maxHeld how many are.
	longestHold = 30 * time.Second
	maxHeld     = 256
	// chunk is how much is given at once, and slowest how long a peer may take to take it.
	chunk   = 64 << 10
	slowest = 30 * time.Second
)

func (x *Exchange) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+assetPath+"{digest}", x.serveAsset)
	mux.HandleFunc("POST "+havePath, x.serveHave)
	return mux
}

// serveAsset gives an asset. One that is on its way is waited for, as long as the request prefers (RFC 7240, section 4.3).
func (x *Exchange) serveAsset(w http.ResponseWriter, r *http.Request) {
	d, err := digest.Parse(r.PathValue("digest"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f, err := x.config.Open(d)
	if errors.Is(err, fs.ErrNotExist) && x.hold(r.Context(), d, preferredWait(r)) {
		f, err = x.config.Open(d)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && x.expects(d):
		x.later(w)
		return
	case err != nil:
		http.Error(w, "it isn't here", http.StatusNotFound)
		return
	}
	defer f.Close()
	select {
	case x.slots <- struct{}{}:
		defer func() { <-x.slots }()
	default:
		x.later(w)
		return
	}
	w.Header().Set("ETag", `"`+d.String()+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(&paced{w, r.Context(), x.limit}, r, "", time.Time{}, f)
}

// later asks the peer to come again.
func (x *Exchange) later(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set(fetch.ProgressHeader, strconv.FormatInt(x.progress(), 10))
	http.Error(w, "it will be here later, or too many are taking something", http.StatusServiceUnavailable)
}

// preferredWait is the wait that a request asks for, in whole seconds.
func preferredWait(r *http.Request) time.Duration {
	for _, preference := range strings.Split(r.Header.Get("Prefer"), ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(preference), "wait=")
		if !ok {
			continue
		}
		if seconds, err := strconv.ParseUint(value, 10, 16); err == nil {
			return min(time.Duration(seconds)*time.Second, longestHold)
		}
	}
	return 0
}

// serveHave answers which of a list of assets are here.
func (x *Exchange) serveHave(w http.ResponseWriter, r *http.Request) {
	asked, err := parseHave(http.MaxBytesReader(w, r.Body, maxHaveBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	here := []digest.Digest{}
	for _, d := range asked {
		if f, err := x.config.Open(d); err == nil {
			f.Close()
			here = append(here, d)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(here) // who asked has gone, if this fails
}

// parseHave reads a list of digests.
func parseHave(r io.Reader) ([]digest.Digest, error) {
	var list []digest.Digest
	if err := json.NewDecoder(io.LimitReader(r, maxHaveBytes)).Decode(&list); err != nil {
		return nil, fmt.Errorf("the list can't be read: %w", err)
	}
	if len(list) > maxHave {
		return nil, fmt.Errorf("%d assets are too many to ask about at once; want at most %d", len(list), maxHave)
	}
	return list, nil
}

// paced writes no faster than all together may, and gives up a reader that takes next to nothing.
type paced struct {
	http.ResponseWriter
	ctx   context.Context
	limit *rate.Limiter
}

// Write writes in pieces.
func (p *paced) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		piece := b[:min(len(b), chunk)]
		b = b[len(piece):]
		if p.limit != nil {
			if err := p.limit.WaitN(p.ctx, len(piece)); err != nil {
				return written, err
			}
		}
		// Where there is no deadline to be set, as in tests without a connection, the reader is trusted.
		_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(slowest))
		var n int
		n, err = p.ResponseWriter.Write(piece)
		written += n
	}
	return written, err
}

// Unwrap lets a http.ResponseController reach the connection.
func (p *paced) Unwrap() http.ResponseWriter { return p.ResponseWriter }
