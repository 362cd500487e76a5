package player

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"vitrine/content/manifest"
)

// A web page or stream of a programme is shown in a frame of ours whose policy allows the origin of that one item, so that the page
// itself never has to be given more than its own files. The frame is an empty document: the page puts into it what belongs there.
const frameDocument = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Vitrine</title><link rel="stylesheet" href="web/frame.css"><body></body></html>
`

// frameSources are what an item of a type may load, in words of the Content-Security-Policy.
var frameSources = map[string]string{manifest.Web: "frame-src", manifest.Stream: "media-src"}

// serveFrame gives the frame for the web page or stream that the query names.
func (p *Player) serveFrame(w http.ResponseWriter, r *http.Request) {
	kind, address := r.URL.Query().Get("type"), r.URL.Query().Get("url")
	source, ok := frameSources[kind]
	if !ok || !p.uses(kind, address) {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; "+source+" "+manifest.Origin(address)+
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, frameDocument) // a page that is gone needs none
}

// serveReachable tells whether a web page of the programme can be shown; if not, the answer says why. A browser doesn't tell that: to the page
// around it, an error looks as any other content does.
func (p *Player) serveReachable(w http.ResponseWriter, r *http.Request) {
	address := r.URL.Query().Get("url")
	if !p.uses(manifest.Web, address) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if p.cfg.Reachable != nil {
		if err := p.cfg.Reachable(r.Context(), address); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// feedWait is how long a page waits for a feed of which nothing is known; it gives up the item after 20 s.
const feedWait = 10 * time.Second

// serveFeed gives what a feed of the programme has, from the cache.
func (p *Player) serveFeed(w http.ResponseWriter, r *http.Request) {
	address := r.URL.Query().Get("url")
	if p.cfg.Feed == nil || !p.uses(manifest.Feed, address) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	ctx, cancel := context.WithTimeout(r.Context(), feedWait)
	defer cancel()
	feed, err := p.cfg.Feed(ctx, address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	data, err := json.Marshal(feed)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(data)
}

// uses tells whether the present programme or the one before has an item of a type with a URL.
func (p *Player) uses(kind, address string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range []*programme{p.current, p.previous} {
		if known == nil {
			continue
		}
		for item := range known.Manifest.Items() {
			if item.Type == kind && item.URL == address {
				return true
			}
		}
	}
	return false
}
