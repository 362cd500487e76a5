package browsertest

import (
	"context"
	"image"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// A Recording collects the frames that the browser's compositor makes: one whenever something on the page changes.
type Recording struct {
	t    testing.TB
	ctx  context.Context
	acks sync.WaitGroup

	mu      sync.Mutex
	frames  [][]byte
	stopped bool
}

// Record starts to record the page. One recording can be made with a browser at a time.
func Record(ctx context.Context, t testing.TB) *Recording {
	t.Helper()
	r := &Recording{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, r.listen); err != nil {
		t.Fatalf("browser: %v", err)
	}
	params := page.StartScreencastParams{Format: page.StartScreencastFormatPng, MaxWidth: Width / 4, MaxHeight: Height / 4, EveryNthFrame: 1}
	if _, err := chromedp.Call(ctx, page.StartScreencast, params); err != nil {
		t.Fatalf("browser: recording: %v", err)
	}
	return r
}

// listen takes a frame, and asks for the next one from a goroutine of its own: it must not wait for the browser here.
func (r *Recording) listen(event any) {
	frame, ok := event.(*page.EventScreencastFrame)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	r.frames = append(r.frames, frame.Data)
	r.acks.Go(func() {
		// An error means that the browser is gone, which the test notices.
		_, _ = chromedp.Call(r.ctx, page.ScreencastFrameAck, page.ScreencastFrameAckParams{SessionID: frame.SessionID})
	})
}

// Stop ends the recording and gives its frames, a quarter of the page's width and height.
func (r *Recording) Stop() []image.Image {
	r.t.Helper()
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.acks.Wait()
	if _, err := chromedp.Call(r.ctx, page.StopScreencast, cdp.Empty{}); err != nil {
		r.t.Fatalf("browser: recording: %v", err)
	}
	var frames []image.Image
	for _, data := range r.frames {
		frames = append(frames, decode(r.t, data))
	}
	return frames
}
