package view_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/agent/server/view"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

const (
	key    = "abcdefghijklmnop"
	oldKey = "ponmlkjihgfedcba"
)

// picture is the one asset; nothing looks at it.
var picture = []byte("0123456789")

// A world is a view with what it is given.
type world struct {
	*view.View
	door  *view.Door
	log   lockedBuffer
	plays chan player.Play

	mu    sync.Mutex
	links []view.Link
	deny  error // why plays can't be kept
}

// start runs a view until the test ends.
func start(t *testing.T, p view.Ports) *world {
	t.Helper()
	w, _ := run(t, p)
	return w
}

// run runs a view until stop is called or the test ends.
func run(t *testing.T, p view.Ports) (w *world, stop func()) {
	t.Helper()
	w = &world{plays: make(chan player.Play, 16), links: []view.Link{{ID: "tv", Name: "Lobby TV", Hash: view.HashKey(key), Ended: []string{view.HashKey(oldKey)}}}}
	log := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if w.door, err = view.Open(p, log); err != nil {
		t.Fatal(err)
	}
	w.View = view.New(w.door, view.Config{
		Issue: issue, CA: []byte("the CA"), Site: "test", Version: "v1", Log: log,
		Links: func() ([]view.Link, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.links, nil
		},
		Assets: func(d digest.Digest) (io.ReadSeekCloser, error) {
			if d != digest.Of(picture) {
				return nil, fs.ErrNotExist
			}
			return nopCloser{bytes.NewReader(picture)}, nil
		},
		Played: func(viewer string, p player.Play) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.deny == nil {
				w.plays <- p
			}
			return w.deny
		},
		Failed: func(string, player.Failure) {},
	})
	w.Show(programme("one"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("the view has not ended")
		}
		w.door.Close()
	})
	t.Cleanup(stop)
	awaitTrue(t, "screen", func() bool { _, ok := w.Status("tv"); return ok })
	return w, stop
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// lockedBuffer is written to by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func awaitTrue(t *testing.T, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(patience); !ok(); {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("there is no %s", what)
		}
	}
}

// programme is one with a picture and a lunch.
func programme(id string) player.Programme {
	return player.Programme{Generation: digest.Of([]byte(id)), Manifest: &manifest.Manifest{
		Version: manifest.Version, ID: id,
		Assets: map[digest.Digest]manifest.Asset{digest.Of(picture): {Size: int64(len(picture)), Type: "image/png", Name: "a.png"}},
		Presentations: map[string]manifest.Presentation{
			"welcome": {Zones: []manifest.Zone{{ID: "main", W: 100, H: 100, Playlist: []manifest.Item{{Type: manifest.Image, Asset: digest.Of(picture), Seconds: 10}}}}},
			"lunch":   {Zones: []manifest.Zone{{ID: "main", W: 100, H: 100, Playlist: []manifest.Item{{Type: manifest.Text, Text: "Soup", Seconds: 10}}}}},
		},
		Schedule: manifest.Schedule{Default: "welcome"},
	}}
}

