package build_test

import (
	"debug/elf"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A target is a kind of machine for which something is released.
type target struct {
	name, arch    string
	machine       elf.Machine
	emulator      string // with the oldest processor that its programs are for; none for 386: what Go makes crashes in qemu-i386, and amd64 runs it
	deb, rpm, apk string // how the packages' makers call it; empty: they have none
}

var targets = []target{
	{"linux-amd64", "amd64", elf.EM_X86_64, "qemu-x86_64-static -cpu qemu64", "amd64", "x86_64", "x86_64"},
	{"linux-386", "386", elf.EM_386, "", "i386", "i386", "x86"},
	{"linux-arm64", "arm64", elf.EM_AARCH64, "qemu-aarch64-static -cpu cortex-a53", "arm64", "aarch64", "aarch64"},
	{"linux-armv6", "arm", elf.EM_ARM, "qemu-arm-static -cpu arm1176", "", "", "armhf"}, // Raspberry Pi Zero and 1
	{"linux-armv7", "arm", elf.EM_ARM, "qemu-arm-static -cpu cortex-a7", "armhf", "armv7hl", "armv7"},
	{"windows-amd64", "amd64", elf.EM_NONE, "", "", "", ""},
}

// programs are those of a target, where it has them.
func (g target) programs() []string {
	if g.machine == elf.EM_NONE {
		return []string{"vitrine.exe", "vitrine-server.exe"}
	}
	return []string{"vitrine", "vitrine-server"}
}

// holders are the files that have a program of a target in them, and how a shell finds its SHA-256 there: $1 is the file, $2 the program.
func (g target) holders(version, program string) map[string]string {
	folder := "vitrine-" + version + "-" + g.name
	if g.machine == elf.EM_NONE {
		return map[string]string{folder + ".zip": `busybox unzip -p "$1" ` + folder + `/"$2" | sha256sum`}
	}
	h := map[string]string{folder + ".tar.gz": `tar -xzOf "$1" ` + folder + `/"$2" | sha256sum`}
	if g.deb != "" {
		h[program+"_"+version+"_"+g.deb+".deb"] = `dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/bin/$2" | sha256sum`
	}
	if g.rpm != "" {
		h[program+"-"+version+"-1."+g.rpm+".rpm"] = `rpm -qp --dump "$1" | awk -v p="/usr/bin/$2" '$1 == p { print $4 }'`
	}
	h[program+"_"+version+"_"+g.apk+".apk"] = `tar --warning=no-unknown-keyword -xzOf "$1" "usr/bin/$2" | sha256sum`
	return h
}

// All that is promised is there and nothing else, as the checksums have it, and in each package and archive are the programs of that target.
func TestReleaseIsWhole(t *testing.T) {
	folder, version := released(t)
	needs(t, map[string]string{"rpm": "rpm", "dpkg-deb": "dpkg", "busybox": "busybox-static"})
	want := map[string]bool{"vitrine-" + version + ".cdx.json": true}
	for _, g := range targets {
		for _, program := range g.programs() {
			sum := sumOf(t, filepath.Join(folder, g.name, program))
			for name, script := range g.holders(version, program) {
				want[name] = true
				if got := output(t, "bash", "-euo", "pipefail", "-c", script, "bash", filepath.Join(folder, name), program); strings.Fields(got + " nothing")[0] != sum {
					t.Errorf("%s has another %s than %s", name, program, g.name)
				}
			}
		}
	}
	var listed []string
	for line := range strings.Lines(readSums(t, folder)) {
		listed = append(listed, strings.Fields(line)[1])
	}
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), listed); diff != "" {
		t.Errorf("what is promised and SHA256SUMS (-want +got):\n%s", diff)
	}
	output(t, "env", "-C", folder, "sha256sum", "--check", "--quiet", "SHA256SUMS")
}

// The bill of materials is that of all the programs: Windows' are made of less.
func TestReleaseBill(t *testing.T) {
	folder, version := released(t)
	mustBill(t, folder, version)
}

// Each program for Linux is static and stripped, and runs on the oldest processor that it is for. Those for Windows run in Wine.
func TestReleaseRuns(t *testing.T) {
	folder, version := released(t)
	for _, g := range targets {
		if g.machine == elf.EM_NONE {
			continue
		}
		for _, program := range g.programs() {
			t.Run(g.name+"/"+program, func(t *testing.T) {
				path := filepath.Join(folder, g.name, program)
				mustBeStatic(t, path, g.machine)
				command := append(strings.Fields(g.emulator), path, "version", "--json")
				needs(t, map[string]string{command[0]: "qemu-user-static"})
				var is struct{ Program, Version, OS, Arch string }
				if err := json.Unmarshal([]byte(output(t, command[0], command[1:]...)), &is); err != nil {
					t.Fatal(err)
				}
				if is.Program != program || is.Version != version || is.OS != "linux" || is.Arch != g.arch {
					t.Errorf("it says that it is %+v", is)
				}
			})
		}
	}
}

// mustBeStatic fails the test if a program wants a loader or a library of the system.
func mustBeStatic(t *testing.T, path string, machine elf.Machine) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if f.Machine != machine {
		t.Errorf("it is for %v", f.Machine)
	}
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC }) {
		t.Error("it wants a loader")
	}
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("%v: it wants the libraries %q", err, libraries)
	}
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("it isn't stripped")
	}
}

// released is the folder in which `make dist` has put what it makes of this source for every target, and its version.
func released(t *testing.T) (folder, version string) {
	t.Helper()
	folder = os.Getenv("VITRINE_DIST")
	if folder == "" {
		t.Skip("this looks at what `make dist` has made of this source: VITRINE_DIST=dist")
	}
	return filepath.Join("..", folder), strings.TrimSpace(output(t, "./version"))
}

// needs skips the test, or in CI fails it, if one of some tools is missing; with each is the Debian package that has it.
func needs(t *testing.T, tools map[string]string) {
	t.Helper()
	for name, from := range tools {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing (Debian package %s)", name, from)
			}
			t.Skipf("%s is missing (Debian package %s)", name, from)
		}
	}
}

// output is what a command prints; the test fails if that fails.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var errors strings.Builder
	c := exec.CommandContext(t.Context(), name, args...)
	c.Stderr = &errors
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", c, err, errors.String())
	}
	return string(out)
}
