package library_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/manifest"
)

// A set is files of one size.
type set struct {
	name  string
	files int
	size  int64
}

// sets are what is fetched: one film, and many pictures. With -short they are small.
func sets() []set {
	if testing.Short() {
		return []set{{"film", 1, 16 << 20}, {"pictures", 40, 256 << 10}}
	}
	return []set{{"film", 1, 1 << 30}, {"pictures", 2000, 256 << 10}}
}

func (s set) bytes() int64 { return int64(s.files) * s.size }

// An origin is nginx with the files of a set and a manifest that uses them.
type origin struct {
	base   string
	wanted library.Ref
	assets []digest.Digest
}

// newOrigin makes a set of files that can't be compressed, and serves it.
func newOrigin(b *testing.B, s set) origin {
	b.Helper()
	needProgram(b, "nginx", "nginx-light")
	www := diskFolder(b)
	for _, folder := range []string{"/v1/assets", "/v1/manifests"} {
		if err := os.MkdirAll(www+folder, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	var o origin
	for i := range s.files {
		o.assets = append(o.assets, randomFile(b, www+"/v1/assets", i, s.size))
	}
	document := slideshow(b, o.assets, s.size)
	o.wanted = sign(document)
	if err := os.WriteFile(www+"/v1/manifests/"+o.wanted.Digest.String(), document, 0o644); err != nil {
		b.Fatal(err)
	}
	o.base = "http://" + nginx(b, www)
	return o
}

// slideshow is a manifest that shows pictures of one size, in bytes, one after the other.
func slideshow(b *testing.B, pictures []digest.Digest, size int64) []byte {
	b.Helper()
	m := &manifest.Manifest{Version: 1, ID: "slideshow", Issued: time.Unix(1e9, 0).UTC(), Assets: map[digest.Digest]manifest.Asset{}}
	zone := manifest.Zone{ID: "z", W: 100, H: 100}
	for i, d := range pictures {
		m.Assets[d] = manifest.Asset{Size: size, Type: "image/png", Name: fmt.Sprintf("picture %d", i)}
		zone.Playlist = append(zone.Playlist, manifest.Item{Type: manifest.Image, Asset: d, Seconds: 1})
	}
	m.Presentations = map[string]manifest.Presentation{"p": {Zones: []manifest.Zone{zone}}}
	m.Schedule.Default = "p"
	document, err := manifest.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	return document
}

// randomFile makes file number n of a set under the name of its digest. The same n gives the same bytes.
func randomFile(b *testing.B, folder string, n int, size int64) digest.Digest {
	b.Helper()
	temporary := filepath.Join(folder, "new")
	f, err := os.Create(temporary)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	noise := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	if _, err := io.CopyN(io.MultiWriter(f, h), noise, size); err != nil {
		b.Fatal(err)
	}
	d := digest.Digest(h.Sum(nil))
	if err := os.Rename(temporary, filepath.Join(folder, d.String())); err != nil {
		b.Fatal(err)
	}
	return d
}

// nginx serves a folder by one process and over plain HTTP, and gives its address.
func nginx(b *testing.B, www string) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	etc := b.TempDir()
	config := "worker_processes 1;\nevents { worker_connections 64; }\nhttp {\naccess_log off;\nsendfile on;\ndefault_type application/octet-stream;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, etc, kind)
	}
	config += fmt.Sprintf("server { listen %s; root %s; }\n}\n", addr, www)
	path := filepath.Join(etc, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	c := exec.Command("nginx", "-p", etc, "-c", path, "-e", "stderr", "-g", "daemon off; master_process off; pid "+etc+"/pid; error_log stderr;")
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return addr
		}
		if time.Now().After(deadline) {
			b.Fatal("nginx doesn't listen")
		}
	}
}

// list writes a file with lines for every asset, as the programs of others take them, and gives its path.
func (o origin) list(b *testing.B, format string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "list")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for _, d := range o.assets {
		fmt.Fprint(w, strings.NewReplacer("URL", o.base+"/v1/assets/"+d.String(), "NAME", d.Hex()).Replace(format))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	return path
}

// contestants are a viewer, and programs that only copy: they know no hashes and sync nothing.
func (o origin) contestants(b *testing.B) []contestant {
	curl := o.list(b, "url = URL\noutput = NAME\n")
	aria := o.list(b, "URL\n out=NAME\n")
	in := func(folder string, c *exec.Cmd) *exec.Cmd {
		c.Dir = folder
		return c
	}
	return []contestant{
		{"viewer", func(b *testing.B, folder string) *exec.Cmd {
			return task{Folder: folder, Server: o.base, Wanted: o.wanted}.command(b)
		}},
		{"curl", func(b *testing.B, folder string) *exec.Cmd {
			return in(folder, exec.Command("curl", "-sSf", "-K", curl))
		}},
		{"curl-Z", func(b *testing.B, folder string) *exec.Cmd {
			return in(folder, exec.Command("curl", "-sSf", "-Z", "--parallel-max", "4", "-K", curl))
		}},
		{"aria2c", func(b *testing.B, folder string) *exec.Cmd {
			return in(folder, exec.Command("aria2c", "-q", "-x1", "-s1", "-j4", "--file-allocation=falloc", "-i", aria))
		}},
	}
}

// BenchmarkOrigin gives what it takes to get a film, or many pictures, from one nginx on this machine onto the disk, beside programs of others. Ours
// checks every hash and syncs every file, theirs do neither.
func BenchmarkOrigin(b *testing.B) {
	needProgram(b, timeProgram, "time")
	needProgram(b, "curl", "curl")
	needProgram(b, "aria2c", "aria2")
	for _, s := range sets() {
		b.Run(s.name, func(b *testing.B) {
			o := newOrigin(b, s)
			contestants := o.contestants(b)
			folder := diskFolder(b)
			c := contest{}
			for b.Loop() {
				c.round(b, folder, contestants)
			}
			c.report(b, "viewer")
		})
	}
}