// issue makes a certificate of no CA.
func issue(names []string, addresses []net.IP) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0), DNSNames: names, IPAddresses: addresses}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// insecure is a client that believes every certificate and follows no redirect.
func insecure(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// get asks, with headers in pairs; Host is one.
func get(t *testing.T, c *http.Client, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// What is under a link, and what isn't there, for whom.
// A view ends whoever sees the end of its context first.
func TestEnds(t *testing.T) {
	for range 200 {
		_, stop := run(t, view.Ports{TLS: "127.0.0.1:0", HTTP: "127.0.0.1:0"})
		stop()
	}
}

func TestWhatIsAnswered(t *testing.T) {
	w := start(t, view.Ports{TLS: "127.0.0.1:0", Names: []string{"Signage.example"}})
	c, base := insecure(t), w.Base("127.0.0.1")
	link := base + "view/Lobby%20TV/" + key
	if got := w.Link("", "Lobby TV", key); got != strings.Replace(link, "127.0.0.1", "Signage.example", 1)+"/" {
		t.Errorf("link %s", got)
	}
	for _, q := range []struct {
		name, url string
		header    []string
		status    int
		want      string
	}{
		{"the page", link + "/", nil, 200, "<vitrine-screen>"},
		{"any name before the key", base + "view/x/" + key + "/", nil, 200, "<vitrine-screen>"},
		{"without the last slash", link, nil, 308, ""},
		{"its own file", link + "/web/link.js", nil, 200, "Keeper"},
		{"the player's file", link + "/web/zone.js", nil, 200, "vitrine-zone"},
		{"the worker", link + "/sw.js", nil, 200, `"keeper.js"`},
		{"the plan", link + "/v1/programme", nil, 200, `"presentation":"welcome"`},
		{"an asset", link + "/assets/" + digest.Of(picture).String(), nil, 200, "0123456789"},
		{"another asset", link + "/assets/" + digest.Of([]byte("x")).String(), nil, 404, ""},
		{"the agent's status", link + "/v1/status", nil, 404, ""},
		{"a wrong key", base + "view/Lobby%20TV/aaaaaaaaaaaaaaaa/", nil, 404, "This link leads nowhere"},
		{"the hash as the key", base + "view/Lobby%20TV/" + view.HashKey(key) + "/", nil, 404, "This link leads nowhere"},
		{"a key that has ended", base + "view/Lobby%20TV/" + oldKey + "/", nil, 410, "This link has ended"},
		{"no key", base + "view/Lobby%20TV", nil, 404, "This link leads nowhere"},
		{"the first page", base, nil, 200, view.Fingerprint([]byte("the CA"))},
		{"the CA", base + "ca.crt", nil, 200, "the CA"},
		{"the viewers' API", base + "v1/enroll", nil, 404, ""},
		{"its manifests, with the key", base + "v1/manifests/" + digest.Of([]byte("one")).String() + "?key=" + key, nil, 404, ""},
		{"its own name", link + "/", []string{"Host", "signage.example:8443"}, 200, "<vitrine-screen>"},
		{"a name that points here", link + "/", []string{"Host", "evil.example"}, 421, "--view-name evil.example"},
		{"a page of another site", link + "/", []string{"Origin", "https://evil.example"}, 421, "no business"},
	} {
		t.Run(q.name, func(t *testing.T) {
			response, body := get(t, c, q.url, q.header...)
			if response.StatusCode != q.status || !strings.Contains(body, q.want) {
				t.Errorf("%s: %.300s", response.Status, body)
			}
			if strings.Contains(body, key) && q.status != 308 {
				t.Error("the answer has the key")
			}
			if response.Header.Get("Referrer-Policy") != "no-referrer" || response.Header.Get("Content-Security-Policy") == "" {
				t.Errorf("headers %v", response.Header)
			}
		})
	}
	if text := w.log.String(); strings.Contains(text, key) || strings.Contains(text, oldKey) {
		t.Errorf("the log has a key:\n%s", text)
	}
}

// page opens the WebSocket of a link.
func page(t *testing.T, c *http.Client, base, key string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), base+"view/x/"+key+"/v1/page", &websocket.DialOptions{HTTPClient: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// await reads until a message of that type comes.
func await(t *testing.T, conn *websocket.Conn, kind string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		if m["type"] == kind {
			return m
		}
	}
}

// A link that ends takes its pages with it at once, and they hear why as soon as they come back. One that is only unknown says nothing of the kind.
func TestRevokedLink(t *testing.T) {
	w := start(t, view.Ports{HTTP: "127.0.0.1:0"})
	c, base := insecure(t), w.Base("")
	conn := page(t, c, base, key)
	await(t, conn, "programme")
	if status, _ := w.Status("tv"); status.Pages != 1 || status.Reported.Session.State != protocol.StateConnected || len(status.Reported.Playing) != 1 {
		t.Errorf("status %+v", status)
	}
	if result := w.Do("tv", protocol.Command{ID: "1", Name: protocol.CommandIdentify}); result.State != protocol.ResultDone {
		t.Errorf("result %+v", result)
	}
	if m := await(t, conn, "identify"); m["name"] != "Lobby TV" {
		t.Errorf("identify %v", m)
	}
	if result := w.Do("tv", protocol.Command{ID: "2", Name: protocol.CommandReboot}); result.State != protocol.ResultFailed || !strings.Contains(result.Error, "browser") {
		t.Errorf("result %+v", result)
	}

	w.mu.Lock()
	w.links = []view.Link{{ID: "tv", Name: "Lobby TV", Ended: []string{view.HashKey(key)}}}
	w.mu.Unlock()
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			if ctx.Err() != nil {
				t.Fatal("the page stays")
			}
			break
		}
	}
	await(t, page(t, c, base, key), "over")
	awaitTrue(t, "end of the page", func() bool { status, _ := w.Status("tv"); return status.Pages == 0 })
	if result := w.Do("tv", protocol.Command{ID: "3", Name: protocol.CommandIdentify}); result.State != protocol.ResultFailed {
		t.Errorf("result %+v", result)
	}

	w.mu.Lock()
	w.links = nil
	w.mu.Unlock()
	if err := w.Refresh(); err != nil {
		t.Fatal(err)
	}
	_, response, err := websocket.Dial(t.Context(), base+"view/x/"+key+"/v1/page", &websocket.DialOptions{HTTPClient: c})
	if err == nil || response.StatusCode != 404 {
		t.Errorf("an unknown link: %v", err)
	}
}

