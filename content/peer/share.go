package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/library"
)

// Times of asking.
const (
	// askTime bounds the question who has what: it keeps the fetch from beginning.
	askTime = 3 * time.Second
	// wait is how long a peer is asked to hold a request.
	wait = 20 * time.Second
	// maxAhead is how many peers are asked whose turn it is before this viewer's: the first, and another in case that is gone.
	maxAhead = 3
)

// A share is the fetch of a programme that is under way, together with the peers.
type share struct {
	x        *Exchange
	demanded func(digest.Digest)

	mu sync.Mutex
	// expected are the assets that are on their way; each channel is closed when that ends.
	expected map[digest.Digest]chan struct{}
	// holders are the names of the peers that have an asset, and silent those of peers that didn't say. One whose cable was pulled has connections that look well,
	// on which it would be waited for.
	holders map[digest.Digest][]string
	silent  map[string]bool
	came    int64
}

// Share implements library.Peers: it says what this viewer is about to fetch, and asks the peers what they have of it.
func (x *Exchange) Share(ctx context.Context, ds []digest.Digest, demanded func(digest.Digest)) library.Share {
	s := &share{x: x, demanded: demanded, expected: map[digest.Digest]chan struct{}{}, holders: map[digest.Digest][]string{}, silent: map[string]bool{}}
	for _, d := range ds {
		s.expected[d] = make(chan struct{})
	}
	x.mu.Lock()
	x.share = s
	names := x.present()
	x.mu.Unlock()
	s.ask(ctx, names, ds)
	return s
}

// present are the names of the peers that may be asked. x.mu is held.
func (x *Exchange) present() []string {
	var names []string
	for name, p := range x.peers {
		if time.Now().After(p.barred) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ask finds out which peers have what, of all of them at once.
func (s *share) ask(ctx context.Context, names []string, ds []digest.Digest) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var asking sync.WaitGroup
	defer asking.Wait()
	for _, name := range names {
		asking.Go(func() {
			for part := range slices.Chunk(ds, maxHave) {
				here, err := s.x.have(ctx, name, part)
				if err != nil {
					s.x.log.Debug("A peer doesn't say what it has", "peer", name, "err", err)
					s.mu.Lock()
					s.silent[name] = true
					s.mu.Unlock()
					return
				}
				s.mu.Lock()
				for _, d := range here {
					s.holders[d] = append(s.holders[d], name)
				}
				s.mu.Unlock()
			}
		})
	}
}

// have asks one peer which of these assets it has.
func (x *Exchange) have(ctx context.Context, name string, ds []digest.Digest) ([]digest.Digest, error) {
	question, err := json.Marshal(ds)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url(name, havePath), bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	resp, err := x.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered %s", resp.Status)
	}
	return parseHave(io.LimitReader(resp.Body, maxHaveBytes))
}

// Sources implements library.Share: first those that have it, in any order, and then those whose turn comes before this viewer's.
func (s *share) Sources(d digest.Digest) []fetch.Source {
	s.x.mu.Lock()
	names := s.x.present()
	s.x.mu.Unlock()
	s.mu.Lock()
	holders := slices.Clone(s.holders[d])
	names = slices.DeleteFunc(names, func(name string) bool { return s.silent[name] })
	s.mu.Unlock()
	holders = slices.DeleteFunc(holders, func(name string) bool { return !slices.Contains(names, name) })
	rand.Shuffle(len(holders), func(i, j int) { holders[i], holders[j] = holders[j], holders[i] })
	for _, name := range ahead(d, s.x.config.Self(), names) {
		if len(holders) < maxAhead && !slices.Contains(holders, name) {
			holders = append(holders, name)
		}
	}
	var sources []fetch.Source
	for _, name := range holders {
		sources = append(sources, fetch.Source{URL: s.x.url(name, assetPath+d.String()), Near: true, Wait: wait})
	}
	return sources
}

// ahead are the viewers whose turn to fetch an asset from outside comes before that of self, the first one first. The turns are by
// rendezvous hashing: every viewer comes to the same order without a word, each asset has another, and when one goes the turns of the
// others stay.
func ahead(d digest.Digest, self string, others []string) []string {
	own := turn(d, self)
	type place struct {
		name string
		turn digest.Digest
	}
	var places []place
	for _, name := range others {
		if t := turn(d, name); bytes.Compare(t[:], own[:]) < 0 {
			places = append(places, place{name, t})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return bytes.Compare(a.turn[:], b.turn[:]) })
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.name
	}
	return names
}

func turn(d digest.Digest, name string) digest.Digest {
	return sha256.Sum256(slices.Concat(d[:], []byte(name)))
}

// Done implements library.Share: who waits for the asset is answered.
func (s *share) Done(d digest.Digest, _ bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.expected[d]; ok {
		close(c)
		delete(s.expected, d)
	}
}

// Came implements library.Share.
func (s *share) Came(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came += max(bytes, 0)
}

// End implements library.Share: nothing is expected any more.
func (s *share) End() {
	s.x.mu.Lock()
	if s.x.share == s {
		s.x.share = nil
	}
	s.x.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for d, c := range s.expected {
		close(c)
		delete(s.expected, d)
	}
}

// current is the fetch that is under way, or nil.
func (x *Exchange) current() *share {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.share
}

// expects tells whether an asset is on its way.
func (x *Exchange) expects(d digest.Digest) bool {
	s := x.current()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expected[d] != nil
}

// progress is how many bytes have come in the fetch that is under way.
func (x *Exchange) progress() int64 {
	s := x.current()
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came
}

// hold waits until an asset that is on its way is here, and tells whether it was: it is fetched before others then.
func (x *Exchange) hold(ctx context.Context, d digest.Digest, most time.Duration) bool {
	s := x.current()
	if s == nil || most <= 0 || !x.enter() {
		return false
	}
	defer x.leave()
	s.mu.Lock()
	c := s.expected[d]
	s.mu.Unlock()
	if c == nil {
		return false
	}
	s.demanded(d)
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// enter counts a held request; false means that there are too many.
func (x *Exchange) enter() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.held >= maxHeld {
		return false
	}
	x.held++
	return true
}

func (x *Exchange) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.held--
}

// url is the address of something at a peer: Transport finds the peer by its name.
func (x *Exchange) url(name, path string) string {
	return Scheme + "://" + hostOf(name) + path
}

// hostOf makes the host of a URL of a peer's name.
func hostOf(name string) string {
	h := sha256.Sum256([]byte(name))
	return hex.EncodeToString(h[:8])
}
