package view_test

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/chromedp"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/agent/server/view"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// moreFiles are files with one more.
type moreFiles struct {
	fs.FS
	more fstest.MapFS
}

func (m moreFiles) Open(name string) (fs.File, error) {
	if _, ok := m.more[name]; ok {
		return m.more.Open(name)
	}
	return m.FS.Open(name)
}

func (m moreFiles) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(m.FS, name)
	if err != nil || name != "." {
		return entries, err
	}
	more, err := m.more.ReadDir(".")
	return append(entries, more...), err
}

// lunchAt is a programme that turns from red to green at a moment.
func lunchAt(at time.Time) player.Programme {
	p := programme("lunch")
	words := func(background, text string) manifest.Presentation {
		return manifest.Presentation{Background: background, Zones: []manifest.Zone{{ID: "main", W: 100, H: 100, Playlist: []manifest.Item{{Type: manifest.Text, Text: text, Seconds: 10}}}}}
	}
	p.Generation = digest.Of([]byte(at.String()))
	p.Manifest.Presentations = map[string]manifest.Presentation{"welcome": words("#c80000", "Good morning"), "lunch": words("#00a000", "Soup")}
	p.Manifest.Schedule.Events = []manifest.Event{{Presentation: "lunch", Start: at.UTC().Format(time.RFC3339), End: at.Add(time.Hour).UTC().Format(time.RFC3339)}}
	return p
}

const (
	kept     = `document.documentElement.dataset.kept === '%s' && document.documentElement.dataset.worker === 'ready'`
	showing  = `document.querySelector('vitrine-screen').dataset.presentation === '%s'`
	offline  = `document.documentElement.dataset.connection === 'lost'`
	online   = `document.documentElement.dataset.connection === 'open'`
	versions = `document.querySelector('meta[name="vitrine-version"]').content`
)

// In a browser without its server the schedule goes on, also after it has begun again. When the server is back with another version of the page, that is
// loaded whole. What is too large to be kept is shown all the same.
func TestBrowserWithoutServer(t *testing.T) {
	address := freePort(t)
	w, stop := run(t, view.Ports{HTTP: address})
	browser := browsertest.New(t, "ERR_CONNECTION_REFUSED", "ERR_SOCKET_NOT_CONNECTED", "ERR_EMPTY_RESPONSE")
	browsertest.Open(browser, t, w.Link("", "Lobby TV", key))
	browsertest.Wait(browser, t, fmt.Sprintf(kept, digest.Of([]byte("one"))))
	lunch := lunchAt(time.Now().Add(8 * time.Second))
	w.Show(lunch)
	browsertest.Wait(browser, t, fmt.Sprintf(kept, lunch.Generation)+" && "+fmt.Sprintf(showing, "welcome"))
	stop()
	browsertest.Wait(browser, t, offline)
	browsertest.Do(browser, t, chromedp.Reload())
	browsertest.Wait(browser, t, offline+" && "+fmt.Sprintf(showing, "lunch"))
	browsertest.Do(browser, t, chromedp.Reload())
	browsertest.Wait(browser, t, offline+" && "+fmt.Sprintf(showing, "lunch"))
	version := browsertest.Eval[string](browser, t, versions)

	own := view.SetPageFiles(nil)
	view.SetPageFiles(moreFiles{own, fstest.MapFS{"more.js": {Data: []byte("// more")}}})
	defer view.SetPageFiles(own)
	w, stop = run(t, view.Ports{HTTP: address})
	w.Show(lunch)
	browsertest.Wait(browser, t, online)
	awaitTrue(t, "new page", func() bool {
		now, err := chromedp.Run(browser, chromedp.Evaluate[string](versions))
		return err == nil && now != version
	})
	browsertest.Wait(browser, t, online+" && "+fmt.Sprintf(kept, lunch.Generation))

	large := lunchAt(time.Now().Add(-time.Minute))
	video := digest.Of([]byte("more than any browser keeps"))
	large.Manifest.Assets[video] = manifest.Asset{Size: 1 << 50, Type: "video/mp4"}
	large.Manifest.Presentations["film"] = manifest.Presentation{Zones: []manifest.Zone{{ID: "main", W: 100, H: 100, Playlist: []manifest.Item{{Type: manifest.Video, Asset: video}}}}}
	w.Show(large)
	browsertest.Wait(browser, t, fmt.Sprintf(`document.querySelector('vitrine-screen').dataset.generation === '%s'`, large.Generation))
	awaitTrue(t, "fault that says so", func() bool {
		status, _ := w.Status("tv")
		return len(status.Reported.Faults) == 1 && status.Reported.Faults[0].Code == "not-kept"
	})
	stop()
}
