// Package setup connects a machine to a network by the program that manages that here: NetworkManager, or systemd-networkd with iwd or wpa_supplicant for
// wireless networks.
//
// It owns the files that it writes for them, one for each, and how to put back what was there before. It never changes what others have written, and
// never configures an interface itself: that would be undone at the next occasion.
package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"vitrine/platform/atomicfile"
	"vitrine/platform/child"
)

// Settings are how the machine is to be connected. They must have been checked: no text has a line break in it.
type Settings struct {
	// Interface may be empty, for any that fits.
	Interface string
	// Address is zero for one by DHCP. Gateway and DNS go with an address.
	Address netip.Prefix
	Gateway netip.Addr
	DNS     []netip.Addr
	// SSID is empty for a cable; Key is empty for an open network.
	SSID, Key, Country string
	Hidden             bool
}

// A System is where a machine's files are, and its programs.
type System struct {
	// Root is "/", but for tests.
	Root string
}

// A Change is what Apply has done, so that it can be undone, also by another process. It has secrets in it.
type Change struct {
	// Manager is who was told.
	Manager string `json:"manager"`
	// Files are as they were before.
	Files []Before `json:"files"`
	// Unit is a service that was switched on for it.
	Unit string `json:"unit,omitempty"`
}

// Before is a file as it was; it wasn't there if it has no Data.
type Before struct {
	Path string `json:"path"`
	Data []byte `json:"data,omitempty"`
}

// ErrNoManager says that nothing here could be told.
var ErrNoManager = errors.New("this machine's network is managed by neither NetworkManager nor systemd-networkd; set it up by the means that it has")

// ErrNotAllowed says that this process may not write what is to be written. Nothing was changed.
var ErrNotAllowed = errors.New("this viewer may not change the machine's network; `vitrine service install --user root` lets it")

// commandTimeout bounds each program.
const commandTimeout = time.Minute

// deviceTime is how long a device may take until it is there.
const deviceTime = 30 * time.Second

// A file is what a manager is to find.
type file struct {
	path, text string
}

// A plan is what has to be done for some settings.
type plan struct {
	manager string
	files   []file
	// commands make the manager read the files and use them; unit is a service that they switch on.
	commands [][]string
	unit     string
}

// plan looks who manages the network, and says what is to be done.
func (s System) plan(settings Settings) (plan, error) {
	switch {
	case s.exists("run/NetworkManager"):
		return s.networkManager(settings), nil
	case s.exists("run/systemd/netif"):
		return s.networkd(settings)
	}
	return plan{}, ErrNoManager
}

func (s System) exists(path string) bool {
	_, err := os.Stat(s.path(path))
	return err == nil
}

func (s System) path(path string) string { return filepath.Join(s.Root, path) }

// folder puts a file into /etc, or into /run where the disk can't be written to; there it must be written again after each start.
func (s System) folder(name string) string {
	path := "etc/" + name
	dir := filepath.Dir(s.path(path))
	err := makeFolder(dir)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(dir, ".vitrine-*"); err == nil {
			f.Close()
			err = os.Remove(f.Name())
		}
	}
	if errors.Is(err, syscall.EROFS) {
		return "run/" + name
	}
	return path
}

// Current tells whether the files of some settings are as Apply would write them.
func (s System) Current(settings Settings) (bool, error) {
	p, err := s.plan(settings)
	if err != nil {
		return false, err
	}
	for _, f := range p.files {
		if data, err := os.ReadFile(s.path(f.path)); err != nil || string(data) != f.text {
			return false, nil
		}
	}
	return true, nil
}

// Apply writes the files and has the manager use them. Before anything changes, journal gets what Undo needs. An error may come after a part was done.
func (s System) Apply(ctx context.Context, settings Settings, journal func(Change) error) error {
	p, err := s.plan(settings)
	if err != nil {
		return err
	}
	change := Change{Manager: p.manager, Unit: p.unit}
	for _, f := range p.files {
		data, err := os.ReadFile(s.path(f.path))
		if notAllowed(err) {
			return ErrNotAllowed
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		change.Files = append(change.Files, Before{f.path, data})
	}
	if err := journal(change); err != nil {
		return err
	}
	for i, f := range p.files {
		err := s.write(f.path, []byte(f.text))
		if i == 0 && notAllowed(err) {
			return ErrNotAllowed
		}
		if err != nil {
			return fmt.Errorf("the settings for %s can't be written: %w", p.manager, err)
		}
	}
	return run(ctx, p.commands)
}

// notAllowed tells whether another user, to whom the system's disk isn't closed, would have got further.
func notAllowed(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) && os.Geteuid() != 0
}

// write makes the folder, too. All of it is the owner's alone, since keys of wireless networks are in it; but systemd-networkd, which isn't root, must read its own.
func (s System) write(path string, data []byte) error {
	full := s.path(path)
	if err := makeFolder(filepath.Dir(full)); err != nil {
		return err
	}
	if err := atomicfile.Write(full, data, 0o600); err != nil || !strings.HasSuffix(path, ".network") {
		return err
	}
	return os.Chmod(full, 0o644) // a service's umask is narrower
}

// makeFolder makes a folder that everybody may enter, whatever this process's umask.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// Undo puts the files back, and has the manager use what is there then.
func (s System) Undo(ctx context.Context, c Change) error {
	var errs []error
	for _, f := range c.Files {
		if f.Data != nil {
			errs = append(errs, s.write(f.Path, f.Data))
		} else if err := os.Remove(s.path(f.Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	had := len(c.Files) > 0 && c.Files[0].Data != nil
	return errors.Join(append(errs, run(ctx, undoCommands(c, had)))...)
}

// undoCommands are for files that are as they were; had tells whether ours was among them.
func undoCommands(c Change, had bool) [][]string {
	if c.Manager == nmName {
		commands := [][]string{{"nmcli", "connection", "reload"}}
		if had {
			commands = append(commands, nmUp)
		}
		return commands // it goes back to another connection by itself when ours is gone
	}
	commands := [][]string{{"networkctl", "reload"}}
	if slices.ContainsFunc(c.Files, func(f Before) bool { return strings.HasPrefix(f.Path, iwdFolder) }) {
		commands = append(commands, iwdAnew)
	}
	if c.Unit != "" && had {
		commands = append(commands, []string{"systemctl", "restart", c.Unit})
	} else if c.Unit != "" {
		commands = append(commands, []string{"systemctl", "disable", "--now", c.Unit})
	}
	return commands
}

// run runs programs up to the first that fails.
func run(ctx context.Context, commands [][]string) error {
	for _, argv := range commands {
		if _, err := exec.LookPath(argv[0]); err != nil {
			return fmt.Errorf("the program %s is missing on this machine", argv[0])
		}
		if err := perform(ctx, argv); err != nil {
			return err
		}
	}
	return nil
}

// notYet is what NetworkManager says of a connection whose radio it doesn't manage yet, as while a slow machine starts.
const notYet = "No suitable device found"

// perform runs a program, and again after a moment for as long as there is no device for it yet.
func perform(ctx context.Context, argv []string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	for late := time.Now().Add(deviceTime); ; {
		c := child.Command(ctx, argv[0], argv[1:]...)
		c.Env = append(os.Environ(), "LC_ALL=C") // notYet is English
		out, err := c.CombinedOutput()
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%s: %w: %.300s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
		if !strings.Contains(string(out), notYet) || time.Now().After(late) {
			return err
		}
		moment := time.NewTimer(time.Second)
		select {
		case <-moment.C:
		case <-ctx.Done():
			moment.Stop()
			return err
		}
	}
}
