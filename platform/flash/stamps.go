package flash

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// stampCount is how many places beyond an image are tried.
const stampCount = 64

// Stamps are known bytes at places that an image doesn't reach. A forged card says that it has more room than it has: what is beyond is lost, or comes to lie over
// something else. It would hold the image, and fail once the player has filled it up.
type stamps struct {
	salt   uint64
	places []int64
}

// newStamps chooses one place by chance in each part of the room behind the image, and the last one.
func newStamps(image, size int64) stamps {
	s := stamps{salt: rand.Uint64()}
	first, last := (image+chunk-1)/page, size/page-1
	if part := (last - first) / stampCount; part > 0 {
		for n := range int64(stampCount) {
			s.places = append(s.places, (first+n*part+rand.Int64N(part))*page)
		}
		s.places = append(s.places, last*page)
	}
	return s
}

// fill writes the stamp of a place into a page.
func (s stamps) fill(b []byte, place int64) {
	var seed [16]byte
	binary.LittleEndian.PutUint64(seed[:], s.salt)
	binary.LittleEndian.PutUint64(seed[8:], uint64(place))
	sum := sha256.Sum256(seed[:])
	copy(b, bytes.Repeat(sum[:], page/len(sum)))
}

// write writes the stamps, and looks at once whether they are there: that saves the time of writing an image to most forgeries.
func (s stamps) write(m Medium) error {
	b := aligned(page)
	for _, place := range s.places {
		s.fill(b, place)
		if err := write(m, b, place); err != nil {
			return err
		}
	}
	if err := m.Flush(); err != nil {
		return fmt.Errorf("writing fails: %w", err)
	}
	return s.check(m)
}

// check reads the stamps back.
func (s stamps) check(m Medium) error {
	want, got := aligned(page), aligned(page)
	for _, place := range s.places {
		s.fill(want, place)
		if _, err := m.ReadAt(got, place); err != nil {
			return fmt.Errorf("reading back fails at %d MB: %w; it is broken, or was pulled out", place/1e6, err)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("it doesn't keep what is written at %d MB: it is broken, or has less room than it says, as forged cards do; use another one", place/1e6)
		}
	}
	return nil
}
