package kiosk

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine/platform/atomicfile"
	"vitrine/platform/child"
)

// pipeFlag has a browser of Chromium's kind speak its DevTools protocol on the files 3 and 4.
const pipeFlag = "--remote-debugging-pipe"

// launch makes the command of a browser with an empty profile, and its tools if it has some. The files are the browser's ends of their pipes.
func (k *Kiosk) launch(ctx context.Context, url string) (l *life, theirs []*os.File, err error) {
	k.mu.Lock()
	k.url = url
	k.mu.Unlock()
	l = &life{began: time.Now()}
	if l.command, err = k.command(ctx, url); err != nil {
		return nil, nil, err
	}
	l.command.WaitDelay = endTimeout
	child.Tie(l.command)
	if !slices.Contains(l.command.Args, pipeFlag) {
		return l, nil, nil
	}
	in, out, theirs, err := child.Pipes(l.command)
	if errors.Is(err, errors.ErrUnsupported) {
		l.command.Args = slices.DeleteFunc(l.command.Args, func(arg string) bool { return arg == pipeFlag })
		return l, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	l.tools = newDevtools(in, out)
	return l, theirs, nil
}

// command makes the command, with an empty profile.
func (k *Kiosk) command(ctx context.Context, url string) (*exec.Cmd, error) {
	user, err := k.user()
	if err != nil {
		return nil, err
	}
	profile, err := k.emptyProfile(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("the browser's profile: %w", err)
	}
	k.mu.Lock()
	k.profile = profile
	k.mu.Unlock()
	words, env, err := k.words(url)
	if err != nil {
		return nil, err
	}
	if user != "" {
		if err := give(profile, user); err != nil {
			return nil, fmt.Errorf("the browser's profile: %w", err)
		}
	}
	c := child.Command(ctx, words[0], words[1:]...)
	c.Env, c.Dir = append(env, k.environment()...), profile
	if user != "" {
		if err := child.As(c, user); err != nil {
			return nil, fmt.Errorf("kiosk.user: %w", err)
		}
	}
	return c, nil
}

// words are the command line, with what it needs in its environment. They write into the profile.
func (k *Kiosk) words(url string) (words, env []string, err error) {
	profile := k.folder()
	if len(k.config.Command) > 0 {
		for _, word := range append(slices.Clone(k.config.Command), k.config.Arguments...) {
			words = append(words, strings.NewReplacer("{url}", url, "{profile}", profile).Replace(word))
		}
		return words, nil, nil
	}
	b, path, err := find(k.config.Browser)
	if err != nil {
		return nil, nil, err
	}
	if b.prepare != nil {
		if err := b.prepare(profile); err != nil {
			k.log().Warn("The browser's profile can't be prepared; it is started all the same", "err", err)
		}
	}
	env = slices.Clone(b.environment)
	compositor := k.compositor(b)
	if compositor != nil {
		setting, err := hidePointer(profile)
		if err != nil {
			k.log().Warn("A mouse's pointer can't be hidden; the browser is started all the same", "err", err)
		} else {
			env = append(env, setting)
		}
	}
	return slices.Concat(compositor, []string{path}, b.arguments(profile), k.config.Arguments, []string{url}), env, nil
}

// compositor is what a browser is run in where there is no display yet: cage shows one program full screen. Cog does without, and a headless browser.
func (k *Kiosk) compositor(b browser) []string {
	get := getter(k.environment())
	cage, err := exec.LookPath("cage")
	if err != nil || get("WAYLAND_DISPLAY") != "" || get("DISPLAY") != "" || b.name == "cog" || slices.Contains(k.config.Arguments, "--headless") {
		return nil
	}
	return []string{cage, "-d", "--", "env", "-u", pointerPath}
}

// user is who runs the browser, if that isn't whoever runs the agent. What shows pages from anywhere isn't run as root, except by a command that
// somebody has written down.
func (k *Kiosk) user() (string, error) {
	if k.config.User != "" || os.Geteuid() != 0 {
		return k.config.User, nil
	}
	owner := displayOwner(k.environment())
	if owner == "" && len(k.config.Command) == 0 {
		return "", errors.New("a browser isn't run as root; say with kiosk.user who the screen belongs to")
	}
	return owner, nil
}

// displayOwner is whom the display belongs to that an environment names; empty if that can't be said, or is root.
func displayOwner(env []string) string {
	get := getter(env)
	path := get("XAUTHORITY")
	if display := get("WAYLAND_DISPLAY"); display != "" {
		path = display
		if !filepath.IsAbs(path) {
			path = filepath.Join(get("XDG_RUNTIME_DIR"), display)
		}
	}
	owner, err := child.Owner(path)
	if err != nil || owner == "root" {
		return ""
	}
	return owner
}

// emptyProfile makes an empty folder for what the browser writes: the one of the config or, where the disk takes no writes any more, one that is in memory on most
// machines. The name stays the same, so that no more than one is left by an agent that is killed; a folder that somebody else has put there isn't used.
func (k *Kiosk) emptyProfile(ctx context.Context, user string) (path string, err error) {
	err = emptyFolder(ctx, k.config.Profile, user)
	if !atomicfile.IsDiskFault(err) {
		return k.config.Profile, err
	}
	name := fmt.Sprintf("vitrine-browser-%08x", crc32.ChecksumIEEE([]byte(k.config.Profile)))
	for _, dir := range spare {
		path := filepath.Join(dir, name)
		// Mkdir finds out whether that has worked.
		_, _ = emptyFolder(ctx, path, user), os.Remove(path)
		if os.Mkdir(path, 0o700) == nil {
			k.log().Warn("The disk takes no writes; what the browser writes is kept elsewhere", "folder", path, "err", err)
			return path, nil
		}
	}
	return "", err
}

// folder is the profile of the last browser.
func (k *Kiosk) folder() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.profile
}

