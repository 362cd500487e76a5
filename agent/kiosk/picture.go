package kiosk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"vitrine/platform/child"
)

// pictureTimeout is how long a picture may take.
const pictureTimeout = 10 * time.Second

// Screenshot is a picture of what is on the screen, as JPEG, at most so many pixels wide, in a quality from 1 to 100. Chromium is asked for what it
// shows; with other browsers it is grim that takes it, from a Wayland display, as PNG if it was built without JPEG.
func (k *Kiosk) Screenshot(ctx context.Context, width, quality int) (picture []byte, err error) {
	k.mu.Lock()
	l := k.life
	k.mu.Unlock()
	if l == nil {
		return nil, errors.New("no browser is running")
	}
	ctx, cancel := context.WithTimeout(ctx, pictureTimeout)
	defer cancel()
	if l.tools != nil {
		picture, err = l.tools.screenshot(ctx, width, quality)
	} else {
		picture, err = k.grim(ctx, width, quality)
	}
	if err == nil && len(picture) == 0 {
		return nil, errors.New("the picture that was taken is empty")
	}
	return picture, err
}

// grim has the program of that name take the picture, and once more if that is too wide: how wide the screen is, it says by its first.
func (k *Kiosk) grim(ctx context.Context, width, quality int) ([]byte, error) {
	if getter(k.environment())("WAYLAND_DISPLAY") == "" {
		return nil, errors.New("this browser takes no pictures of itself; Chromium does, and grim of a Wayland display")
	}
	if _, err := exec.LookPath("grim"); err != nil {
		return nil, errors.New("this browser takes no pictures of itself, and grim isn't installed, which would")
	}
	format := []string{"-t", "jpeg", "-q", strconv.Itoa(quality)}
	picture, err := k.runGrim(ctx, format...)
	if err != nil && strings.Contains(err.Error(), "jpeg support disabled") { // as in Debian's
		format = []string{"-t", "png", "-l", "9"}
		picture, err = k.runGrim(ctx, format...)
	}
	if err != nil {
		return nil, err
	}
	is, err := pictureWidth(picture)
	if err != nil || is <= width {
		return picture, err
	}
	return k.runGrim(ctx, append(format, "-s", fmt.Sprintf("%.4f", float64(width)/float64(is)))...)
}

func (k *Kiosk) runGrim(ctx context.Context, args ...string) ([]byte, error) {
	c := child.Command(ctx, "grim", append(slices.Clone(args), "-")...)
	c.Env, c.Dir = k.environment(), "/"
	user, err := k.user()
	if err != nil {
		return nil, err
	}
	if user != "" {
		if err := child.As(c, user); err != nil {
			return nil, err
		}
	}
	var picture, words bytes.Buffer
	c.Stdout, c.Stderr = &picture, &words
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("grim: %w: %s", err, strings.TrimSpace(words.String()))
	}
	return picture.Bytes(), nil
}

// pictureWidth reads how wide a picture is, without the code for the rest of it: of a PNG from its first chunk (RFC 2083, section 4.1.1), of a JPEG from its
// frame header (ITU-T T.81, B.2.2).
func pictureWidth(data []byte) (int, error) {
	if bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) && len(data) >= 24 {
		return int(binary.BigEndian.Uint32(data[16:])), nil
	}
	rest, ok := bytes.CutPrefix(data, []byte{0xff, 0xd8})
	for ok && len(rest) >= 9 && rest[0] == 0xff {
		kind, length := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if kind >= 0xc0 && kind <= 0xcf && kind != 0xc4 && kind != 0xc8 && kind != 0xcc {
			return int(binary.BigEndian.Uint16(rest[7:])), nil
		}
		if length < 2 || 2+length > len(rest) {
			break
		}
		rest = rest[2+length:]
	}
	return 0, errors.New("the picture that was taken is neither JPEG nor PNG")
}
