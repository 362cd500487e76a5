package flash

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// imageSize is that of the tests' images: the last piece isn't a whole one.
const imageSize = 3*chunk + 1536

// imageBytes are an image whose sectors all differ, with the placeholder in it, across the end of a piece.
func imageBytes() []byte {
	b := make([]byte, imageSize)
	for at := 0; at < len(b); at += alignment {
		binary.LittleEndian.PutUint32(b[at:], uint32(at)+1)
	}
	b[510], b[511] = 0x55, 0xaa
	copy(b[placeholderAt:], Placeholder())
	return b
}

const placeholderAt = 2*chunk - 1024

// examined writes an image to a file, and examines it.
func examined(t testing.TB, data []byte) *Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.img")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	i, err := Examine(t.Context(), path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func quiet(Step, int64, int64) {}

// A card is a medium in memory. Its methods can be made worse.
type card struct {
	data     []byte
	flushed  int
	write    func(b []byte, at int64) (handled bool, err error)
	read     func(b []byte, at int64) error
	flushErr error
}

func newCard(size int) *card { return &card{data: bytes.Repeat([]byte{'x'}, size)} }

func (c *card) WriteAt(b []byte, at int64) (int, error) {
	if c.write != nil {
		if handled, err := c.write(b, at); handled || err != nil {
			return len(b), err
		}
	}
	return copy(c.data[at:], b), nil
}

func (c *card) ReadAt(b []byte, at int64) (int, error) {
	copy(b, c.data[at:])
	if c.read != nil {
		return len(b), c.read(b, at)
	}
	return len(b), nil
}

func (c *card) Flush() error {
	c.flushed++
	return c.flushErr
}

// dead tells whether nothing takes the card for one that can be started from, as after every failure.
func (c *card) dead() bool { return len(bytes.Trim(c.data[:chunk], "\x00")) == 0 }

const cardSize = 32 << 20

func TestWrite(t *testing.T) {
	data, settings := imageBytes(), []byte("name = \"a\"\ntoken = \"x\"")
	i := examined(t, data)
	c := newCard(cardSize)
	var steps []string
	err := i.Write(t.Context(), c, cardSize, settings, func(s Step, done, total int64) {
		if done == total {
			steps = append(steps, string(s))
		}
	})
	want := bytes.Clone(data)
	copy(want[placeholderAt:], settings)
	copy(want[placeholderAt+len(settings):placeholderAt+PlaceholderSize], bytes.Repeat([]byte("\n"), PlaceholderSize))
	if err != nil || !bytes.Equal(c.data[:imageSize], want) || c.flushed < 2 || fmt.Sprint(steps) != "[Writing Reading back]" {
		t.Errorf("%v, same %t, flushed %d times, steps %q", err, bytes.Equal(c.data[:imageSize], want), c.flushed, steps)
	}
	plain := newCard(imageSize) // exactly large enough
	if err := i.Write(t.Context(), plain, imageSize, nil, quiet); err != nil || !bytes.Equal(plain.data, data) {
		t.Errorf("%v, same %t", err, bytes.Equal(plain.data, data))
	}
	small := make([]byte, 512)
	small[510], small[511] = 0x55, 0xaa
	file := newCard(512)
	if err := examined(t, small).Write(t.Context(), file, 0, nil, quiet); err != nil || !bytes.Equal(file.data, small) {
		t.Error(err)
	}
}

