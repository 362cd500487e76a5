package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"vitrine/agent/protocol"
	"vitrine/agent/session"
)

// How a picture of the screen is made unless whoever wants it says otherwise: enough to see what is on, at 50 to 250 kB.
const (
	screenshotWidth   = 1280
	screenshotQuality = 70
)

// A Screenshot is a picture of what is on the screen, as the control socket gives it.
type Screenshot struct {
	// JPEG are the bytes of the picture.
	JPEG []byte `json:"jpeg"`
}

// picture takes a picture of what is on the screen.
func (a *Agent) picture(ctx context.Context, width, quality int) ([]byte, error) {
	switch {
	case width < 160 || width > 7680:
		return nil, fmt.Errorf("args.width: %d is out of range; want 160 to 7680", width)
	case quality < 1 || quality > 100:
		return nil, fmt.Errorf("args.quality: %d is out of range; want 1 to 100", quality)
	case a.kiosk == nil:
		return nil, errors.New("this viewer runs no browser of its own, and so can't take a picture of what is on the screen; see kiosk.browser in its settings")
	}
	return a.kiosk.Screenshot(ctx, width, quality)
}

// screenshot takes a picture and gives it to the server of the session.
func (a *Agent) screenshot(ctx context.Context, args json.RawMessage) (session.Outcome, error) {
	wanted := struct {
		Width   int `json:"width"`
		Quality int `json:"quality"`
	}{screenshotWidth, screenshotQuality}
	if err := arguments(args, &wanted); err != nil {
		return session.Outcome{}, err
	}
	data, err := a.picture(ctx, wanted.Width, wanted.Quality)
	if err != nil {
		return session.Outcome{}, err
	}
	e, _ := a.identity.Enrolment()
	id := protocol.NewULID(a.clock.Now())
	err = a.overHTTPS(a.session.Status().Server, func(addr string) error {
		return a.upload(ctx, protocol.ContentURL(addr, protocol.ScreenshotPath(e.Viewer, id)), data)
	})
	if err != nil {
		return session.Outcome{}, fmt.Errorf("the server didn't take the picture: %w", err)
	}
	return session.Outcome{Data: protocol.ScreenshotResult{Screenshot: id, Bytes: len(data)}}, nil
}

// upload puts a picture on a server of the site, and nowhere else: redirects aren't followed.
func (a *Agent) upload(ctx context.Context, url string, data []byte) error {
	transport := &http.Transport{DialTLSContext: a.dialContent}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", protocol.ScreenshotType)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return protocol.ReadProblem(resp)
	}
	return nil
}
