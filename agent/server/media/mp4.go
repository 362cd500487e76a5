package media

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"
)

// maxBoxes bounds how many boxes are looked at: a file of a million empty ones is no video.
const maxBoxes = 4096

// maxDuration is the longest video that is believed, 30 days.
const maxDuration = 30 * 24 * time.Hour

var (
	errNoMovie  = errors.New("it has no movie header")
	errBadBox   = errors.New("its structure is damaged")
	errDuration = errors.New("its length is implausible")
)

// mp4Duration reads the length from the movie header (ISO/IEC 14496-12, section 8.2.2). A fragmented file, whose header
// has no length, gives 0.
func mp4Duration(r io.ReaderAt, size int64) (time.Duration, error) {
	start, end, err := findBox(r, 0, size, "moov")
	if err != nil {
		return 0, err
	}
	if start, end, err = findBox(r, start, end, "mvhd"); err != nil {
		return 0, err
	}
	var b [32]byte
	if end-start < int64(len(b)) {
		return 0, errBadBox
	}
	if _, err := r.ReadAt(b[:], start); err != nil {
		return 0, err
	}
	var scale, ticks uint64
	switch b[0] {
	case 0:
		scale, ticks = uint64(binary.BigEndian.Uint32(b[12:])), uint64(binary.BigEndian.Uint32(b[16:]))
		if ticks == math.MaxUint32 {
			ticks = 0
		}
	case 1:
		scale, ticks = uint64(binary.BigEndian.Uint32(b[20:])), binary.BigEndian.Uint64(b[24:])
		if ticks == math.MaxUint64 {
			ticks = 0
		}
	default:
		return 0, errBadBox
	}
	if scale == 0 {
		return 0, errBadBox
	}
	return plausible(float64(ticks) / float64(scale))
}

// plausible turns seconds into a duration.
func plausible(seconds float64) (time.Duration, error) {
	if !(seconds >= 0 && seconds <= maxDuration.Seconds()) {
		return 0, errDuration
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// findBox finds the content of the first box of a type between two offsets (section 4.2).
func findBox(r io.ReaderAt, start, end int64, boxType string) (from, to int64, err error) {
	var head [16]byte
	for range maxBoxes {
		if start+8 > end {
			return 0, 0, errNoMovie
		}
		if _, err := r.ReadAt(head[:8], start); err != nil {
			return 0, 0, errBadBox
		}
		length, header := int64(binary.BigEndian.Uint32(head[:])), int64(8)
		switch length {
		case 0: // to the end of the file
			length = end - start
		case 1:
			if _, err := r.ReadAt(head[8:], start+8); err != nil {
				return 0, 0, errBadBox
			}
			length, header = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		if length < header || length > end-start {
			return 0, 0, errBadBox
		}
		if string(head[4:8]) == boxType {
			return start + header, start + length, nil
		}
		start += length
	}
	return 0, 0, errBadBox
}
