// Command bill says what the programs are made of: a bill of materials in the form of CycloneDX, and the licences of all that is in them, which their
// authors want to go along. It asks the programs themselves what was linked. It is no part of any program that is shipped.
//
//	bill MODULES GOROOT VERSION SECONDS FOLDER PROGRAM…
//
// MODULES is Go's cache of modules. FOLDER gets bom.json, and for each program's name NOTICES-NAME; a PROGRAM is such as dist/linux-amd64/vitrine.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bill:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 6 {
		return errors.New("usage: bill MODULES GOROOT VERSION SECONDS FOLDER PROGRAM [PROGRAM]")
	}
	seconds, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	folder := args[4]
	sources := sources{modules: args[0], root: args[1]}
	var programs []program
	for _, path := range args[5:] {
		p, err := sources.read(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		programs = append(programs, p)
	}
	bom, err := materials(programs, args[2], time.Unix(seconds, 0).UTC())
	if err != nil {
		return err
	}
	files := map[string]string{"bom.json": string(bom)}
	for _, p := range programs {
		files["NOTICES-"+p.name()] = notices(p.name(), programs)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// name is a program's name without its platform, and without what Windows adds.
func (p program) name() string { return strings.TrimSuffix(filepath.Base(p.path), ".exe") }

// target is the platform, by the name of its folder.
func (p program) target() string { return filepath.Base(filepath.Dir(p.path)) }
