// Package flash writes the image of a system to a memory card, a stick or a disk of this machine, and reads it back.
//
// It owns the look at the image, the settings that it puts into it, the choice of what may be written to, and the proof that the medium has kept it. It never
// writes to what the system of this machine uses, and never asks: that is the command line's.
package flash

import "errors"

// ErrNoRoom says that an image has no placeholder.
var ErrNoRoom = errors.New("this image has no place for settings: it isn't one of Vitrine's, or its settings are in already; write it without --settings, and put the file onto its boot partition or a USB stick")
