package browsertest

import (
	"context"
	"encoding/base64"
	"image"
	"sync"
	"testing"

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
