package agent

import (
	"crypto/rand"
	"net/url"
	"path/filepath"

	"vitrine/agent/config"
	"vitrine/agent/kiosk"
	"vitrine/agent/protocol"
	"vitrine/platform/child"
	"vitrine/platform/clock"
)

// browserFolder is below the state folder, or the one for what needn't last.
const browserFolder = "browser"

// nightHour is the hour of the night, on the clock of this place, in which a restart of the browser is noticed least where there is no standby.
const nightHour = 3

// newKiosk makes the part that keeps a browser on the screen; nil if the settings want none.
func (a *Agent) newKiosk() *kiosk.Kiosk {
	c := a.config.Kiosk
	if len(c.Command) == 0 && (c.Browser == "" || c.Browser == config.BrowserNone) {
		return nil
	}
	limit := c.Memory.Bytes
	if limit == 0 {
		limit = int64(float64(child.TotalMemory()) * c.Memory.Percent / 100)
	}
	folder := a.config.Scratch
	if folder == "" {
		folder = a.config.State
	}
	return kiosk.New(kiosk.Config{
		Browser: c.Browser, Command: c.Command, Arguments: c.Arguments, Environment: c.Environment, User: c.User, MemoryLimit: limit,
		Profile:   filepath.Join(folder, browserFolder),
		URL:       a.browserURL,
		Ready:     a.player.Ready(),
		Quiet:     a.quiet,
		Failed:    func(err error) { a.fault(faultBrowser, err) },
		Restarted: func(why string) { a.session.Event("browser", "the browser was started again: "+why, a.clock.Now()) },
		Log:       a.log,
	})
}

// browserURL is the page's address for the next browser that is started. By its key that page is told from others that may be open.
func (a *Agent) browserURL() string {
	key := rand.Text()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.browserKey = key
	return "http://" + a.player.Addr() + "/?key=" + url.QueryEscape(key)
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
	b := &protocol.BrowserStatus{Running: s.PID != 0, Starts: s.Starts, Memory: s.Memory, Limit: s.Limit}
	if b.Running {
		b.Program, b.PID, b.Since = filepath.Base(s.Program), s.PID, s.Started.UTC()
	}
	return b
}
