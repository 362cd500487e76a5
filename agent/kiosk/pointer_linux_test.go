package kiosk

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// pointer counts the pixels that are bright where a pointer is until it is moved: about the middle.
func (g *glass) pointer(t *testing.T) (bright int) {
	t.Helper()
	const side = 48
	line := make([]byte, 4*side)
	for y := g.height/2 - side/2; y < g.height/2+side/2; y++ {
		if _, err := g.frame.ReadAt(line, g.begin+y*g.line+4*(g.width/2-side/2)); err != nil {
			t.Fatal(err)
		}
		for p := range slices.Chunk(line, 4) {
			if max(p[0], p[1], p[2]) > 0x30 {
				bright++
			}
		}
	}
	return bright
}

// A browser that never shows anything leaves cage's own pointer on the screen, of a mouse that nobody moves.
func TestNoPointerInCage(t *testing.T) {
	g := newGlass(t)
	c := chromiumConfig(t, "about:blank")
	c.Arguments = nil
	c.Environment = []string{"XDG_RUNTIME_DIR=" + openFolder(t, c.User)}
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("DISPLAY", "")
	onGlass["cage"](t, &c, g.display)
	dir := openFolder(t, "")
	c.Browser = filepath.Join(dir, "chromium")
	if err := os.WriteFile(c.Browser, []byte("#!/bin/sh\n[ -z \"$XCURSOR_PATH\" ] || exit 1 # pages have the machine's pointers\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	k := New(c)
	start(t, k)

	const enough = 50 // looks at a screen without one: a second. Before cage the X server shows its own
	late := time.After(patience)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for without := 0; without < enough; {
		select {
		case <-look.C:
			without++
			if bright := g.pointer(t); bright > 0 {
				without = 0
			}
		case <-late:
			t.Fatalf("there is a pointer of %d pixels on the screen", g.pointer(t))
		}
	}
	if s := k.Status(); s.Starts != 1 {
		t.Errorf("the browser: %+v", s)
	}
}