// Whatever a card does wrong is noticed, and leaves one that nothing starts from.
func TestBadCards(t *testing.T) {
	i := examined(t, imageBytes())
	bad := errors.New("I/O error")
	const real = 8 << 20 // of a forged card
	for name, c := range map[string]struct {
		make func(c *card)
		want string
	}{
		"can't be written at a place": {func(c *card) {
			c.write = func(b []byte, at int64) (bool, error) {
				if at <= 2*chunk && at+int64(len(b)) > 2*chunk {
					return false, bad
				}
				return false, nil
			}
		}, "writing fails at 2 MB: I/O error"},
		"can't be written at its end": {func(c *card) {
			c.write = func(b []byte, at int64) (bool, error) {
				if at+int64(len(b)) == cardSize {
					return false, bad
				}
				return false, nil
			}
		}, "writing fails at 33 MB"},
		"can't be flushed": {func(c *card) { c.flushErr = bad }, "writing fails: I/O error"},
		"can't be read": {func(c *card) {
			c.read = func(_ []byte, at int64) error {
				if at == chunk {
					return bad
				}
				return nil
			}
		}, "reading back fails at 1 MB"},
		"one bit is wrong": {func(c *card) {
			c.read = func(b []byte, at int64) error {
				if at == 3*chunk {
					b[700] ^= 8
				}
				return nil
			}
		}, "3 MB reads back as something else"},
		"keeps nothing":                 {func(c *card) { c.write = func(b []byte, at int64) (bool, error) { return at != 0, nil } }, "doesn't keep"},
		"loses what is beyond its size": {func(c *card) { c.write = func(b []byte, at int64) (bool, error) { return at >= real, nil } }, "doesn't keep"},
		"begins anew beyond its size": {func(c *card) {
			c.write = func(b []byte, at int64) (bool, error) { copy(c.data[at%real:], b); return true, nil }
			c.read = func(b []byte, at int64) error { copy(b, c.data[at%real:]); return nil }
		}, ""},
		"the same with a memory of what was last": {func(c *card) {
			recent := map[int64][]byte{}
			c.write = func(b []byte, at int64) (bool, error) {
				if len(b) == page {
					recent[at] = bytes.Clone(b)
				} else {
					clear(recent)
				}
				copy(c.data[at%real:], b)
				return true, nil
			}
			c.read = func(b []byte, at int64) error {
				if r, ok := recent[at]; ok {
					copy(b, r)
					return nil
				}
				copy(b, c.data[at%real:])
				return nil
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bad := newCard(cardSize)
			c.make(bad)
			err := i.Write(t.Context(), bad, cardSize, nil, quiet)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if !bad.dead() {
				t.Error("the card looks whole")
			}
		})
	}
}

// Whenever somebody gives up, the card can't be taken for a whole one.
func TestInterrupted(t *testing.T) {
	i := examined(t, imageBytes())
	for n := range 7 { // of 8 pieces that are written and read
		ctx, cancel := context.WithCancel(t.Context())
		c := newCard(cardSize)
		err := i.Write(ctx, c, cardSize, nil, func(Step, int64, int64) {
			if n--; n < 0 {
				cancel()
			}
		})
		cancel()
		if err != errInterrupted || !c.dead() {
			t.Errorf("after %d pieces: %v, dead %t", n, err, c.dead())
		}
	}
}

// An image that changes while it is written is no surprise either, nor settings without a place.
func TestChangedImage(t *testing.T) {
	data := imageBytes()
	i := examined(t, data)
	if err := os.Truncate(i.Path, chunk+10); err != nil {
		t.Fatal(err)
	}
	c := newCard(cardSize)
	if err := i.Write(t.Context(), c, cardSize, nil, quiet); err == nil || !strings.Contains(err.Error(), "has changed") || !c.dead() {
		t.Error(err)
	}
	copy(data[placeholderAt:], "name")
	i = examined(t, data)
	untouched := newCard(cardSize)
	err := i.Write(t.Context(), untouched, cardSize, []byte("name = \"a\"\n"), quiet)
	if !errors.Is(err, ErrNoRoom) || !errors.Is(i.Takes([]byte("a")), ErrNoRoom) || i.Takes(nil) != nil || untouched.data[0] != 'x' || untouched.flushed > 0 {
		t.Error(err)
	}
	if err := examined(t, imageBytes()).Takes(make([]byte, PlaceholderSize+1)); err == nil {
		t.Error("too long settings are taken")
	}
}
