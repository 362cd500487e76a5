package agent

import (
	"crypto/rand"
	"net/url"
	"path/filepath"

	"vitrine/agent/config"
	"vitrine/agent/kiosk"
	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/platform/child"
	"vitrine/platform/clock"
)

// browserFolder is below the state folder, or the one for what needn't last.
const browserFolder = "browser"

// nightHour is the hour of the night, on the clock of this place, in which a restart of the browser is noticed least where there is no standby.
const nightHour = 3

// openKiosk has a browser kept on the screen: the one that is there already, if the settings say nothing else of it. Without one in the settings there is none.
func (a *Agent) openKiosk() {
	c := a.config.Kiosk
	if len(c.Command) == 0 && (c.Browser == "" || c.Browser == config.BrowserNone) {
		a.config.Browsers.Close()
		return
	}
	limit := c.Memory.Bytes
	if limit == 0 {
		limit = int64(float64(child.TotalMemory()) * c.Memory.Percent / 100)
	}
	folder := a.config.Scratch
	if folder == "" {
		folder = a.config.State
	}
	a.kiosk = a.config.Browsers.Keep(kiosk.Config{
		Browser: c.Browser, Command: c.Command, Arguments: c.Arguments, Environment: c.Environment, User: c.User, MemoryLimit: limit,
		Profile:   filepath.Join(folder, browserFolder),
		Page:      a.player.Addr(),
		URL:       a.browserURL,
		Ready:     a.player.Ready(),
		Quiet:     a.quiet,
		Failed:    func(err error) { a.fault(faultBrowser, err) },
		Restarted: func(why string) { a.session.Event("browser", "the browser was started again: "+why, a.clock.Now()) },
		Log:       a.log,
	})
	if a.kiosk.OnCard() {
		a.screen.painter = onCard{a}
	}
}

// browserURL is the page's address for the next browser that is started. By its key that page is told from others that may be open.
func (a *Agent) browserURL() string {
	return "http://" + a.player.Addr() + "/?" + url.Values{browserKey: {rand.Text()}}.Encode()
}

// browserKey is the name of that key.
const browserKey = "key"

// isOurs tells whether a page is that of a browser, by its key.
func isOurs(p player.Page, s kiosk.Status) bool {
	u, err := url.Parse(s.URL)
	return err == nil && p.Key == u.Query().Get(browserKey)
}

// quiet tells whether nobody looks at the screen.
func (a *Agent) quiet() bool {
	on, ok := a.player.On()
	return !ok || on.Standby || a.clock.Trust() >= clock.TrustServer && a.clock.Now().Local().Hour() == nightHour
}

// browserStatus is the browser that this viewer runs; nil if it runs none.
func (a *Agent) browserStatus() *protocol.BrowserStatus {
	if a.kiosk == nil {
		return nil
	}
	s := a.kiosk.Status()
	b := &protocol.BrowserStatus{Running: s.PID != 0, Paused: s.Paused, Starts: s.Starts, Memory: s.Memory, Limit: s.Limit}
	if b.Running {
		b.Program, b.PID, b.Since = filepath.Base(s.Program), s.PID, s.Started.UTC()
	}
	return b
}
