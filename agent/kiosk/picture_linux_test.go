package kiosk

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPictureWidth(t *testing.T) {
	var whole bytes.Buffer
	if err := jpeg.Encode(&whole, image.NewGray(image.Rect(0, 0, 1234, 5)), nil); err != nil {
		t.Fatal(err)
	}
	if w, err := pictureWidth(whole.Bytes()); err != nil || w != 1234 {
		t.Errorf("%d, %v", w, err)
	}
	var lossless bytes.Buffer
	if err := png.Encode(&lossless, image.NewGray(image.Rect(0, 0, 4321, 5))); err != nil {
		t.Fatal(err)
	}
	if w, err := pictureWidth(lossless.Bytes()); err != nil || w != 4321 {
		t.Errorf("%d, %v", w, err)
	}
	for _, bad := range []string{"", "\xff\xd8", "\xff\xd8\xff\xe0\x00\x01______", "\xff\xd8\xff\xe0\xff\xff______", "\x89PNG\r\n\x1a\n____________"} {
		if w, err := pictureWidth([]byte(bad)); err == nil {
			t.Errorf("%q is %d wide", bad, w)
		}
	}
}

// A browser that can't picture itself is pictured by grim, at most as wide as wanted.
func TestGrim(t *testing.T) {
	dir := t.TempDir()
	var whole bytes.Buffer
	if err := jpeg.Encode(&whole, image.NewGray(image.Rect(0, 0, 1920, 8)), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "picture"), whole.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	k := New(Config{Command: []string{script(t, "exec sleep 1000")}, Profile: filepath.Join(t.TempDir(), "profile"), URL: func() string { return "" }, Ready: ready})
	if _, err := k.Screenshot(t.Context(), 960, 70); err == nil || !strings.Contains(err.Error(), "no browser is running") {
		t.Errorf("without a browser: %v", err)
	}
	t.Setenv("WAYLAND_DISPLAY", "")
	start(t, k)
	await(t, "started", func() bool { return k.Status().PID != 0 })
	if _, err := k.Screenshot(t.Context(), 960, 70); err == nil || !strings.Contains(err.Error(), "Chromium does") {
		t.Errorf("without a Wayland display: %v", err)
	}
	t.Setenv("WAYLAND_DISPLAY", "wayland-9")
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	grim := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "grim"), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	grim("echo $WAYLAND_DISPLAY $* >> " + dir + "/calls; cat " + dir + "/picture")
	if picture, err := k.Screenshot(t.Context(), 960, 70); err != nil || !bytes.Equal(picture, whole.Bytes()) {
		t.Errorf("%d bytes, %v", len(picture), err)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if want := "wayland-9 -t jpeg -q 70 -\nwayland-9 -t jpeg -q 70 -s 0.5000 -\n"; err != nil || string(calls) != want {
		t.Errorf("grim was called with %q, %v", calls, err)
	}
	grim("[ $2 = png ] || { echo jpeg support disabled >&2; exit 1; }; echo $* > " + dir + "/calls; cat " + dir + "/picture")
	if _, err := k.Screenshot(t.Context(), 1920, 70); err != nil {
		t.Errorf("without JPEG: %v", err)
	}
	if calls, err := os.ReadFile(filepath.Join(dir, "calls")); err != nil || string(calls) != "-t png -l 9 -\n" {
		t.Errorf("grim was called with %q, %v", calls, err)
	}
	grim("exit 0")
	if _, err := k.Screenshot(t.Context(), 960, 70); err == nil || !strings.Contains(err.Error(), "neither JPEG nor PNG") {
		t.Errorf("an empty picture: %v", err)
	}
	grim("echo compositor does not support wlr-screencopy >&2; exit 1")
	if _, err := k.Screenshot(t.Context(), 960, 70); err == nil || !strings.Contains(err.Error(), "wlr-screencopy") {
		t.Errorf("a display that lets nobody look: %v", err)
	}
}

// Who the display belongs to is who runs the browser.
func TestDisplayOwner(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "wayland-1")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := ""
	if os.Geteuid() == 0 {
		if err := os.Chown(file, 65534, 65534); err != nil { // nobody
			t.Fatal(err)
		}
		want = "nobody"
	}
	for _, env := range [][]string{{"XDG_RUNTIME_DIR=" + dir, "WAYLAND_DISPLAY=wayland-1"}, {"WAYLAND_DISPLAY=" + file}, {"DISPLAY=:0", "XAUTHORITY=" + file}} {
		if got := displayOwner(env); want != "" && got != want {
			t.Errorf("%v: %q", env, got)
		}
	}
	for _, env := range [][]string{nil, {"DISPLAY=:0"}, {"WAYLAND_DISPLAY=wayland-2", "XDG_RUNTIME_DIR=" + dir}, {"XAUTHORITY=/etc/passwd"}} {
		if got := displayOwner(env); got != "" {
			t.Errorf("%v: %q", env, got)
		}
	}
}
