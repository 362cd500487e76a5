package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mit     = "Permission is hereby granted, free of charge, to any person\nobtaining a copy of this software"
	bsd     = "Redistribution and use in source and binary forms, with or without modification"
	nobodys = "Whoever reads this may look at it on Sundays."
)

// A licence that isn't known, or missing, ends the build: of a module or of Go itself, and nothing is written then.
func TestLicences(t *testing.T) {
	viewer := built(t)
	modules, root := goEnv(t, "GOMODCACHE"), goEnv(t, "GOROOT")
	const module = "github.com/fsnotify/fsnotify"
	for name, c := range map[string]struct {
		files map[string]string
		want  string // what is wrong, or nothing
	}{
		"known":                  {map[string]string{"LICENSE": mit}, ""},
		"by another name":        {map[string]string{"COPYING.md": mit}, ""},
		"two that are known":     {map[string]string{"LICENSE": mit, "licence-2": bsd}, ""},
		"and what isn't one":     {map[string]string{"LICENSE": mit, "NOTICE": nobodys, "PATENTS": nobodys, "README": nobodys}, ""},
		"unknown":                {map[string]string{"LICENSE": nobodys}, "LICENSE is a licence that build/bill doesn't know"},
		"one of two is unknown":  {map[string]string{"LICENSE": mit, "LICENSE.docs": nobodys}, "LICENSE.docs is a licence that build/bill doesn't know"},
		"empty":                  {map[string]string{"LICENSE": ""}, "LICENSE is a licence that build/bill doesn't know"},
		"missing":                {map[string]string{"fsnotify.go": "package fsnotify"}, "there is no licence in "},
		"only notices":           {map[string]string{"NOTICE": mit, "PATENTS": mit}, "there is no licence in "},
		"a folder of that name":  {map[string]string{"LICENSES/mit.txt": mit}, "there is no licence in "},
		"the source isn't there": {nil, "no such file"},
	} {
		for _, foreign := range []string{module, "std"} {
			t.Run(name+" of "+foreign, func(t *testing.T) {
				t.Parallel()
				m, r, changed := modules, t.TempDir(), ""
				if changed = r; foreign == module {
					m, r = t.TempDir(), root
					changed = linked(t, viewer, modules, m, module)
				}
				if c.files == nil {
					if err := os.Remove(changed); err != nil {
						t.Fatal(err)
					}
				}
				for file, text := range c.files {
					write(t, filepath.Join(changed, file), text)
				}
				out := t.TempDir()
				err := run([]string{m, r, "1.2.3", "1796000000", out, viewer})
				made, _ := filepath.Glob(filepath.Join(out, "*"))
				switch {
				case c.want == "" && (err != nil || len(made) != 2):
					t.Errorf("%v, and there is %q", err, made)
				case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), foreign) && c.files != nil || len(made) != 0):
					t.Errorf("the error is %v, want one with %q, and there is %q", err, c.want, made)
				}
			})
		}
	}
}

// A licence is known by its words, wherever its lines break, and the most special one that fits is meant.
func TestIdentify(t *testing.T) {
	for text, want := range map[string]string{
		mit: "MIT", strings.ToUpper(mit): "MIT", bsd: "BSD-2-Clause", bsd + "\n… may be used to endorse or\n   promote products derived from this software": "BSD-3-Clause",
		"Apache License\nVersion 2.0": "Apache-2.0", "Eclipse Public License - v 2.0\n… Mozilla Public License, Apache License": "EPL-2.0", nobodys: "", "": "",
	} {
		if got := identify(text); got != want {
			t.Errorf("%q is taken for %q, want %q", text, got, want)
		}
	}
}

// built is the viewer, with all that it is made of.
func built(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "linux-amd64", "vitrine")
	c := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "../../agent/cmd/vitrine") // as `make build`: compiled already
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// linked makes a cache of modules with all that are in a program, and of one of them an empty folder.
func linked(t *testing.T, program, modules, folder, empty string) string {
	t.Helper()
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	at := ""
	for _, d := range info.Deps {
		name := escaped(d.Path) + "@" + d.Version
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if d.Path == empty {
			at, err = path, os.Mkdir(path, 0o755)
		} else {
			err = os.Symlink(filepath.Join(modules, name), path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if at == "" {
		t.Fatalf("%s isn't in the program", empty)
	}
	return at
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