// spare are the folders in which that may be.
var spare = []string{"/run", os.TempDir(), "/dev/shm"}

// emptyFolder makes an empty folder: a browser that a power cut has ended must not ask what to do now, nor find a lock of its
// former self. An agent without root's power over files has the user remove what is the user's.
func emptyFolder(ctx context.Context, path, user string) error {
	err := os.RemoveAll(path)
	if errors.Is(err, os.ErrPermission) && user != "" {
		c := child.Command(ctx, "rm", "-rf", "--", path)
		if err := child.As(c, user); err != nil {
			return err
		}
		_ = c.Run() // it can't remove the folder itself
		err = os.RemoveAll(path)
	}
	if err != nil {
		return err
	}
	return os.MkdirAll(path, 0o700)
}

// give makes a user the owner of a folder and of what is in it, the folder last: an agent without root's power over files can't look into it any more then.
func give(path, user string) error {
	var all []string
	err := filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	for _, path := range slices.Backward(all) {
		err = errors.Join(err, child.Give(path, user))
	}
	return err
}

// inherited is what of the agent's own environment a browser needs; no secret is there.
var inherited = []string{
	"PATH", "LANG", "LANGUAGE", "TZ", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "XDG_SESSION_TYPE", "DBUS_SESSION_BUS_ADDRESS",
	"SYSTEMROOT", "TEMP", "LOCALAPPDATA",
}

// environment is the browser's.
func (k *Kiosk) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(setting string) bool {
		name, _, _ := strings.Cut(setting, "=")
		return !slices.Contains(inherited, name)
	})
	return append(append(env, "HOME="+k.folder()), k.config.Environment...)
}

// getter looks up a name in an environment.
func getter(env []string) func(string) string {
	return func(name string) (value string) {
		for _, setting := range env {
			if n, v, _ := strings.Cut(setting, "="); n == name {
				value = v
			}
		}
		return value
	}
}
