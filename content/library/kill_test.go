package library_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/library"
	"vitrine/content/manifest"
	"vitrine/content/store"
)

// The environment of the process that is killed.
const (
	killFolder = "VITRINE_KILL_FOLDER"
	killServer = "VITRINE_KILL_SERVER"
)

const (
	// killCount is the environment variable with the number of kills.
	killCount    = "VITRINE_KILLS"
	defaultKills = 100
	// programmes is more than the process can activate in all its lives.
	programmes = 3000
)

// kills is how often the process is killed.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv(killCount)
	if text == "" {
		return defaultKills
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: want a number", killCount, text)
	}
	return n
}

func TestMain(m *testing.M) {
	if task := os.Getenv(benchTask); task != "" {
		if err := runBenchTask(task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(killFolder); dir != "" {
		if err := live(dir, os.Getenv(killServer)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// numbered is programme n: it shares two of its three pictures with its neighbours.
func numbered(n int) (document []byte, pictures []string) {
	for i := n; i < n+3; i++ {
		pictures = append(pictures, strings.Repeat(fmt.Sprintf("%d, ", i), 2000+i%5*1000+i%7/6*50_000))
	}
	return compose(strconv.Itoa(n), pictures...), pictures
}

// live is a viewer that is told of a new programme whenever it has the one before. It confirms each by a line on its
// standard output, and ends with its standard input.
func live(dir, server string) error {
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()
	var l *library.Library
	next := func(n int) {
		document, _ := numbered(n)
		l.Want(sign(document))
	}
	l = library.New(library.Config{
		Store:   s,
		Fetcher: fetch.New(fetch.Config{}),
		Key:     func() ed25519.PublicKey { return siteKey.Public().(ed25519.PublicKey) },
		Bases:   func() []string { return []string{server} },
		Accept:  func(*manifest.Manifest) error { return nil },
		Activated: func(a library.Active) {
			fmt.Println(a.Manifest.ID)
			n, _ := strconv.Atoi(a.Manifest.ID)
			next(n + 1)
		},
		Progress: func(library.Progress) {},
		Fault: func(err error) {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		},
		Now: time.Now,
	})
	if _, ok := s.Current(); !ok {
		next(1)
	}
	fmt.Println("ready")
	return l.Run(ctx)
}

// Whenever the process is killed, what it has confirmed is there, whole, or something newer is.
func TestKill(t *testing.T) {
	server := httptest.NewServer(everything())
	defer server.Close()
	dir := t.TempDir()
	confirmed, lives, n := 0, map[int]bool{}, kills(t)
	for range n {
		confirmed = max(confirmed, killOnce(t, dir, server.URL))
		found := inspect(t, dir, confirmed)
		lives[found] = true
		confirmed = max(confirmed, found)
	}
	if len(lives) < n/4 || confirmed >= programmes {
		t.Errorf("the kills came at %d different programmes of %d: this tests little", len(lives), confirmed)
	}
	t.Logf("killed %d times in %d programmes", n, confirmed)
}

// everything serves all programmes. They are made when they are asked for: together they would be large.
func everything() http.Handler {
	documents, pictures := map[digest.Digest]int{}, map[digest.Digest]int{}
	for n := 1; n <= programmes; n++ {
		document, shows := numbered(n)
		documents[digest.Of(document)] = n
		pictures[digest.Of([]byte(shows[0]))] = n
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d, _ := digest.Parse(path.Base(r.URL.Path))
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", `"`+d.String()+`"`)
		if n, ok := documents[d]; ok {
			document, _ := numbered(n)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(document))
		} else if n, ok := pictures[d]; ok {
			_, shows := numbered(n)
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(shows[0]))
		} else {
			http.NotFound(w, r)
		}
	})
}

// killOnce starts the process and kills it a moment later. It gives the last programme that was confirmed.
func killOnce(t *testing.T, dir, server string) (confirmed int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killFolder+"="+dir, killServer+"="+server)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Errorf("the process said %q, %v", line, err)
	}
	killer := time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a line without its end isn't a confirmation
		}
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil {
			confirmed = n
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process ended by itself")
	}
	return confirmed
}

// inspect opens the folder as the next start would, and gives the number of its programme.
func inspect(t *testing.T, dir string, confirmed int) int {
	t.Helper()
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g, ok := s.Current()
	if !ok {
		if confirmed > 0 {
			t.Fatalf("programme %d was confirmed, and none is there", confirmed)
		}
		return 0
	}
	f, err := s.Open(g.Manifest)
	if err != nil {
		t.Fatalf("the manifest of the current programme: %v", err)
	}
	defer f.Close()
	document, err := io.ReadAll(f)
	if err != nil || digest.Of(document) != g.Manifest || g != (store.Generation{Manifest: g.Manifest, Size: int64(len(document)), Signature: sign(document).Signature, Activated: g.Activated}) {
		t.Fatalf("the manifest isn't that of generation %+v: %v", g, err)
	}
	m, err := manifest.Parse(document)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(m.ID)
	if published, _ := numbered(n); err != nil || string(published) != string(document) {
		t.Fatalf("programme %q was never published", m.ID)
	}
	if n < confirmed {
		t.Errorf("programme %d is current, though %d was confirmed", n, confirmed)
	}
	whole(t, s, m)
	return n
}
