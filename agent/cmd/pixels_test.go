package cmd_test

import (
	"context"
	"image"
	"image/color"
	"testing"
	"time"

	"vitrine/agent/player/browsertest"
)

// The colours of a site's pictures.
var red, green = color.RGBA{200, 0, 0, 255}, color.RGBA{0, 200, 0, 255}

// awaitColour waits until the middle of the page has a colour: a fade may still be under way.
func awaitColour(t *testing.T, browser context.Context, want color.RGBA) {
	t.Helper()
	deadline := time.Now().Add(patience)
	var got color.RGBA
	for time.Now().Before(deadline) {
		shot := browsertest.Screenshot(browser, t)
		if got = middle(shot); near(got, want) {
			return
		}
	}
	t.Errorf("the middle of the page is %v, not %v", got, want)
}

func middle(shot image.Image) color.RGBA {
	centre := shot.Bounds().Min.Add(shot.Bounds().Size().Div(2))
	return color.RGBAModel.Convert(shot.At(centre.X, centre.Y)).(color.RGBA)
}

// near allows for rounding in a screenshot's colours.
func near(a, b color.RGBA) bool {
	const slack = 3
	diff := func(x, y uint8) bool { return int(x)-int(y) <= slack && int(y)-int(x) <= slack }
	return diff(a.R, b.R) && diff(a.G, b.G) && diff(a.B, b.B)
}
