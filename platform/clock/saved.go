package clock

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"time"

	"vitrine/platform/atomicfile"
)

// saveEvery is how often the time is written to disk: rarely, since flash wears out.
const saveEvery = time.Hour

// savedTime is the last good time on disk.
type savedTime struct{ path string }

// document is the file's form.
type document struct {
	Time time.Time `json:"time"`
	// Frequency is how much the machine's counter lacks with every second, in parts per million; nil if that isn't known.
	Frequency *float64 `json:"frequency_ppm,omitempty"`
}

// frequency is the saved one as a fraction, if there is one that a crystal can have.
func (d document) frequency() (f float64, ok bool) {
	const most = 500
	if d.Frequency == nil || math.Abs(*d.Frequency) > most {
		return 0, false
	}
	return *d.Frequency / 1e6, true
}

// load is what was saved last; zero if there is nothing.
func (s *savedTime) load() (d document, err error) {
	if s.path == "" {
		return d, nil
	}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return document{}, errors.New(s.path + ": " + err.Error())
	}
	return d, nil
}

// store writes it.
func (s *savedTime) store(d document) error {
	if s.path == "" {
		return nil
	}
	d.Time = d.Time.UTC().Truncate(time.Second)
	return atomicfile.WriteJSON(s.path, d, 0o644)
}
