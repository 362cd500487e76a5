package agent_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// listed is what `go list` says of a package.
type listed struct {
	ImportPath string
	Doc        string
	Standard   bool
	Imports    []string
	Deps       []string
	GoFiles    []string
}

// list asks for packages on one system.
func list(t *testing.T, goos string, args ...string) []listed {
	t.Helper()
	c := exec.Command("go", append([]string{"list", "-json=ImportPath,Doc,Standard,Imports,Deps,GoFiles"}, args...)...)
	c.Dir = ".."
	c.Env = append(c.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var packages []listed
	for decoder := json.NewDecoder(out); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	return packages
}

// below tells whether a package is one of these, or in a folder of theirs.
func below(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == "vitrine/"+root || strings.HasPrefix(path, "vitrine/"+root+"/")
	})
}

// The leaves that any package may use: they know nothing of what uses them.
var leaves = []string{
	"platform/atomicfile", "platform/backoff", "platform/disk", "platform/diskspace", "platform/filelock", "platform/network",
}

// Arrows point one way: agent/cmd → agent/cli → agent → agent/* → content/*, discovery, platform/*.
func TestLayers(t *testing.T) {
	for _, p := range list(t, "linux", "./...") {
		for _, imported := range p.Imports {
			if below(imported, "agent", "content", "discovery", "platform", "scripts", "build") && !mayImport(p.ImportPath, imported) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// mayImport is the rule for one arrow between packages of this module.
func mayImport(from, to string) bool {
	switch {
	case below(to, "agent/cmd"):
		return false
	case below(from, "agent/cmd"):
		return below(to, "agent/cli")
	case below(from, "scripts", "build"): // programs that are shipped to nobody
		return true
	case below(to, "agent/cli"):
		return below(from, "agent/cli")
	case below(from, "agent/cli"):
		return true
	case from == "vitrine/agent":
		return !below(to, "agent/server")
	case below(from, "agent/server") && below(to, "agent/player"):
		// The server shows the same page to browsers. It is composed of the device's parts; the device has none of the server's.
		return !below(to, "agent/player/browsertest")
	case below(from, "agent"):
		// Siblings meet only in agent, and through what is pure: the protocol, the schedule and the form of settings.
		sibling := below(to, "agent") && !below(to, "agent/protocol", "agent/schedule", "agent/config") && folder(from) != folder(to)
		return to != "vitrine/agent" && !sibling
	case below(from, "content"):
		return below(to, "content") || below(to, leaves...)
	case below(from, "discovery"):
		return below(to, "discovery") || below(to, leaves...)
	case below(from, "platform"):
		return below(to, "platform")
	}
	return false
}

// folder is the folder below agent that a package is in.
func folder(path string) string {
	parts := strings.Split(path, "/")
	return parts[min(2, len(parts)-1)]
}

func TestPurePackagesDoNoIO(t *testing.T) {
	for _, p := range list(t, "linux", "./agent/schedule", "./agent/standby", "./agent/config", "./content/manifest", "./content/release", "./content/calendar", "./discovery/wsd", "./content/digest") {
		for _, imported := range p.Imports {
			if slices.Contains([]string{"os", "os/exec", "net/http", "syscall"}, imported) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// The device carries neither the server nor what switches off the linker's removal of dead code, which costs a fifth of
// the binary.
func TestDeviceBinary(t *testing.T) {
	for _, goos := range []string{"linux", "windows"} {
		for _, p := range list(t, goos, "./agent/cmd/vitrine") {
			for _, d := range p.Deps {
				if below(d, "agent/server", "agent/player/browsertest") ||
					slices.Contains([]string{"text/template", "html/template", "testing", "encoding/gob", "net/rpc"}, d) ||
					strings.HasPrefix(d, "github.com/mochi-mqtt") || strings.HasPrefix(d, "github.com/chromedp") {
					t.Errorf("%s: vitrine depends on %s", goos, d)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	for _, p := range list(t, "linux", "./...") {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// Processes are started only where that is the package's job.
func TestWhoStartsProcesses(t *testing.T) {
	for _, goos := range []string{"linux", "windows"} {
		for _, p := range list(t, goos, "./...") {
			if slices.Contains(p.Imports, "os/exec") && !below(p.ImportPath, "platform/child", "platform/display", "platform/network/setup", "platform/power", "agent/kiosk", "agent/player/browsertest", "scripts") {
				t.Errorf("%s (%s) imports os/exec", p.ImportPath, goos)
			}
		}
	}
}
