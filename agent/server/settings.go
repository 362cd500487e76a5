package server

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vitrine/platform/atomicfile"
)

// settingsFile has the number of the settings that were signed last.
const settingsFile = "settings.json"

type settingsRecord struct {
	Serial int64 `json:"serial"`
}

// SigningKey is the key that settings for the site's viewers are signed with, and the number that the next of them has. Numbers grow; they go with the
// time, so that they also do in a folder that was restored from a backup.
func (s *Site) SigningKey() (key ed25519.PrivateKey, serial int64, err error) {
	path := filepath.Join(s.dir, settingsFile)
	var last settingsRecord
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &last)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	serial = max(last.Serial+1, time.Now().Unix())
	return s.publish, serial, atomicfile.WriteJSON(path, settingsRecord{serial}, 0o600)
}
