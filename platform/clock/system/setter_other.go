//go:build !linux && !windows

package system

import (
	"errors"
	"time"
)

// none is a system whose clock isn't kept.
type none struct{}

func newSetter() Setter { return none{} }

func (none) Now() time.Time { return time.Now() }

func (none) Step(time.Duration) error {
	return errors.New("keeping the system clock is for Linux and Windows")
}

func (n none) Steer(_ float64, d, _ time.Duration) error { return n.Step(d) }

func (none) Rival() string { return "" }
