package vitrine

import (
	"crypto/ed25519"
	"log/slog"
	"os"

	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/agent/update"
	"vitrine/content/release"
	"vitrine/platform/child"
	"vitrine/platform/device"
	"vitrine/platform/disk"
	"vitrine/platform/service"
)

// early is where the state is, and whose releases are believed; see config.Early.
func (o runOptions) early(env cli.Env) (state string, keys []ed25519.PublicKey) {
	data, _, _ := readFile(o.config) // whoever runs with it says what is wrong with it
	state, keys = config.Early(data)
	if len(keys) == 0 {
		if key, err := builtInKey(env.ReleaseKey); err == nil && key != nil {
			keys = append(keys, key)
		}
	}
	return first(o.state, state, defaultState()), keys
}

// launch runs a release of the viewer from the state folder in place of this program, if one is to run. It returns if this program is, whatever is wrong
// there. A release itself launches nothing: the installed program has chosen it.
func (o runOptions) launch(env cli.Env, log *slog.Logger) {
	state, keys := o.early(env)
	folder, damage := update.Open(disk.OS{}, state)
	if damage != nil {
		log.Error("The record of releases can't be used", "err", damage)
	}
	if _, is := folder.Running(ownPath()); is {
		return
	}
	for {
		c, ok, problem := folder.Choose(update.Base{Version: env.Version, Built: env.Build}, keys, device.Boot(), service.Watched())
		if problem != nil {
			log.Error("There is something wrong with the releases on disk", "err", problem)
		}
		if !ok {
			return
		}
		log.Info("A release of the viewer runs in place of the installed program", "version", c.Version, "installed", env.Version, "trial", c.Trial)
		err := child.Replace(c.Path, os.Args, os.Environ())
		log.Error("A release of the viewer can't be run", "version", c.Version, "err", err)
		if err := folder.Reject(c, err); err != nil {
			log.Error("That can't be noted on disk", "err", err)
		}
	}
}

// builtInKey reads the key that the linker was given; nil for none.
func builtInKey(text string) (ed25519.PublicKey, error) {
	if text == "" {
		return nil, nil
	}
	return release.ParseKey(text)
}

// ownPath is that of this program; empty if it can't be known.
func ownPath() string {
	path, _ := os.Executable()
	return path
}

// runningRelease says which release runs in place of this program; empty if none does.
func runningRelease(env cli.Env) string {
	state, _ := runOptions{}.early(env)
	return update.Look(disk.OS{}, state).Runs(env.Build)
}
