package vitrine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"vitrine/agent"
	"vitrine/agent/config"
	"vitrine/agent/provision"
	"vitrine/platform/atomicfile"
	"vitrine/platform/filewatch"
)

// goodSettings is a copy of the last settings file that could be used, in the state folder: a mistake in the file must not keep the screen dark
// after the next power cut.
const goodSettings = "settings.toml"

// goodPath is where that copy is. It must be found without the settings, so that it is not where they may put the state.
func (o runOptions) goodPath() string {
	return filepath.Join(first(o.state, defaultState()), goodSettings)
}

// A source is where settings came from.
type source struct {
	file string
	// data is what was in the file; nil if there was none.
	data []byte
	// mistake is why the last file that was right counts in its place, and damage why settings of a stick don't count.
	mistake, damage error
	log             *slog.Logger
	level           *slog.LevelVar
}

// atStart are the settings to start with: if the file can't be used, those that could be the last time.
func (o runOptions) atStart() (c config.Config, from source, err error) {
	from.file = first(o.config, defaultConfig)
	if from.data, _, err = readFile(o.config); err == nil {
		c, from.damage, err = o.settingsOf(from.data, from.file)
	}
	if err != nil {
		good, missing := os.ReadFile(o.goodPath())
		if missing != nil {
			return c, from, err
		}
		from.mistake = err
		if c, from.damage, err = o.settingsOf(good, from.file); err != nil {
			return c, from, from.mistake // the copy is of another version of the program, or the mistake isn't in the file
		}
	}
	provision.SetAside(c.State)
	return c, from, nil
}

// again are the settings as they are now. With what a stick's lack since the start the others count all the same; what they lack anew is a mistake.
func (o runOptions) again(from source) (c config.Config, now source, err error) {
	now.log = from.log
	if now.data, now.file, err = readFile(o.config); err == nil {
		c, now.damage, err = o.settingsOf(now.data, now.file)
	}
	if fmt.Sprint(now.damage) != fmt.Sprint(from.damage) {
		err = errors.Join(err, now.damage)
	}
	return c, now, err
}

// keepGood keeps a copy of a settings file that can be used.
func (o runOptions) keepGood(c config.Config, from source) {
	path := o.goodPath()
	old, err := os.ReadFile(path)
	if from.mistake != nil || len(from.data) == 0 || filepath.Dir(path) != filepath.Clean(c.State) || err == nil && bytes.Equal(old, from.data) {
		return
	}
	if err := atomicfile.Write(path, from.data, 0o600); err != nil {
		from.log.Warn("The settings can't be kept against a mistake in them later", "err", err)
	}
}

// follow takes the settings again whenever their file changes, and on SIGHUP, until ctx ends.
func (o runOptions) follow(ctx context.Context, a *agent.Agent, from source) {
	hangup := make(chan os.Signal, 1)
	if !o.terminal { // where it means that the terminal has gone
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
	}
	changed := func() {
		c, now, err := o.again(from)
		if err == nil {
			o.keepGood(c, now)
		}
		if err == nil && !o.logAsked {
			err = from.level.UnmarshalText([]byte(first(c.Log, "info")))
		}
		a.Reconfigure(agentConfig(c, now.file), err)
		if err == nil && now.damage != nil {
			a.Lacking(now.damage)
		}
	}
	if err := filewatch.Watch(ctx, from.file, from.data, hangup, changed); err != nil {
		from.log.Warn("Changes of the settings aren't noticed", "err", fmt.Errorf("%s: %w", from.file, err))
	}
}
