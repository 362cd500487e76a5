package stick

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"vitrine/content/digest"
	"vitrine/content/fetch"
)

// Scheme is that of the addresses of assets on sticks. Only Sticks knows it.
const Scheme = "vitrine-stick"

// Sticks are those that are inserted now. Its zero value has none; it is safe for concurrent use.
type Sticks struct {
	mu   sync.Mutex
	list []*Stick
}

// Add inserts a stick, in place of one at the same place.
func (s *Sticks) Add(stick *Stick) {
	s.Remove(stick.Dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, stick)
}

// Remove takes out the stick at dir.
func (s *Sticks) Remove(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(slices.Clone(s.list), func(stick *Stick) bool { return stick.Dir == dir })
}

func (s *Sticks) inserted() []*Stick {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list
}

// Sources are where an asset is, as far as its file's name says.
func (s *Sticks) Sources(d digest.Digest) []fetch.Source {
	var sources []fetch.Source
	for i, stick := range s.inserted() {
		if f, err := stick.Open(d); err == nil {
			f.Close()
			sources = append(sources, fetch.Source{URL: fmt.Sprintf("%s://stick%d/%s", Scheme, i+1, d), Near: true})
		}
	}
	return sources
}

// RoundTrip implements http.RoundTripper for addresses with Scheme: it reads a file from a stick as a server would give it, with a Range
// that has a beginning and no end.
func (s *Sticks) RoundTrip(r *http.Request) (*http.Response, error) {
	d, err := digest.Parse(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(strings.TrimPrefix(r.URL.Host, "stick"))
	list := s.inserted()
	if err != nil || number < 1 || number > len(list) {
		return nil, errors.New("the stick was pulled out")
	}
	f, err := list[number-1].Open(d)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	resp := &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Etag": {`"` + d.String() + `"`}}, Body: f, ContentLength: info.Size(), Request: r,
	}
	from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	if !ok {
		return resp, nil
	}
	at, err := strconv.ParseInt(strings.TrimSuffix(from, "-"), 10, 64)
	if err != nil || at < 0 || at >= info.Size() {
		f.Close()
		resp.Status, resp.StatusCode, resp.Body, resp.ContentLength = "416 Range Not Satisfiable", http.StatusRequestedRangeNotSatisfiable, http.NoBody, 0
		return resp, nil
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	resp.Status, resp.StatusCode, resp.ContentLength = "206 Partial Content", http.StatusPartialContent, info.Size()-at
	resp.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, info.Size()-1, info.Size()))
	return resp, nil
}
