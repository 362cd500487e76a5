// Package remote gets what a programme shows and doesn't contain: the news of its feeds, kept on disk for when they can't be had, and word
// of whether its web pages can be shown in a frame.
//
// It owns how often, how much and for how long is asked, and the folder of feeds. It never decides what is shown, and gives nothing of
// the viewer away but that it asks.
package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vitrine/content/manifest"
)

const (
	// lookTime is how long a web page may take for the head of its answer; the page itself waits for 20 s.
	lookTime = 10 * time.Second
	// maxRedirects bounds how often a page or feed may be elsewhere.
	maxRedirects = 5
	// userAgent names no version: whoever wants to know what to attack needn't be told.
	userAgent = "Mozilla/5.0 (compatible; Vitrine)"
)

// Reachable tells whether a web page answers, stays at its origin and lets itself be put into a frame; an error says why not. A browser keeps
// all of that from the page around the frame.
func Reachable(ctx context.Context, transport http.RoundTripper, address string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	client := &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if !covers(address, r.URL) {
			return fmt.Errorf("it leads to %s, and frames stay where they are; give that address", manifest.Origin(r.URL.String()))
		}
		return follow(r, via)
	}}
	resp, err := get(ctx, client, address, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 400:
		return fmt.Errorf("its server answers %s", resp.Status)
	case strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment"):
		return errors.New("it is a file to download")
	}
	return framed(resp.Header)
}

// follow goes where a server points to, without telling from where.
func follow(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("it is redirected again and again")
	}
	r.Header.Del("Referer")
	return nil
}

// get asks for something, with further headers.
func get(ctx context.Context, client *http.Client, address string, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", userAgent)
	resp, err := client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		if failed.Timeout() {
			return nil, errors.New("its server doesn't answer")
		}
		return nil, failed.Err // without the address, which may be long, and which whoever reads this has
	}
	return resp, err
}

// covers tells whether the policy for an address lets a frame go to another: to the same origin, or to https at the same host (CSP level 3,
// section 6.7.2.8).
func covers(address string, to *url.URL) bool {
	from, err := url.Parse(address)
	if err != nil {
		return false
	}
	upgraded := from.Scheme == "http" && to.Scheme == "https" && from.Port() == "" && to.Port() == ""
	return strings.EqualFold(from.Hostname(), to.Hostname()) && (upgraded || from.Scheme == to.Scheme && from.Port() == to.Port())
}

// framed tells whether an answer forbids that it is put into a frame by a page of another site: by X-Frame-Options, which counts unless there
// are frame-ancestors (RFC 7034; CSP level 3, section 6.4.2).
func framed(h http.Header) error {
	for _, policy := range h.Values("Content-Security-Policy") {
		for directive := range strings.SplitSeq(policy, ";") {
			words := strings.Fields(strings.ToLower(directive))
			if len(words) == 0 || words[0] != "frame-ancestors" {
				continue
			}
			for _, source := range words[1:] {
				if source == "*" || source == "http:" || strings.HasPrefix(source, "http://127.0.0.1") {
					return nil
				}
			}
			return errors.New("it forbids frames (frame-ancestors)")
		}
	}
	switch strings.ToLower(strings.TrimSpace(h.Get("X-Frame-Options"))) {
	case "deny", "sameorigin":
		return errors.New("it forbids frames (X-Frame-Options)")
	}
	return nil
}

// read takes a whole body of at most so many bytes.
func read(body io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it is larger than %d bytes", most)
	}
	return data, err
}
