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
	// damage is why not all of them could be used.
	damage error
	log    *slog.Logger
	level  *slog.LevelVar
}

// atStart are the settings to start with: if the file can't be used, those that could be the last time.
func (o runOptions) atStart() (c config.Config, from source, err error) {
	from.file = first(o.config, defaultConfig)
	if from.data, _, err = readFile(o.config); err == nil {
		c, from.damage, err = o.settingsOf(from.data, from.file)
	}
	if err == nil {
		return c, from, nil
	}
	good, missing := os.ReadFile(o.goodPath())
	if missing != nil {
		return c, from, err
	}
	mistake := err
	if c, from.damage, err = o.settingsOf(good, from.file); err != nil {
		return c, from, mistake // the copy is of another version of the program, or the mistake isn't in the file
	}
	from.damage = errors.Join(mistake, from.damage)
	return c, from, nil
}

// keepGood keeps a copy of a settings file that can be used.
func (o runOptions) keepGood(c config.Config, from source) {
	path := o.goodPath()
	old, err := os.ReadFile(path)
	if from.damage != nil || len(from.data) == 0 || filepath.Dir(path) != filepath.Clean(c.State) || err == nil && bytes.Equal(old, from.data) {
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
		data, path, err := readFile(o.config)
		var c config.Config
		var damage error
		if err == nil {
			c, damage, err = o.settingsOf(data, path)
		}
		if err = errors.Join(err, damage); err == nil {
			o.keepGood(c, source{file: path, data: data, log: from.log})
		}
		if err == nil && !o.logAsked {
			err = from.level.UnmarshalText([]byte(first(c.Log, "info")))
		}
		a.Reconfigure(agentConfig(c, path), err)
	}
	if err := filewatch.Watch(ctx, from.file, from.data, hangup, changed); err != nil {
		from.log.Warn("Changes of the settings aren't noticed", "err", fmt.Errorf("%s: %w", from.file, err))
	}
}
