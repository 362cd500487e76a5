package flash

import (
	"fmt"
	"path/filepath"
	"strings"
)

// LargeSize is what a card or stick for a player hardly ever is larger than, in bytes; disks with the data of somebody are.
const LargeSize = 256e9

// A Device is what an image may be written to: a disk of this machine, or a file.
type Device struct {
	// Path is its name for the system, such as /dev/sdb.
	Path   string `json:"path"`
	Model  string `json:"model,omitempty"`
	Serial string `json:"serial,omitempty"`
	// Size is in bytes; that of a file is 0, since it grows.
	Size int64 `json:"size"`
	// Removable tells that it, or its medium, is made to be pulled out.
	Removable bool `json:"removable"`
	// Parts are what is on it now.
	Parts []Part `json:"parts,omitempty"`
	// Use is what the system needs it for, such as "/dev/sda2 is mounted at /"; empty if nothing.
	Use string `json:"use,omitempty"`

	file bool
}

// A Part is a partition, or the whole of a disk without any.
type Part struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Kind is its file system, such as vfat, and Label the name that somebody gave it; empty if unknown.
	Kind  string `json:"kind,omitempty"`
	Label string `json:"label,omitempty"`
	// Mounted are the folders that show it now.
	Mounted []string `json:"mounted,omitempty"`
}

// Devices lists the disks of this machine.
func Devices() ([]Device, error) { return devices() }

// Find describes a device by its name.
func Find(name string) (Device, error) { return find(name) }

// Permit says why the device mustn't be written to. Internal tells that one that isn't made to be pulled out is meant.
func (d Device) Permit(internal bool) error {
	switch {
	case d.Use != "":
		return fmt.Errorf("%s is in use by this machine, and isn't written to: %s", d.Path, d.Use)
	case !d.Removable && !internal && !d.file:
		return fmt.Errorf("%s (%s) isn't a card or a stick, but a disk of this machine; if it is meant nevertheless, add --internal", d.Path, d.Name())
	}
	return nil
}

// Fits says why an image of this size doesn't fit.
func (d Device) Fits(size int64) error {
	if d.file || size <= d.Size {
		return nil
	}
	return fmt.Errorf("%s is too small: it has %d bytes, and the image needs %d", d.Path, d.Size, size)
}

// Name is what stands on it, as far as it says.
func (d Device) Name() string {
	switch {
	case d.file:
		return "a file"
	case d.Model == "":
		return "unnamed"
	}
	return d.Model
}

// clean makes one line of what a device says of itself.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// Holds tells whether a file is on the device, so that it would be lost.
func (d Device) Holds(file string) bool {
	real, err := filepath.EvalSymlinks(file)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		return false // that it can't be found is said by whoever opens it
	}
	for _, p := range d.Parts {
		for _, at := range p.Mounted {
			if rest, err := filepath.Rel(at, real); err == nil && filepath.IsLocal(rest) {
				return true
			}
		}
	}
	return d.Path == real
}
