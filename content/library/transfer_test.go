package library_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/library"
	"vitrine/content/manifest"
	"vitrine/content/store"
)

// oneLane makes the order of requests that of the queue.
func oneLane(c *library.Config) { c.Parallel = 1 }

// asked is the order in which pictures were asked for.
func (s *site) order(names map[digest.Digest]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, r := range s.requests {
		d, _ := digest.Parse(r[strings.LastIndex(r, "/")+1:])
		if names[d] != "" {
			list = append(list, names[d])
		}
	}
	return strings.Join(list, " ")
}

func named(pictures ...string) map[digest.Digest]string {
	names := map[digest.Digest]string{}
	for _, p := range pictures {
		names[digest.Of([]byte(p))] = p[:1]
	}
	return names
}

// What is needed first is fetched first.
func TestOrder(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		pictures := []string{"1", "2", "3", "4", "5"}
		v := startOn(t, dir, store.Config{}, s, false, oneLane, func(c *library.Config) {
			c.Order = func(m *manifest.Manifest) []digest.Digest {
				var list []digest.Digest
				for _, i := range []int{3, 0, 4, 2, 1} {
					list = append(list, digest.Of([]byte(pictures[i])))
				}
				return list
			}
		})
		v.want(s.publish("a", pictures...))
		v.check(t, "a", "")
		if got := s.order(named(pictures...)); got != "4 1 5 3 2" {
			t.Errorf("asked for %s", got)
		}
	})
}

// Films that come slowly don't hold up pictures: a lane is kept for these.
func TestBigOnesDontStarveSmallOnes(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := startOn(t, dir, store.Config{}, s, false)
		var pictures []string
		for i := range 6 {
			pictures = append(pictures, fmt.Sprint(i)+strings.Repeat("big", 3<<20))
		}
		small := []string{"s1", "s2", "s3"}
		a := s.publish("a", append(slices.Clone(pictures), small...)...)
		for _, p := range pictures {
			s.held[digest.Of([]byte(p))] = true
		}
		v.want(a)
		for _, p := range small {
			if !v.has(p) {
				t.Errorf("%s has not come", p)
			}
		}
		v.stop()
	})
}

// What has come of a file before the viewer was switched off isn't fetched again.
func TestResumeAfterRestart(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		film := "f" + strings.Repeat("0123456789abcdef", 40<<10)
		d := digest.Of([]byte(film))
		a := s.publish("a", film)
		s.slow = map[digest.Digest]bool{d: true}
		v := startOn(t, dir, store.Config{}, s, false)
		v.Want(a)
		<-time.After(100 * time.Second) // three pieces of 70 KiB
		v.stop()
		v = startOn(t, dir, store.Config{}, s, false)
		if here := v.store.Partial(d); here < 3*70<<10 {
			t.Fatalf("%d bytes are kept", here)
		}
		here := v.store.Partial(d)
		v.Want(a)
		eventually()
		v.check(t, "a", "")
		first := v.progress[0]
		if first.BytesDone != here || first.Bytes != int64(len(film)) {
			t.Errorf("first progress %+v; %d bytes were there", first, here)
		}
	})
}

// Progress has a rate and a time left.
func TestRate(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		film := "f" + strings.Repeat("0123456789abcdef", 40<<10)
		s.slow = map[digest.Digest]bool{digest.Of([]byte(film)): true}
		v := startOn(t, dir, store.Config{}, s, false)
		v.Want(s.publish("a", film))
		<-time.After(100 * time.Second)
		synctest.Wait()
		v.mu.Lock()
		p := v.progress[len(v.progress)-1]
		v.mu.Unlock()
		if want := int64(70 << 10 / 29); p.Rate < want*9/10 || p.Rate > want*11/10 {
			t.Errorf("%d bytes per second, want about %d", p.Rate, want)
		}
		if left := time.Duration(float64(p.Bytes-p.BytesDone) / float64(p.Rate) * 1e9); p.Left < left*9/10 || p.Left > left*11/10 {
			t.Errorf("%v left, want %v", p.Left, left)
		}
		v.stop()
	})
}

