// Package browsertest starts a real Chromium for tests of pages.
//
// It owns how the browser is found, started and ended, and that a test fails when a page writes an error to its console.
// It is imported by tests only.
package browsertest

import (
	"bytes"
	"context"
	"errors"
	"image"
	_ "image/jpeg" // frames of recordings
	_ "image/png"  // screenshots
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Size of the browser's viewport in pixels.
const (
	Width  = 1280
	Height = 720
)

// patience is how long Wait waits; a browser on a busy machine with few cores can be slow.
const patience = 30 * time.Second

// names are the programs to look for, in this order, after the one that the environment variable CHROMIUM names.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge"}

// find is the path of a browser. Without one the test is skipped, or fails if the environment variable CI is set.
func find(t testing.TB) string {
	t.Helper()
	candidates := names
	if chosen := os.Getenv("CHROMIUM"); chosen != "" {
		candidates = []string{chosen}
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("no browser found (tried %s): install Chromium or set CHROMIUM", strings.Join(candidates, ", "))
	}
	t.Skipf("no browser found (tried %s): install Chromium or set CHROMIUM", strings.Join(candidates, ", "))
	return ""
}

// New starts a browser with an empty profile and one tab, and ends it with the test. The context is for the actions of chromedp, and for
// the functions here. An error on the console, or an exception that nothing caught, fails the test, unless it contains one of the
// allowed strings.
func New(t testing.TB, allowed ...string) context.Context {
	t.Helper()
	return NewWith(t, nil, allowed...)
}

// Trusting is New with a browser that believes certificates whose chain has a public key, given as the base64 of its SHA-256, as if the
// person before it had installed that CA. Unlike a certificate that is merely put up with, it is good for service workers.
func Trusting(t testing.TB, key string, allowed ...string) context.Context {
	t.Helper()
	return NewWith(t, []string{"ignore-certificate-errors-spki-list=" + key}, allowed...)
}

// NewWith is New with further options of the command line, such as "name" or "name=value".
func NewWith(t testing.TB, flags []string, allowed ...string) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(find(t)),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true),
	)
	for _, flag := range flags {
		name, value, found := strings.Cut(flag, "=")
		if found {
			options = append(options, chromedp.Flag(name, value))
		} else {
			options = append(options, chromedp.Flag(name, true))
		}
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	c := &console{t: t, allowed: allowed}
	ctx, cancel := context.WithTimeout(context.Background(), longest())
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	ctx, cancelTab := chromedp.NewContext(ctx, chromedp.WithListener(c.listen))
	t.Cleanup(func() {
		c.end()
		cancelTab()
		cancelAllocator()
		cancel()
	})
	Do(ctx, t, chromedp.EmulateViewport(Width, Height))
	return ctx
}

// longest is how long a test may use its browser; the long versions of tests (make soak) take more.
func longest() time.Duration {
	if os.Getenv("VITRINE_SOAK") != "" {
		return time.Hour
	}
	return 5 * time.Minute
}

// A console passes errors of the page on to the test.
type console struct {
	t       testing.TB
	allowed []string

	mu    sync.Mutex
	ended bool
}

// end stops listening: what a page says while its browser is closed is of no interest, and the test is over.
func (c *console) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

func (c *console) listen(event any) {
	switch e := event.(type) {
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			c.fail("log", e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var text []string
			for _, arg := range e.Args {
				text = append(text, string(arg.Value)+arg.Description)
			}
			c.fail("console", strings.Join(text, " "))
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		c.fail("exception", text)
	}
}

func (c *console) fail(kind, text string) {
	if slices.ContainsFunc(c.allowed, func(s string) bool { return strings.Contains(text, s) }) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.t.Errorf("the page's console: %s: %s", kind, text)
	}
}

// Do runs actions, and fails the test if one fails.
func Do(ctx context.Context, t testing.TB, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("browser: %v", err)
	}
}

// Open loads a page.
func Open(ctx context.Context, t testing.TB, url string) {
	t.Helper()
	Do(ctx, t, chromedp.Navigate(url))
}

// Wait waits until a JavaScript expression is true, looking at every frame, and fails the test if it never is.
func Wait(ctx context.Context, t testing.TB, expression string) {
	t.Helper()
	_, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingTimeout(patience)))
	if err != nil {
		t.Fatalf("browser: waiting for %s: %v; the page is\n%s", expression, err, outline(ctx))
	}
}

// outline is what a page consists of, for the message of a failed test.
func outline(ctx context.Context) string {
	html, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.documentElement.cloneNode().outerHTML + document.body.outerHTML`))
	if err != nil {
		return err.Error()
	}
	return html
}

// Eval is the value of a JavaScript expression; a promise is waited for.
func Eval[T any](ctx context.Context, t testing.TB, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("browser: %s: %v", expression, err)
	}
	return v
}

// lostAfter is when a request for a screenshot is given up: Chromium never answers one that meets the page loading itself
// again.
const lostAfter = 5 * time.Second

// Screenshot is what the viewport shows now.
func Screenshot(ctx context.Context, t testing.TB) image.Image {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		data, err := screenshot(ctx)
		if err == nil {
			return decode(t, data)
		}
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || time.Now().After(deadline) {
			t.Fatalf("browser: screenshot: %v", err)
		}
	}
}

func screenshot(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, lostAfter)
	defer cancel()
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}

func decode(t testing.TB, data []byte) image.Image {
	t.Helper()
	picture, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("browser: picture: %v", err)
	}
	return picture
}
