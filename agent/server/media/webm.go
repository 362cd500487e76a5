package media

import (
	"encoding/binary"
	"io"
	"math"
	"time"
)

// Elements of Matroska (RFC 9559, section 5.1) that lead to the length.
const (
	idSegment       = 0x18538067
	idInfo          = 0x1549A966
	idTimestamp     = 0x2AD7B1
	idDuration      = 0x4489
	defaultTimebase = 1_000_000 // nanoseconds
)

// webmDuration reads the length from the segment's information. A recording that was never finished has none: 0.
func webmDuration(r io.ReaderAt, size int64) (time.Duration, error) {
	start, end, err := findElement(r, 0, size, idSegment)
	if err != nil || start == end {
		return 0, errBadBox
	}
	start, end, err = findElement(r, start, end, idInfo)
	if err != nil {
		return 0, err
	}
	timebase := uint64(defaultTimebase)
	if from, to, err := findElement(r, start, end, idTimestamp); err != nil {
		return 0, err
	} else if from < to {
		if timebase, err = readUint(r, from, to); err != nil {
			return 0, err
		}
	}
	from, to, err := findElement(r, start, end, idDuration)
	if err != nil || from == to {
		return 0, err
	}
	ticks, err := readFloat(r, from, to)
	if err != nil {
		return 0, err
	}
	return plausible(ticks * float64(timebase) / 1e9)
}

// findElement finds the content of the first element with an id between two offsets; 0, 0 if there is none.
func findElement(r io.ReaderAt, start, end int64, id uint64) (from, to int64, err error) {
	for range maxBoxes {
		if start >= end {
			return 0, 0, nil
		}
		got, n, err := readVint(r, start, end, false)
		if err != nil {
			return 0, 0, err
		}
		length, m, err := readVint(r, start+n, end, true)
		if err != nil {
			return 0, 0, err
		}
		content := start + n + m
		stop := content + int64(length)
		if length == math.MaxUint64 {
			stop = end
		}
		if stop < content || stop > end {
			stop = end // a truncated last element; what is in it may still be of use
		}
		if got == id {
			return content, stop, nil
		}
		start = stop
	}
	return 0, 0, errBadBox
}

// readVint reads a variable-size integer (RFC 8794, section 4), without its marker if it is a size. A size of unknown
// length is math.MaxUint64.
func readVint(r io.ReaderAt, start, end int64, isSize bool) (value uint64, length int64, err error) {
	var b [8]byte
	// Fewer bytes than that, at the end of the file, may be enough.
	n, _ := r.ReadAt(b[:min(int64(len(b)), max(end-start, 0))], start)
	if n == 0 || b[0] == 0 {
		return 0, 0, errBadBox
	}
	length = 1
	for mask := byte(0x80); b[0]&mask == 0; mask >>= 1 {
		length++
	}
	if int64(n) < length {
		return 0, 0, errBadBox
	}
	for _, c := range b[:length] {
		value = value<<8 | uint64(c)
	}
	if !isSize {
		return value, length, nil
	}
	marker := uint64(1) << (7 * length)
	value &^= marker
	if value == marker-1 {
		value = math.MaxUint64
	} else if value > math.MaxInt64/2 {
		return 0, 0, errBadBox
	}
	return value, length, nil
}

func readUint(r io.ReaderAt, from, to int64) (uint64, error) {
	var b [8]byte
	if to-from < 1 || to-from > 8 {
		return 0, errBadBox
	}
	if _, err := r.ReadAt(b[8-(to-from):], from); err != nil {
		return 0, errBadBox
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

func readFloat(r io.ReaderAt, from, to int64) (float64, error) {
	bits, err := readUint(r, from, to)
	switch {
	case err == nil && to-from == 4:
		return float64(math.Float32frombits(uint32(bits))), nil
	case err == nil && to-from == 8:
		return math.Float64frombits(bits), nil
	}
	return 0, errBadBox
}
