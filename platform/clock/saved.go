package clock

import (
	"encoding/json"
	"errors"
	"io/fs"
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
}

// load is the time saved last; zero if there is none.
func (s *savedTime) load() (time.Time, error) {
	if s.path == "" {
		return time.Time{}, nil
	}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return time.Time{}, errors.New(s.path + ": " + err.Error())
	}
	return d.Time, nil
}

// store writes t.
func (s *savedTime) store(t time.Time) error {
	if s.path == "" {
		return nil
	}
	return atomicfile.WriteJSON(s.path, document{t.UTC().Truncate(time.Second)}, 0o644)
}
