package kiosk

import (
	"encoding/binary"
	"os"
	"path/filepath"
)

// A compositor that finds a mouse, or what says that it is one, shows a pointer in the middle of the screen until it is moved over a page, and pages hide theirs. The
// theme of these cursors has one that is of one clear pixel, under the only name that cage asks for; the browser goes by the machine's own.
const pointerPath = "XCURSOR_PATH"

// noPointer is that cursor (Xcursor(3), "Xcursor file format"): its header, a table of contents with one image, and that.
var noPointer = []uint32{
	0x72756358, 16, 0x10000, 1, // "Xcur"
	0xfffd0002, pointerSize, 28,
	36, 0xfffd0002, pointerSize, 1, 1, 1, 0, 0, 0, 0,
}

// pointerSize is what cage asks for (XCURSOR_SIZE in its source); another would do as well.
const pointerSize = 24

// hidePointer writes the theme into a profile, and gives the setting by which a compositor finds it.
func hidePointer(profile string) (setting string, err error) {
	themes := filepath.Join(profile, "pointers") // not .icons: the browser would look there, too
	cursors := filepath.Join(themes, "default", "cursors")
	if err := os.MkdirAll(cursors, 0o700); err != nil {
		return "", err
	}
	cursor, err := binary.Append(nil, binary.LittleEndian, noPointer)
	if err != nil {
		return "", err
	}
	return pointerPath + "=" + themes, os.WriteFile(filepath.Join(cursors, "left_ptr"), cursor, 0o600)
}
