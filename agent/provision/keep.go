package provision

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine/agent/config"
	"vitrine/platform/atomicfile"
)

// Files in the state folder: what was taken last, and what was before it.
const (
	keptFile     = "settings.json"
	previousFile = "settings.previous.json"
	// refusedFile tells the settings on the card that were refused last from others.
	refusedFile = "settings.refused"
)

// Kept is what a viewer keeps of settings that it has taken.
type Kept struct {
	// Settings is the text of vitrine.toml, and Files has the files that it names.
	Settings string            `json:"settings"`
	Files    map[string]string `json:"files,omitempty"`
	// Digest tells them from others.
	Digest string    `json:"digest"`
	Taken  time.Time `json:"taken"`
	// Serial is the highest number of a signed file that was taken of Site.
	Site   string `json:"site,omitempty"`
	Serial int64  `json:"serial,omitempty"`
	// Boot is the digest of the last ones that were taken from the boot partition. They stay there, and count once.
	Boot string `json:"boot,omitempty"`
	// Before has the digests of those that were taken before these while the machine was on, or in effect then, as long as no stick was pulled out: they may
	// be on one that is still in. Start tells that time from others.
	Before []string `json:"before,omitempty"`
	Start  string   `json:"start,omitempty"`
	// Fresh tells that nobody has been told yet that they are in effect.
	Fresh bool `json:"fresh,omitempty"`
}

// Keep makes what is kept of settings that a viewer takes.
func (f *File) Keep(v Viewer) Kept {
	k := Kept{Settings: string(f.Text), Files: f.Files, Digest: f.Digest(), Taken: v.Now.UTC().Truncate(time.Second), Start: v.Start, Fresh: true}
	if v.Boot {
		k.Boot = k.Digest
	} else if v.Kept != nil {
		k.Boot = v.Kept.Boot
	}
	if v.Kept != nil {
		k.Before = append(v.Kept.before(v.Start), v.Kept.Digest)
	}
	if v.Site != "" {
		k.Site, k.Serial = v.Site, v.Kept.serial(v.Site, v.Key)
		if s := f.Signature; s != nil && s.verify(v.Site, v.Key) == nil {
			k.Serial = max(k.Serial, s.Serial)
		}
	}
	return k
}

// before has the digests of others that may still be on a stick.
func (k *Kept) before(start string) []string {
	if k == nil || k.Start != start {
		return nil
	}
	return slices.Clone(k.Before)
}

// serial is the highest number of a signed file of a site that was taken. One that was taken before the viewer belonged to the site, unseen, counts.
func (k *Kept) serial(site string, key ed25519.PublicKey) int64 {
	if k == nil {
		return 0
	}
	var serial int64
	if k.Site == site {
		serial = k.Serial
	}
	if s, err := signatureOf([]byte(k.Settings)); err == nil && s != nil && s.verify(site, key) == nil {
		serial = max(serial, s.Serial)
	}
	return serial
}

// Save keeps settings in a state folder, and what was kept before as well. A crash leaves the old or the new ones.
func Save(state string, k Kept) error {
	path := filepath.Join(state, keptFile)
	if old, err := os.ReadFile(path); err == nil {
		if err := atomicfile.Write(filepath.Join(state, previousFile), old, 0o600); err != nil {
			return err
		}
	}
	return atomicfile.WriteJSON(path, k, 0o600)
}

// Announced notes that somebody was told that the settings are in effect.
func Announced(state string, k Kept) error {
	path := filepath.Join(state, keptFile)
	if _, err := load(path); err != nil {
		return err // these are the ones before them
	}
	k.Fresh = false
	return atomicfile.WriteJSON(path, k, 0o600)
}

// PulledOut notes that a stick was pulled out: what other sticks have brought counts again when it is put in.
func PulledOut(state string) error {
	path := filepath.Join(state, keptFile)
	k, err := load(path)
	if err != nil || k == nil || len(k.Before) == 0 {
		return err
	}
	k.Before = nil
	return atomicfile.WriteJSON(path, k, 0o600)
}

// Refused notes that settings on the card, or what is wrong with them, were refused.
func Refused(state string, f *File, mistake error) error {
	return atomicfile.Write(filepath.Join(state, refusedFile), []byte(identify(f, mistake)), 0o600)
}

// RefusedBefore tells whether these were the last that were.
func RefusedBefore(state string, f *File, mistake error) bool {
	data, err := os.ReadFile(filepath.Join(state, refusedFile))
	return err == nil && string(data) == identify(f, mistake)
}

// identify tells settings from others, also those that can't be read.
func identify(f *File, mistake error) string {
	if f == nil {
		return mistake.Error() + "\n"
	}
	return f.Digest() + "\n"
}

// Load reads what is kept; nil if nothing is, or nothing that can be read.
func Load(state string) *Kept {
	for _, name := range []string{keptFile, previousFile} {
		if k, err := load(filepath.Join(state, name)); k != nil && err == nil {
			return k
		}
	}
	return nil
}

func load(path string) (*Kept, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !json.Valid(data) {
		return nil, fmt.Errorf("%s is damaged; the viewer sets it aside when it starts", path)
	}
	var k Kept
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := config.ParseStick([]byte(k.Settings)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &k, nil
}

// Settings are those of the device's own file, with what is kept in the state folder over them. A viewer must start whatever its disk has done: of settings
// that can't be used those before them count, or none; damage says so. It changes nothing, since another release of the program may be able to use them.
func Settings(device []byte, state string) (c config.Config, damage, err error) {
	for _, name := range []string{keptFile, previousFile} {
		k, err := load(filepath.Join(state, name))
		if k != nil && err == nil {
			c, err = k.over(device)
		}
		if k == nil && err == nil {
			continue // nothing was taken from a stick yet, or it was set aside
		}
		if err == nil {
			return c, damage, nil
		}
		damage = errors.Join(damage, fmt.Errorf("settings from a USB stick can't be used: %w", err))
	}
	c, err = config.Parse(device)
	return c, damage, err
}

// SetAside renames files that no program could read, for whoever asks what was in them. One that can't be renamed stays, and is reported again.
func SetAside(state string) {
	for _, name := range []string{keptFile, previousFile} {
		path := filepath.Join(state, name)
		if data, err := os.ReadFile(path); err == nil && !json.Valid(data) {
			_ = os.Rename(path, path+".damaged")
		}
	}
}

// over puts the kept settings over the device's.
func (k *Kept) over(device []byte) (config.Config, error) {
	c, err := config.Parse(device, []byte(k.Settings))
	if err != nil {
		return c, err
	}
	// Names of files are of those that came with the settings; what the device's own file names is elsewhere.
	c.Network.CAFiles = slices.DeleteFunc(c.Network.CAFiles, func(name string) bool {
		pem, here := k.Files[name]
		if here {
			c.Network.CA = strings.TrimSpace(c.Network.CA) + "\n" + pem
		}
		return here
	})
	return c, nil
}
