package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// made are all documents, in a folder.
func made(t *testing.T) (map[string]string, string) {
	t.Helper()
	settings, err := os.ReadFile("../../" + settingsFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := documents(edition{"1.2.3", "2026-11-29"}, string(settings))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return files, dir
}

// program is the path of a program that a test needs.
func program(t *testing.T, name, pack string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is missing (Debian package %s)", name, pack)
	default:
		t.Skipf("%s is missing (Debian package %s)", name, pack)
	}
	return path
}

// Completions are asked of the shells themselves: what may follow a line, and nothing else.
func TestCompletions(t *testing.T) {
	_, dir := made(t)
	for shell, script := range map[string]string{
		"bash": `. "$1/$2.bash"; COMP_WORDS=($3 "$4"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); compopt() { :; }; "_${2//-/_}"; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `source $argv[2]/$argv[3].fish; complete -C "$argv[4] $argv[5]" | string split -f1 \t`,
		// Without a terminal zsh completes nothing: what it would call says what it is asked to show.
		"zsh": `words=(${=3} "$4") CURRENT=$#words; _describe() { print -l -- ${(P)2%%:*} }; _arguments() { print -l -- ${${@#\*}%%\[*} }; . "$1/_$2" | grep -e "^$4"`,
	} {
		t.Run(shell, func(t *testing.T) {
			path := program(t, shell, shell)
			for _, c := range []struct {
				program, line, word string
				want                []string
			}{
				{"vitrine", "vitrine", "st", []string{"status"}},
				{"vitrine", "vitrine content", "", []string{"export", "gc", "import", "list", "pin", "rollback", "verify"}},
				{"vitrine", "vitrine --nonsense content", "ro", []string{"rollback"}},
				{"vitrine", "vitrine service install", "--s", []string{"--screen", "--set-clock"}},
				{"vitrine-server", "vitrine-server token", "re", []string{"revoke"}},
				{"vitrine-server", "vitrine-server token create --uses 3", "--ex", []string{"--expires"}},
			} {
				args := []string{"-c", script, shell, dir, c.program, c.line, c.word}
				if shell == "fish" {
					args = []string{"--no-config", "-c", script, "--", shell, dir, c.program, c.line, c.word}
				}
				cmd := exec.Command(path, args...)
				cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
				out, err := cmd.CombinedOutput()
				got := slices.Sorted(slices.Values(strings.Fields(string(out))))
				got = slices.DeleteFunc(got, func(s string) bool { return c.word == "" && s == "--help" })
				if !slices.Equal(got, c.want) {
					t.Errorf("%q and then %q: %q, %v; want %q", c.line, c.word, got, err, c.want)
				}
			}
		})
	}
}

// Every command is in its program's manual page, which man takes without a word, and nothing of the machine where it was made.
func TestManuals(t *testing.T) {
	files, dir := made(t)
	for _, want := range []string{`.SS vitrine run [OPTIONS]`, `.SS vitrine content list`, `.B \-\-set\-clock`, `/var/lib/vitrine`} {
		if !strings.Contains(files["man/vitrine.1"], want) {
			t.Errorf("vitrine.1 has no %s", want)
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if strings.Contains(text, home+"/") || strings.Contains(text, dir) {
			t.Errorf("%s names a folder of this machine", name)
		}
	}
	groff := program(t, "groff", "groff-base")
	for _, page := range []string{"vitrine.1", "vitrine-server.1", "vitrine.toml.5"} {
		if out, err := exec.Command(groff, "-man", "-Tutf8", "-K", "utf8", "-ww", "-z", filepath.Join(dir, page)).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", page, err, out)
		}
	}
}
