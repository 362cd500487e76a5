package service

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kardianos/service"

	"vitrine/platform/child"
)

// A package of the operating system brings the service along: a unit for systemd, a user, a rule for polkit. Install then writes a unit that comes before the
// package's, for what that may not do, and Uninstall removes it; the package's own parts are left alone.

// ownUnits is where an administrator has units, which come before those of packages (systemd.unit(5)).
const ownUnits = "/etc/systemd/system"

// packageUnits are where packages have their units; the second is the first on most systems.
var packageUnits = []string{"/usr/lib/systemd/system", "/lib/systemd/system"}

// Unit is what systemd gets, for whoever makes a package or an image. The path of the program is in it.
func Unit(c Config) string { return systemdUnit(c) }

// Polkit is the rule for polkit by which the service's user does through other services what it has no right to do itself.
func Polkit(c Config) string { return fmt.Sprintf(polkitForm, c.User) }

// Groups are those that the service's user is in, as far as a system has them: a browser on the screen, and what switches the display, get the devices by them.
func Groups() []string { return slices.Clone(groups) }

var groups = []string{"audio", "dialout", "input", "render", "seat", "_seatd", "video"}

const polkitForm = `// What the signage viewer may have other services do.
polkit.addRule(function(action, subject) {
	var allowed = [
		"org.freedesktop.login1.reboot", "org.freedesktop.login1.reboot-multiple-sessions",
		"org.freedesktop.login1.power-off", "org.freedesktop.login1.power-off-multiple-sessions",
		"org.freedesktop.login1.suspend", "org.freedesktop.login1.suspend-multiple-sessions",
		"org.freedesktop.timedate1.set-timezone"
	];
	if (subject.user == "%s" && allowed.indexOf(action.id) >= 0) {
		return polkit.Result.YES;
	}
});
`

// ownUnit is the unit that Install writes; empty if there is none.
func ownUnit(c Config) string { return readUnit(c, ownUnits) }

// packagedUnit is the unit of a package; empty if there is none.
func packagedUnit(c Config) string { return readUnit(c, packageUnits...) }

func readUnit(c Config, folders ...string) string {
	for _, folder := range folders {
		if unit, err := os.ReadFile(filepath.Join(folder, c.Name+".service")); err == nil {
			return string(unit)
		}
	}
	return ""
}

// Packaged tells whether a package has brought the service along.
func Packaged(c Config) bool { return service.Platform() == systemd && packagedUnit(c) != "" }

// asInstalled is the configuration with the user that the installed unit names.
func asInstalled(c Config) Config {
	unit := ownUnit(c)
	if unit == "" {
		unit = packagedUnit(c)
	}
	if unit != "" {
		c.User = userOf(unit)
	}
	return c // without a unit, whoever needs it says so
}

// userOf is who a unit's service runs as.
func userOf(unit string) string {
	for line := range strings.Lines(unit) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "User="); ok {
			return name
		}
	}
	return RootUser // as units of earlier versions have it
}

// mayInstall tells why a service can't be installed: it is there, and not to be had otherwise.
func mayInstall(c Config) error {
	if state, err := Status(c); err != nil || state == NotInstalled {
		return nil
	}
	unit := packagedUnit(c)
	switch {
	case !Packaged(c) || ownUnit(c) != "":
		return fmt.Errorf("the service %s is installed already; `vitrine service uninstall` removes it, and keeps its data", c.Name)
	case !strings.Contains(unit, "\nExecStart="+quote(c.Executable)+" "):
		return fmt.Errorf("the service %s is of a package, whose program isn't %s; remove the package first, or leave the service to it", c.Name, c.Executable)
	case unit == Unit(c):
		return fmt.Errorf("the service %s is installed already, by a package; with --screen, --set-clock or --user it gets a unit that comes before the package's", c.Name)
	}
	return nil
}

// backToPackage has the unit of the package count again, once there is none before it.
func backToPackage(c Config, run bool) error {
	c = asInstalled(c)
	if err := settle(c); err != nil {
		return err
	}
	if err := command("systemctl", "enable", c.Name); err != nil || !run {
		return err
	}
	return command("systemctl", "start", c.Name)
}

// command runs one of the system's programs.
func command(name string, args ...string) error {
	if out, err := child.Command(context.Background(), name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
