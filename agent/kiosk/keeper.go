package kiosk

import (
	"context"
	"log/slog"
	"reflect"
)

// A Keeper keeps the browser of an agent for the next one in the same process, which has taken other settings: what is on the screen stays there, and the page
// connects itself with the next agent. It has one owner at a time, whose calls follow one another.
type Keeper struct {
	ctx  context.Context // of the process, not of a call
	kept *Kiosk
	end  context.CancelFunc
	over chan struct{}
}

// NewKeeper makes a keeper whose browser ends with ctx.
func NewKeeper(ctx context.Context) *Keeper { return &Keeper{ctx: ctx} }

// Keep runs a kiosk as c says: the one that runs already if it is about the same browser and page, which then asks and tells the functions of c from now on, or else
// a new one in its place.
func (r *Keeper) Keep(c Config) *Kiosk {
	if r.kept != nil && sameBrowser(r.kept.config, c) {
		r.kept.adopt(c)
		return r.kept
	}
	r.Close()
	ctx, cancel := context.WithCancel(r.ctx)
	over := make(chan struct{})
	r.kept, r.end, r.over = New(c), cancel, over
	go func(k *Kiosk) {
		defer close(over)
		_ = k.Run(ctx) // it ends with ctx alone
	}(r.kept)
	return r.kept
}

// Release keeps the browser as it is for whoever comes next. One that ends meanwhile is started again then.
func (r *Keeper) Release() {
	if r.kept != nil {
		r.kept.adopt(Config{Log: r.kept.log()})
	}
}

// Close ends the browser, if there is one.
func (r *Keeper) Close() {
	if r.kept == nil {
		return
	}
	r.end()
	<-r.over
	r.kept = nil
}

// sameBrowser tells whether two configs, whatever their functions, want the same browser with the same page.
func sameBrowser(a, b Config) bool {
	data := func(c Config) Config {
		c.URL, c.Ready, c.Quiet, c.Failed, c.Restarted, c.Log = nil, nil, nil, nil, nil, nil
		return c
	}
	return reflect.DeepEqual(data(complete(a)), data(complete(b)))
}

// An owner is whose functions a kiosk uses. News is closed when there is another.
type owner struct {
	Config
	news chan struct{}
}

// adopt gives the kiosk another owner; with a config without a page it has none, and starts no browser.
func (k *Kiosk) adopt(c Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.owned.news)
	k.owned = owner{complete(c), make(chan struct{})}
}

// owner is the present one.
func (k *Kiosk) owner() owner {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.owned
}

func (k *Kiosk) log() *slog.Logger { return k.owner().Log }

// page waits for an owner whose page can be opened, and gives its address for the next browser; empty once ctx has ended.
func (k *Kiosk) page(ctx context.Context) (url string) {
	for {
		o := k.owner()
		select {
		case <-ctx.Done():
			return ""
		case <-o.news:
		case <-o.Ready:
			return o.URL()
		}
	}
}
