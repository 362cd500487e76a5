package config

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/pelletier/go-toml/v2"

	"vitrine/content/release"
)

// update is the form of [update].
type update struct {
	Enabled *bool    `toml:"enabled"`
	Keys    []string `toml:"keys"`
	Trial   *int     `toml:"trial_seconds"`
	Limit   *int     `toml:"limit_seconds"`
	Wait    *int     `toml:"wait_minutes"`
}

// UsualTrial and UsualLimit are what Trial and Limit are if nothing is said.
const (
	UsualTrial = 2 * time.Minute
	UsualLimit = 15 * time.Minute
)

// Update says which releases of itself the viewer takes.
type Update struct {
	// Off is true if it takes none.
	Off bool
	// Keys are whose releases are believed; none leaves the choice to the program.
	Keys []ed25519.PublicKey
	// Trial is for how long a release must be well before it is kept, and Limit within what time; 0 means the usual ones.
	Trial, Limit time.Duration
	// Wait is the longest wait for a moment at which the change isn't noticed; nil leaves it to the agent.
	Wait *time.Duration
}

func (u update) check() (c Update, err error) {
	c.Off = u.Enabled != nil && !*u.Enabled
	for i, text := range u.Keys {
		key, err := release.ParseKey(text)
		if err != nil {
			return Update{}, fmt.Errorf("update.keys[%d]: %w", i, err)
		}
		c.Keys = append(c.Keys, key)
	}
	const week = 7 * 24 * 3600
	if c.Trial, err = seconds("update.trial_seconds", u.Trial, 1, week); err != nil {
		return Update{}, err
	}
	if c.Limit, err = seconds("update.limit_seconds", u.Limit, 2, week); err != nil {
		return Update{}, err
	}
	if u.Wait != nil {
		if *u.Wait < 0 || *u.Wait > week/60 {
			return Update{}, fmt.Errorf("update.wait_minutes: %d is out of range; want 0 to %d minutes", *u.Wait, week/60)
		}
		wait := time.Duration(*u.Wait) * time.Minute
		c.Wait = &wait
	}
	if cmp.Or(c.Limit, UsualLimit) <= cmp.Or(c.Trial, UsualTrial) {
		return Update{}, errors.New("update.limit_seconds: must be more than trial_seconds, or no release could ever prove itself")
	}
	return c, nil
}

// Early is what of a file is needed before it is known which version of the program runs, read as leniently as can be: this one may not know all of the
// file's settings. It gives the state folder and the keys whose releases are believed, if they are there.
func Early(data []byte) (state string, keys []ed25519.PublicKey) {
	var f struct {
		State  string `toml:"state"`
		Update struct {
			Keys []string `toml:"keys"`
		} `toml:"update"`
	}
	text, err := Text(data)
	if err != nil || toml.Unmarshal(text, &f) != nil {
		return "", nil
	}
	for _, key := range f.Update.Keys {
		if k, err := release.ParseKey(key); err == nil {
			keys = append(keys, k)
		}
	}
	return f.State, keys
}
