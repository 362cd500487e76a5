package kiosk

import (
	"bytes"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"vitrine/platform/child"
)

// Without a display, a real browser is run in cage, on a screen that is made up; its tools reach it through cage. What that screen shows can't be seen:
// without a graphics card this compositor draws nothing on it.
func TestChromiumInCage(t *testing.T) {
	for _, program := range []string{"cage", "Xwayland"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(program + " isn't installed")
			}
			t.Skip(program + " isn't installed")
		}
	}
	c := chromiumConfig(t, "data:text/html,<style>body{background:rgb(0,200,0)}</style>")
	c.Arguments = slices.DeleteFunc(c.Arguments, func(arg string) bool { return arg == "--headless" })
	displays, err := os.MkdirTemp("", "vt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(displays) })
	if c.User != "" {
		if err := child.Give(displays, c.User); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("DISPLAY", "")
	c.Environment = []string{"XDG_RUNTIME_DIR=" + displays, "WLR_BACKENDS=headless", "WLR_RENDERER=pixman", "WLR_LIBINPUT_NO_DEVICES=1"}
	k := New(c)
	start(t, k)
	await(t, "pictured", func() bool {
		data, err := k.Screenshot(t.Context(), 640, 70)
		if err != nil {
			return false
		}
		picture, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return false
		}
		r, g, b, _ := picture.At(picture.Bounds().Dx()/2, picture.Bounds().Dy()/2).RGBA()
		return picture.Bounds().Dx() == 640 && r>>8 < 20 && g>>8 > 190 && b>>8 < 20
	})
	if got := filepath.Base(k.Status().Program); got != "cage" {
		t.Errorf("it runs in %s", got)
	}
}
