package kiosk

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/platform/child"
)

// A glass is the screen of an X server that draws into a file, where it can be looked at many times a second.
type glass struct {
	display string
	frame   *os.File
	// The file is a window dump: where its pixels begin, and how large they are (XWDFile.h). A pixel has four bytes, blue first.
	begin, width, height, line int64
}

// newGlass starts an X server.
func newGlass(t *testing.T) *glass {
	t.Helper()
	needs(t, "Xvfb")
	dir := t.TempDir()
	told, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x768x24", "-fbdir", dir, "-br")
	server.ExtraFiles = []*os.File{tell}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // it was killed
	})
	_ = tell.Close() // the server has its own
	number, err := bufio.NewReader(told).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb doesn't start: %v", err)
	}
	g := &glass{display: ":" + strings.TrimSpace(number)}
	if g.frame, err = os.Open(filepath.Join(dir, "Xvfb_screen0")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.frame.Close() })
	var header [25]uint32
	if err := binary.Read(g.frame, binary.BigEndian, &header); err != nil {
		t.Fatal(err)
	}
	g.begin, g.width, g.height, g.line = int64(header[0]+12*header[19]), int64(header[4]), int64(header[5]), int64(header[12])
	return g
}

// look counts how many of a grid of points are bright, and how many have a colour. There is a pointer, too.
func (g *glass) look(t *testing.T, red, green, blue byte) (bright, coloured, all int) {
	t.Helper()
	const rows, columns = 12, 16
	line := make([]byte, g.line)
	for row := range int64(rows) {
		if _, err := g.frame.ReadAt(line, g.begin+g.line*((2*row+1)*g.height/(2*rows))); err != nil {
			t.Fatal(err)
		}
		for column := range int64(columns) {
			p := line[4*((2*column+1)*g.width/(2*columns)):]
			if max(p[0], p[1], p[2]) > 0x30 {
				bright++
			}
			if p[0] == blue && p[1] == green && p[2] == red {
				coloured++
			}
		}
	}
	return bright, coloured, rows * columns
}

// needs skips a test without a program, or lets it fail with CI set.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(program + " isn't installed")
			}
			t.Skip(program + " isn't installed")
		}
	}
}

// slowSite is a page of the colour 102030 that comes only when it is let go. It says which colours it and a page of another site in a frame are asked to have, and
// turns to a page without a background once that is heard.
func slowSite(t *testing.T) (url string, asked, letGo chan struct{}, said chan string) {
	t.Helper()
	asked, letGo, said = make(chan struct{}), make(chan struct{}), make(chan string)
	const prefers = `["light", "dark"].filter(scheme => matchMedia("(prefers-color-scheme: " + scheme + ")").matches)`
	mux := http.NewServeMux()
	html := func(w http.ResponseWriter, text string) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>page</title>", text)
	}
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		select {
		case <-letGo:
		case <-r.Context().Done(): // the test has failed
		}
		other := strings.Replace(r.Host, "127.0.0.1", "localhost", 1)
		html(w, `<style>html { background: #102030; } iframe { border: 0; width: 10px; height: 10px; }</style><iframe src="http://`+other+`/frame"></iframe><script>
			addEventListener("message", ({data}) => fetch("/said?page=" + `+prefers+` + "&frame=" + data).then(() => location = "/plain"));
			</script>`)
	})
	mux.HandleFunc("/frame", func(w http.ResponseWriter, _ *http.Request) {
		html(w, `<script>parent.postMessage(`+prefers+`, "*");</script>`)
	})
	mux.HandleFunc("/plain", func(w http.ResponseWriter, _ *http.Request) { html(w, "<body>") })
	mux.HandleFunc("/said", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case said <- r.URL.RawQuery:
		case <-r.Context().Done():
		}
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site.URL + "/", asked, letGo, said
}

// onGlass are the ways to a screen: a window on a desktop, and the whole of it by cage, which here shows it in a window of its own. What it is started by says that.
var onGlass = map[string]func(t *testing.T, c *Config, display string){
	"X11": func(_ *testing.T, c *Config, display string) {
		c.Environment = append(c.Environment, "DISPLAY="+display)
	},
	"cage": func(t *testing.T, _ *Config, display string) {
		needs(t, "cage")
		cage, err := exec.LookPath("cage")
		if err != nil {
			t.Fatal(err)
		}
		dir := openFolder(t, "")
		text := "#!/bin/sh\nexport WLR_BACKENDS=x11 WLR_RENDERER=pixman WLR_LIBINPUT_NO_DEVICES=1 DISPLAY=" + display + "\nexec " + cage + ` "$@"`
		if err := os.WriteFile(filepath.Join(dir, "cage"), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	},
}

// openFolder is a folder that others may enter, and that belongs to a user, if there is one.
func openFolder(t *testing.T, user string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if user != "" {
		err = child.Give(dir, user)
	} else {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// From its start until its first page is painted a browser shows nothing bright, but for a flash now and then. Its pages are told that light is preferred all the same, and one without a
// background is white.
func TestDarkUntilThePage(t *testing.T) {
	for way, onto := range onGlass {
		t.Run(way, func(t *testing.T) {
			g := newGlass(t)
			url, asked, letGo, said := slowSite(t)
			c := chromiumConfig(t, url)
			c.Arguments = slices.DeleteFunc(c.Arguments, func(arg string) bool { return arg == "--headless" })
			c.Environment = []string{"XDG_RUNTIME_DIR=" + openFolder(t, c.User)}
			t.Setenv("WAYLAND_DISPLAY", "")
			t.Setenv("DISPLAY", "")
			onto(t, &c, g.display)
			start(t, New(c))

			const waited = 400 // looks while the page doesn't come: two seconds
			const few = 3      // points may be the pointer's
			// At about one start in five of Chromium 156 all is white for 10 ms to 0.4 s, on a busy machine: see blackArguments.
			const flashes = 150
			look := time.NewTicker(5 * time.Millisecond)
			defer look.Stop()
			late := time.After(patience)
			since, flash, painted := 0, 0, false
			var heard chan string // once the page is seen
			for white := false; !white; {
				select {
				case got := <-heard:
					if got != "page=light&frame=light" {
						t.Errorf("the pages are asked for %s", got)
					}
				case <-late:
					t.Fatalf("after %v: asked for %v, painted %v", patience, asked == nil, painted)
				case <-asked:
					asked, since = nil, 1
				case <-look.C:
				}
				if since > 0 {
					since++
				}
				if since == waited {
					close(letGo)
				}
				bright, coloured, all := g.look(t, 0x10, 0x20, 0x30)
				if !painted && coloured > all/2 {
					painted, heard = true, said
				}
				if !painted && bright > few {
					flash++
				}
				if flash > flashes {
					t.Fatalf("the screen is bright before there is a page: %d of %d points, at the %dth look", bright, all, flash)
				}
				_, plain, _ := g.look(t, 0xff, 0xff, 0xff)
				white = painted && plain > all/2
			}
		})
	}
}
