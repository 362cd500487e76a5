package service

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// polkitFolder is where polkit(8) reads what a system's owner allows. A package has its rule in the other folder, of packages.
const polkitFolder = "/etc/polkit-1/rules.d"

func polkitRules(c Config) string { return filepath.Join(polkitFolder, "60-"+c.Name+".rules") }

// packagedFor tells whether it is a package that has made the service's user.
func packagedFor(c Config) bool { return Packaged(c) && userOf(packagedUnit(c)) == c.User }

// GiveBack makes what root has written below a folder its owner's, to whom it would else be closed.
func GiveBack(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil
	}
	return give(dir, int(stat.Uid), int(stat.Gid))
}

// settle makes the user, and gives it what it needs of the file system.
func settle(c Config) error {
	u, err := makeUser(c)
	if err != nil {
		return err
	}
	uid, gid, err := ids(u)
	if err != nil {
		return err
	}
	for _, dir := range []string{c.State, c.Settings} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := give(c.State, uid, gid); err != nil {
		return err
	}
	if err := share(c.Settings, gid); err != nil {
		return err
	}
	if !c.own() || packagedFor(c) {
		return nil
	}
	if _, err := os.Stat(polkitFolder); errors.Is(err, fs.ErrNotExist) {
		return nil // `vitrine doctor` says what that means
	}
	return os.WriteFile(polkitRules(c), []byte(Polkit(c)), 0o644)
}

// unsettle takes back what settle did. The data become root's, since the number of a user that is gone may be given to another. What a package has
// made stays.
func unsettle(c Config) error {
	if err := removeAll(polkitRules(c)); err != nil || packagedFor(c) {
		return err
	}
	for _, dir := range []string{c.State, c.Settings} {
		if err := give(dir, 0, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if _, err := user.Lookup(c.User); err != nil || !c.own() {
		return nil
	}
	return command("userdel", c.User)
}

// makeUser makes a user that can't log in, if there is none of that name, and puts it into the groups.
func makeUser(c Config) (*user.User, error) {
	if !c.own() {
		return user.Lookup(c.User)
	}
	var there []string
	for _, g := range groups {
		if _, err := user.LookupGroup(g); err == nil {
			there = append(there, g)
		}
	}
	argv := []string{"usermod", "--append"}
	if _, err := user.Lookup(c.User); err != nil {
		argv = []string{"useradd", "--system", "--user-group", "--no-create-home", "--home-dir", c.State, "--shell", "/usr/sbin/nologin", "--comment", c.DisplayName}
	}
	if len(there) > 0 {
		argv = append(argv, "--groups", strings.Join(there, ","))
	}
	if len(there) > 0 || argv[0] == "useradd" {
		if err := command(argv[0], append(argv[1:], c.User)...); err != nil {
			return nil, err
		}
	}
	return user.Lookup(c.User)
}

func ids(u *user.User) (uid, gid int, err error) {
	if uid, err = strconv.Atoi(u.Uid); err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	return uid, gid, err
}

// give makes a user the owner of all that is below a folder. Links are not followed, neither by name nor to a file that has another name elsewhere:
// whoever has written to the folder must not get at other files by them.
func give(dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() && stat.Nlink > 1 {
			return nil
		}
		return root.Lchown(path, uid, gid)
	})
}

// share lets a group read the files of a folder, and replace them. They stay their owner's: a join token is nobody else's business.
func share(dir string, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	if err := errors.Join(root.Lchown(".", -1, gid), root.Chmod(".", 0o770)); err != nil {
		return err
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if err := errors.Join(root.Lchown(f.Name(), -1, gid), root.Chmod(f.Name(), info.Mode().Perm()|0o040)); err != nil {
			return err
		}
	}
	return nil
}
