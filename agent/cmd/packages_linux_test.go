package cmd_test

import (
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// cleanDebian is what scripts/debian has made.
const cleanDebian = "/var/cache/vitrine/debian-12"

// The packages on a clean Debian with a real systemd: installed, upgraded, downgraded, removed and purged, while the viewer plays. The rpms as well, since
// their scripts are others: by Debian's rpm, which is told not to ask for what they depend on.
func TestDebianPackages(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("a systemd of our own needs root")
		}
		t.Skip("a systemd of our own needs root")
	}
	if _, err := os.Stat(cleanDebian); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: scripts/debian makes it", err)
		}
		t.Skipf("%v: scripts/debian makes it", err)
	}
	folder := t.TempDir()
	site{media: folder}.add(t, "red.png", color.RGBA{200, 0, 0, 255})
	for version, name := range map[string]string{"1.0.9": "old", "1.0.10": "new"} {
		build := exec.CommandContext(t.Context(), "../../build/dist", "-s -w -buildid= -X main.version="+version, version, "1796000000", runtime.GOOS+"-"+runtime.GOARCH)
		build.Env = append(os.Environ(), "DIST="+filepath.Join(folder, name), "FORMATS=deb rpm")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	t.Setenv("VITRINE_ROOT", cleanDebian)
	result := bootSystemd(t, folder, "/bin/true", "testdata/package-script")
	if !strings.Contains(result, "all is well\nexit code 0\n") {
		t.Errorf("the script failed:\n%s", result)
	}
	t.Log(result)
}