// What was played is acknowledged once it is kept, and not before.
func TestPlaysAreKept(t *testing.T) {
	w := start(t, view.Ports{HTTP: "127.0.0.1:0"})
	conn := page(t, insecure(t), w.Base(""), key)
	m := await(t, conn, "programme")
	say := func() {
		t.Helper()
		data, err := json.Marshal(map[string]any{
			"type": "played", "play": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "generation": m["generation"], "presentation": "welcome", "zone": "main",
			"index": 0, "asset": digest.Of(picture), "since": float64(time.Now().UnixMilli()), "seconds": 10, "complete": true,
		})
		if err == nil {
			err = conn.Write(t.Context(), websocket.MessageText, data)
		}
		// Questions are answered in order: once this one is, the play has been looked at.
		if err == nil {
			err = conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"time","id":1}`))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.mu.Lock()
	w.deny = errors.New("the disk is full")
	w.mu.Unlock()
	say()
	for kind := ""; kind != "time"; {
		_, data, err := conn.Read(t.Context())
		if err != nil || strings.Contains(string(data), `"noted"`) {
			t.Fatalf("%s %v", data, err)
		}
		var m struct{ Type string }
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		kind = m.Type
	}
	w.mu.Lock()
	w.deny = nil
	w.mu.Unlock()
	say()
	await(t, conn, "noted")
	if p := <-w.plays; p.Name != "a.png" || !p.Complete {
		t.Errorf("play %+v", p)
	}
}

// Whoever guesses is soon left without an answer, right or wrong; others aren't.
func TestGuessing(t *testing.T) {
	w := start(t, view.Ports{HTTP: "127.0.0.1:0"})
	c, base := insecure(t), w.Base("")
	for i := range 100 {
		response, _ := get(t, c, fmt.Sprintf("%sview/x/%016d/", base, i))
		if response.StatusCode == http.StatusTooManyRequests {
			if i < 20 {
				t.Errorf("after %d guesses", i)
			}
			break
		}
	}
	response, _ := get(t, c, base+"view/x/"+key+"/")
	if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "" {
		t.Errorf("the right key after many guesses: %s", response.Status)
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	other := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	if response, _ := get(t, other, base+"view/x/"+key+"/"); response.StatusCode != 200 {
		t.Errorf("from another address: %s", response.Status)
	}
}

// Without TLS, browsers are sent to it; or served as they are where that is wanted.
func TestPlainPort(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprint(plain), func(t *testing.T) {
			http := freePort(t)
			w := start(t, view.Ports{TLS: "127.0.0.1:0", HTTP: http, Plain: plain})
			response, _ := get(t, insecure(t), "http://"+http+"/view/Lobby%20TV/"+key+"/?x=1")
			if want := w.Base("") + "view/Lobby%20TV/" + key + "/?x=1"; !plain && (response.StatusCode != 308 || response.Header.Get("Location") != want) {
				t.Errorf("%s to %s, want %s", response.Status, response.Header.Get("Location"), want)
			}
			if plain && response.StatusCode != 200 {
				t.Error(response.Status)
			}
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// An operator's certificate is taken from its files, with its names; one that can't be read says which.
func TestOperatorsCertificate(t *testing.T) {
	dir := t.TempDir()
	ports := view.Ports{TLS: "127.0.0.1:0", CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	if _, err := view.Open(ports, nil); err == nil || !strings.Contains(err.Error(), ports.CertFile) {
		t.Errorf("error %v", err)
	}
	cert, err := issue([]string{"*.signage.example", "signage.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{ports.CertFile: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, ports.KeyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := start(t, ports)
	if !strings.HasPrefix(w.Base(""), "https://signage.example:") || w.SiteCA() {
		t.Errorf("base %s", w.Base(""))
	}
	base := w.Base("127.0.0.1")
	c := insecure(t)
	response, _ := get(t, c, base+"view/x/"+key+"/", "Host", "lobby.signage.example")
	if response.StatusCode != 200 || !response.TLS.PeerCertificates[0].Equal(cert.Leaf) {
		t.Errorf("%s", response.Status)
	}
	if response, _ := get(t, c, base+"ca.crt"); response.StatusCode != 404 {
		t.Errorf("the CA: %s", response.Status)
	}
}
