package fetch_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
)

// nginx serves a folder, and gives its address.
func nginx(t testing.TB, folder string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("nginx is missing (Debian package nginx-light)")
	}
	if err != nil {
		t.Skip("nginx is missing (Debian package nginx-light)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := fmt.Sprintf(`daemon off; error_log stderr; pid %[1]s/pid; worker_processes 1; user root;
events {}
http { access_log off; sendfile on; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
server { listen %[2]s; root %[3]s; } }`, dir, addr, folder)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "-c", path)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait()
	})
	awaitPort(t, addr)
	return addr
}

// awaitPort waits until something listens.
func awaitPort(t testing.TB, addr string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for range 250 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return
		}
		<-ticker.C
	}
	t.Fatalf("nothing listens on %s", addr)
}

// A liar passes on what an honest server says, or does something else with it.
type liar struct {
	server string
	mu     sync.Mutex
	random *rand.Rand
	did    map[string]int
}

// tricks are what it does, by name; each gets the whole answer.
var tricks = map[string]func(w http.ResponseWriter, r *http.Request, head http.Header, status int, body []byte, at int){
	"cut": func(w http.ResponseWriter, _ *http.Request, head http.Header, status int, body []byte, at int) {
		pass(w, head, status, body[:at])
		panic(http.ErrAbortHandler)
	},
	"stall": func(w http.ResponseWriter, r *http.Request, head http.Header, status int, body []byte, at int) {
		// Not after the last byte: the client would be through, and send its next request on this connection.
		pass(w, head, status, body[:min(at, max(len(body)-1, 0))])
		<-r.Context().Done()
	},
	"flip": func(w http.ResponseWriter, _ *http.Request, head http.Header, status int, body []byte, at int) {
		if len(body) > 0 {
			body[at%len(body)] ^= 0x10
		}
		pass(w, head, status, body)
	},
	"reorder": func(w http.ResponseWriter, _ *http.Request, head http.Header, status int, body []byte, at int) {
		pass(w, head, status, append(body[at:len(body):len(body)], body[:at]...))
	},
	"page": func(w http.ResponseWriter, _ *http.Request, _ http.Header, _ int, _ []byte, _ int) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><form>Welcome to our hotel")
	},
	"more": func(w http.ResponseWriter, _ *http.Request, head http.Header, status int, body []byte, at int) {
		head.Del("Content-Length")
		pass(w, head, status, append(body, body[:at]...))
	},
	"less": func(w http.ResponseWriter, _ *http.Request, head http.Header, status int, body []byte, at int) {
		head.Set("Content-Length", strconv.Itoa(at))
		pass(w, head, status, body[:at])
	},
	"whole": func(w http.ResponseWriter, _ *http.Request, head http.Header, _ int, body []byte, _ int) {
		pass(w, head, http.StatusOK, body) // also if it is the rest
	},
	"elsewhere": func(w http.ResponseWriter, _ *http.Request, head http.Header, _ int, body []byte, at int) {
		head.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, at+len(body)-1, at+len(body)))
		pass(w, head, http.StatusPartialContent, body)
	},
	"gzip": func(w http.ResponseWriter, _ *http.Request, head http.Header, status int, body []byte, _ int) {
		head.Set("Content-Encoding", "gzip")
		pass(w, head, status, body)
	},
	"changed": func(w http.ResponseWriter, _ *http.Request, head http.Header, status int, body []byte, at int) {
		head.Set("Etag", fmt.Sprintf(`"%d"`, at))
		pass(w, head, status, body)
	},
	"busy": func(w http.ResponseWriter, _ *http.Request, _ http.Header, _ int, _ []byte, _ int) {
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusServiceUnavailable)
	},
}

func pass(w http.ResponseWriter, head http.Header, status int, body []byte) {
	for name, values := range head {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
}

// choose is a trick, or "" for none: that is every third answer.
func (l *liar) choose(most int) (trick string, at int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.random.IntN(3) > 0 {
		n := l.random.IntN(len(tricks))
		for trick = range sortedTricks() {
			if n--; n < 0 {
				break
			}
		}
	}
	l.did[trick]++
	return trick, l.random.IntN(most + 1)
}

// sortedTricks gives the tricks in an order that a seed repeats.
func sortedTricks() func(func(string) bool) {
	names := []string{"busy", "changed", "cut", "elsewhere", "flip", "gzip", "less", "more", "page", "reorder", "stall", "whole"}
	return func(yield func(string) bool) {
		for _, name := range names {
			if !yield(name) {
				return
			}
		}
	}
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	onward, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+l.server+r.URL.Path, nil)
	if err != nil {
		panic(err)
	}
	onward.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(onward)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	trick, at := l.choose(len(body))
	if trick == "" {
		pass(w, resp.Header, resp.StatusCode, body)
		return
	}
	tricks[trick](w, r, resp.Header.Clone(), resp.StatusCode, bytes.Clone(body), at)
}

// nginx behind something that cuts, stalls, corrupts, reorders and lies: never a wrong byte, and in the end every file comes.
func TestNginxThroughLiar(t *testing.T) {
	folder := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var jobs []fetch.Job
	l := &liar{server: nginx(t, folder), random: rand.New(rand.NewPCG(seed, 1)), did: map[string]int{}}
	server := httptest.NewServer(l)
	defer server.Close()
	for i := range 100 {
		b := make([]byte, 1+random.IntN(1<<uint(4+i%18)))
		for j := range b {
			b[j] = byte(random.Uint32())
		}
		d := digest.Of(b)
		if err := os.WriteFile(filepath.Join(folder, d.Hex()), b, 0o644); err != nil {
			t.Fatal(err)
		}
		// The liar goes by many names, so that it isn't barred for good.
		jobs = append(jobs, fetch.Job{Digest: d, Size: int64(len(b)), Type: "video/mp4"})
	}
	s := openStore(t, t.TempDir())
	c := config()
	c.Stall = 100 * time.Millisecond
	f := fetch.New(c)
	for _, j := range jobs {
		var failed error
		for try := range 100 {
			j.Sources = []fetch.Source{{URL: fmt.Sprintf("%s/%s?%d", server.URL, j.Digest.Hex(), try)}}
			if failed = f.Fetch(t.Context(), s, j); failed == nil {
				break
			}
			if s.Has(j.Digest, j.Size) {
				t.Fatalf("it failed, and yet it is there: %v", failed)
			}
		}
		if err := errors.Join(failed, s.Verify(t.Context(), j.Digest)); err != nil {
			t.Fatalf("%d bytes: %v", j.Size, err)
		}
	}
	t.Logf("tricks: %v", l.did)
	for trick := range tricks {
		if l.did[trick] == 0 {
			t.Errorf("%q was never tried", trick)
		}
	}
}
