package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

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
	// Picture is a JPEG, or a PNG where that can't be had.
	Picture []byte `json:"picture"`
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
	case a.kiosk.Status().Paused:
		return nil, errors.New("the display is off, and no browser runs before it is on again: there is nothing to take a picture of")
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
	id, err := a.upload(ctx, protocol.Screenshot, data)
	if err != nil {
		return session.Outcome{}, fmt.Errorf("the server didn't take the picture: %w", err)
	}
	return session.Outcome{Data: protocol.ScreenshotResult{Screenshot: id, Bytes: len(data)}}, nil
}
