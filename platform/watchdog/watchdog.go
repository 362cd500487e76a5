// Package watchdog feeds the hardware watchdog, which starts the machine again when nobody feeds it.
//
// It owns the device file and how it is closed. Whether to feed is the caller's to decide.
package watchdog

import (
	"fmt"
	"io"
	"os"
	"time"
)

// A Device is an open watchdog: from now on the machine starts again if it isn't fed in time. It is not safe for concurrent use.
type Device struct {
	file io.WriteCloser
	// Timeout is within which time it must be fed.
	Timeout time.Duration
}

// Open opens the watchdog at path, such as /dev/watchdog, and asks for a time-out; what the device made of that is in the Device. The error is
// errors.ErrUnsupported where there are none.
func Open(path string, timeout time.Duration) (*Device, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("hardware watchdog: %w; it may not be there, be fed by somebody else, or need root", err)
	}
	got, err := setTimeout(f, timeout)
	if err != nil {
		_ = (&Device{file: f}).Close()
		return nil, fmt.Errorf("hardware watchdog %s: %w", path, err)
	}
	return &Device{f, got}, nil
}

// Feed tells that all is well. Any byte does, but the one of Close.
func (d *Device) Feed() error {
	_, err := d.file.Write([]byte{'.'})
	return err
}

// Close switches the watchdog off, by the magic character that tells it from a program that was killed.
func (d *Device) Close() error {
	_, err := d.file.Write([]byte{'V'})
	if closed := d.file.Close(); err == nil {
		err = closed
	}
	return err
}

// Abandon closes the file and leaves the watchdog on: the machine starts again, unless somebody feeds it in time.
func (d *Device) Abandon() error { return d.file.Close() }
