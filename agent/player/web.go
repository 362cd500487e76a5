package player

import (
	"bytes"
	"embed"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitrine/content/digest"
)

//go:embed web
var pageFiles embed.FS

// mimeTypes are the kinds of file that the page is made of. The operating system's own table isn't asked: on Windows anybody
// may have set it to anything, and browsers refuse modules of the wrong type.
var mimeTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// A webFile is one file of the page.
type webFile struct {
	data     []byte
	mimeType string
	etag     string
}

// webFiles are the files of the page, by their path below web/.
type webFiles struct {
	files   map[string]webFile
	version string
}

// newWebFiles reads the page from the binary, with more files or none, and puts the settings into it. Its version is a hash of all its files and
// the settings: it changes when they do, not with every release of the agent.
func newWebFiles(more fs.FS, rotation int, mark bool) *webFiles {
	own, err := fs.Sub(pageFiles, "web")
	if err != nil {
		panic(err) // the files are part of the program
	}
	w := &webFiles{files: map[string]webFile{}}
	w.add(own)
	if more != nil {
		w.add(more)
	}
	settings := []string{"{{rotation}}", strconv.Itoa(rotation), "{{mark}}", strconv.FormatBool(mark)}
	all := []byte(strings.Join(settings, " "))
	for _, name := range w.names() {
		all = append(append(append(all, name...), 0), w.files[name].data...)
	}
	w.version = digest.Of(all).Short()
	index := w.files["index.html"]
	index.data = []byte(strings.NewReplacer(append(settings, "{{version}}", w.version)...).Replace(string(index.data)))
	index.etag = etag(index.data)
	w.files["index.html"] = index
	return w
}

// add reads all files of the page from a file system.
func (w *webFiles) add(files fs.FS) {
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		mimeType, ok := mimeTypes[path.Ext(name)]
		if err != nil || entry.IsDir() || !ok {
			return err
		}
		data, err := fs.ReadFile(files, name)
		w.files[name] = webFile{data: data, mimeType: mimeType, etag: etag(data)}
		return err
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
}

// names are those of the files, in order.
func (w *webFiles) names() []string { return slices.Sorted(maps.Keys(w.files)) }

// Page is the version of the page, and the names of its files below web/; index.html is the page itself.
func (p *Player) Page() (version string, files []string) { return p.web.version, p.web.names() }

func etag(data []byte) string { return `"` + digest.Of(data).Short() + `"` }

// serveIndex gives the page. Its policy allows what comes from here and nothing else: no inline script or style. What a programme's web pages and
// streams need beyond it, the frame of each has (see serveFrame).
func (p *Player) serveIndex(w http.ResponseWriter, r *http.Request) {
	// Browsers before 2022 don't count WebSockets as 'self'; r.Host has been checked.
	socket := "ws://"
	if r.TLS != nil {
		socket = "wss://"
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; frame-src 'self'; "+
		"connect-src 'self' "+socket+r.Host+"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	p.serveFile(w, r, "index.html")
}

func (p *Player) serveWeb(w http.ResponseWriter, r *http.Request) {
	p.serveFile(w, r, r.PathValue("file"))
}

func (p *Player) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	file, ok := p.web.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.mimeType)
	h.Set("ETag", file.etag)
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.data))
}
