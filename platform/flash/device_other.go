//go:build !linux && !windows

package flash

import (
	"errors"
	"fmt"
	"os"
)

func devices() ([]Device, error) { return nil, errDisks }

var errDisks = fmt.Errorf("this program writes to disks on Linux and Windows alone: %w", errors.ErrUnsupported)

func find(name string) (Device, error) {
	info, err := os.Stat(name)
	if err != nil {
		return Device{}, err
	}
	if !info.Mode().IsRegular() {
		return Device{}, fmt.Errorf("%s: %w", name, errDisks)
	}
	return Device{Path: name, file: true}, nil
}

func (d Device) open() (*Target, error) { return nil, errDisks }

func (t *Target) forget() error { return nil }

func (t *Target) look() bool { return false }
