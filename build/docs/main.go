// Command docs makes manual pages and completions of what the programs themselves print at --help, and has them print the parts of a package that are theirs:
// the unit for systemd and the rule for polkit. It is no part of any program that is shipped.
//
//	docs VERSION SECONDS FOLDER
//
// VERSION is the programs', SECONDS when they were made, since 1970. It is run in the folder of the project.
package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/cli/vitrine"
	"vitrine/agent/cli/vitrineserver"
	"vitrine/platform/service"
)

// settingsFile has every setting, with an example.
const settingsFile = "agent/config/vitrine.toml"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: docs VERSION SECONDS FOLDER")
	}
	seconds, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	settings, err := os.ReadFile(settingsFile)
	if err != nil {
		return err
	}
	files, err := documents(edition{version: args[0], date: time.Unix(seconds, 0).UTC().Format(time.DateOnly)}, string(settings))
	if err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(args[2], name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// An edition is what manual pages say of the programs' age.
type edition struct{ version, date string }

// documents are all files, by the names that they have below a package's root, or in the archives.
func documents(made edition, settings string) (map[string]string, error) {
	files := map[string]string{
		"groups":                  strings.Join(service.Groups(), " ") + "\n",
		"man/vitrine.toml.5":      settingsManual(settings, made),
		"systemd/vitrine.service": service.Unit(vitrine.Packaged()),
		"polkit/60-vitrine.rules": service.Polkit(vitrine.Packaged()),
	}
	for _, p := range []struct {
		program cli.Command
		files   [][2]string
	}{
		{vitrine.Program(), [][2]string{
			{"/etc/vitrine/vitrine.toml", "The settings of vitrine.toml(5)."},
			{"/var/lib/vitrine", "Identity, programmes and plays of a viewer that is a service."},
		}},
		{vitrineserver.Program(), [][2]string{
			{"/etc/default/vitrine-server", "The options of the service."},
			{"/var/lib/vitrine-server", "Keys, tokens and viewers of the site."},
		}},
	} {
		made, err := ofProgram(p.program, p.files, made)
		if err != nil {
			return nil, err
		}
		maps.Copy(files, made)
	}
	return files, nil
}

func ofProgram(program cli.Command, files [][2]string, made edition) (map[string]string, error) {
	list, err := pages(program, "/var/lib/"+program.Name)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"man/" + program.Name + ".1":            manual(list, files, made),
		"completions/" + program.Name + ".bash": bash(list),
		"completions/_" + program.Name:          zsh(list),
		"completions/" + program.Name + ".fish": fish(list),
	}, nil
}
