package config

import "fmt"

// screen is the form of [screen].
type screen struct {
	Rotation int   `toml:"rotation"`
	Mark     *bool `toml:"mark"`
}

// Screen says how the page is shown.
type Screen struct {
	// Rotation is by how many degrees the picture is turned, clockwise: 0, 90, 180 or 270.
	Rotation int
	// NoMark keeps the corner mark off.
	NoMark bool
}

func (s screen) check() (Screen, error) {
	switch s.Rotation {
	case 0, 90, 180, 270:
	default:
		return Screen{}, fmt.Errorf("screen.rotation: %d is not 0, 90, 180 or 270", s.Rotation)
	}
	return Screen{Rotation: s.Rotation, NoMark: s.Mark != nil && !*s.Mark}, nil
}