// Out of the hours in which downloads are allowed nothing comes, but for the first programme; when they end, what has come stays.
func TestWindow(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		begun := time.Now()
		hours := func(c *library.Config) { // open in the first and the third hour
			c.Window = func() (bool, time.Duration) {
				hour := time.Since(begun) / time.Hour
				return hour%2 == 0, (hour+1)*time.Hour - time.Since(begun)
			}
		}
		v := startOn(t, dir, store.Config{}, s, false, hours)
		<-time.After(61 * time.Minute)
		v.want(s.publish("first", "1"))
		v.check(t, "first", "")
		b := s.publish("b", "2", "3")
		v.want(b)
		v.check(t, "first", "")
		<-time.After(58 * time.Minute)
		synctest.Wait()
		v.check(t, "first", "")
		<-time.After(2 * time.Minute)
		synctest.Wait()
		v.check(t, "b", "")

		film := "f" + strings.Repeat("0123456789abcdef", 80<<10) // 19 pieces, 9 minutes
		s.slow = map[digest.Digest]bool{digest.Of([]byte(film)): true}
		<-time.After(55 * time.Minute) // five minutes before they end
		v.Want(s.publish("c", film))
		<-time.After(10 * time.Minute)
		synctest.Wait()
		v.check(t, "b", "")
		if here := v.store.Partial(digest.Of([]byte(film))); here == 0 {
			t.Error("what came before they ended is gone")
		}
		<-time.After(2 * time.Hour)
		synctest.Wait()
		v.check(t, "c", "")
	})
}

// fakePeers are other viewers, as a test wants them.
type fakePeers struct {
	mu       sync.Mutex
	sources  func(digest.Digest) []fetch.Source
	demanded func(digest.Digest)
	done     []string
	came     int64
	ended    int
}

func (p *fakePeers) Share(_ context.Context, _ []digest.Digest, demanded func(digest.Digest)) library.Share {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.demanded = demanded
	return p
}

func (p *fakePeers) Sources(d digest.Digest) []fetch.Source { return p.sources(d) }

func (p *fakePeers) Came(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came += n
}

func (p *fakePeers) Done(d digest.Digest, here bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, fmt.Sprint(d.Short(), here))
}

func (p *fakePeers) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended++
}

// What peers have is taken from them, what they don't have from the server, and they are told of everything.
func TestPeersFirst(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		theirs, mine, lost := "1 theirs", "2 mine", "3 they said that they had it"
		a := s.publish("a", theirs, mine, lost)
		other := &site{}
		other.put(digest.Of([]byte(theirs)), theirs)
		peers := &fakePeers{sources: func(d digest.Digest) []fetch.Source {
			if d == digest.Of([]byte(theirs)) || d == digest.Of([]byte(lost)) {
				return []fetch.Source{{URL: "https://peer.example/v1/assets/" + d.String(), Near: true, Wait: 20 * time.Second}}
			}
			return nil
		}}
		v := startOn(t, dir, store.Config{}, s, false, func(c *library.Config) {
			c.Peers = peers
			c.Fetcher = fetch.New(fetch.Config{Transport: byHost{"peer.example": other, "server.example": s}, RetryWait: time.Millisecond, Retries: 1})
		})
		v.want(a)
		eventually()
		v.check(t, "a", "")
		if n := s.asked(digest.Of([]byte(theirs))); n != 0 {
			t.Errorf("the server was asked %d times for what a peer had", n)
		}
		if s.asked(digest.Of([]byte(mine))) != 1 || s.asked(digest.Of([]byte(lost))) != 1 {
			t.Errorf("the server was asked for %v", s.requests)
		}
		if len(peers.done) != 4 || peers.ended != 2 || peers.came < a.Size {
			t.Errorf("peers were told of %v, the end %d times, %d bytes", peers.done, peers.ended, peers.came)
		}
	})
}
