// Package build_test makes what is released.
package build_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Twice the same source gives the same bytes, wherever it lies and whoever makes it. VITRINE_COLD=1 has the second time compile all of it anew, which
// takes minutes.
func TestSameBytes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("build/dist is for Linux")
	}
	names, err := exec.Command("git", "-C", "..", "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	key := filepath.Join(t.TempDir(), "key.pem")
	openssl(t, "genpkey", "-algorithm", "ed25519", "-out", key)
	openssl(t, "pkey", "-in", key, "-pubout", "-out", key+".pub")
	first := dist(t, string(names), filepath.Join(t.TempDir(), "a"), "umask 022", "TZ=UTC", "LANG=C")
	second := []string{"TZ=Asia/Tokyo", "LANG=de_DE.UTF-8", "HOME=" + t.TempDir(), "GOMODCACHE=" + env(t, "GOMODCACHE"), "GOCACHE=" + env(t, "GOCACHE")}
	if os.Getenv("VITRINE_COLD") != "" {
		second = append(second, "GOCACHE="+t.TempDir())
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere", "b")
	again := dist(t, string(names), elsewhere, "umask 077", append(second, "SIGNING_KEY="+key)...)
	if first != again {
		t.Errorf("first\n%sand then\n%s", first, again)
	}
	if n := strings.Count(first, "\n"); n != 8 { // two programs in three formats, an archive, the bill of materials
		t.Errorf("%d files were made:\n%s", n, first)
	}
	sums := filepath.Join(elsewhere, "dist", "SHA256SUMS")
	openssl(t, "pkeyutl", "-verify", "-pubin", "-inkey", key+".pub", "-rawin", "-in", sums, "-sigfile", sums+".sig")
}

// dist copies the source into a folder, makes there what is released for this machine, and gives the checksums.
func dist(t *testing.T, names, folder, prepare string, environment ...string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	script := prepare + `; tar -C "$1" -c -T - | tar -C "$2" -x && "$2/build/dist" '-s -w -buildid= -X main.version=1.2.3' 1.2.3 1796000000 "$3"`
	c := exec.CommandContext(t.Context(), "bash", "-ec", script, "bash", "..", folder, runtime.GOOS+"-"+runtime.GOARCH)
	c.Stdin = strings.NewReader(names)
	c.Env = append(c.Environ(), environment...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sums, err := os.ReadFile(filepath.Join(folder, "dist", "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	return string(sums)
}

func openssl(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is missing (Debian package openssl)")
		}
		t.Skip("openssl is missing (Debian package openssl)")
	}
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
	}
}

func env(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// The package for an image is made where nothing of a release is, which would be removed, and who makes one without a key is told what that means.
func TestImageLeavesReleaseAlone(t *testing.T) {
	for key, told := range map[string]bool{"": true, "abc": false} {
		out, err := exec.CommandContext(t.Context(), "make", "-C", "..", "-n", "--no-print-directory", "image", "ARCH=armhf", "VERSION=1.2.3", "RELEASE_KEY="+key).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		steps := string(out)
		if !strings.Contains(steps, "DIST=dist/.image FORMATS=deb build/dist") || !strings.Contains(steps, " dist/.image/vitrine_1.2.3_armhf.deb") {
			t.Errorf("key %q: what is made where?\n%s", key, steps)
		}
		if strings.Contains(steps, "will take no release") != told {
			t.Errorf("key %q: that is said: %v\n%s", key, !told, steps)
		}
	}
}
