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

// stamp is a version for the linker, as a shell has it.
const stamp = "'-s -w -buildid= -X main.version=1.2.3' "

// Twice the same source gives the same bytes, wherever it lies and whoever makes it: packages, archives, all that is beside the programs, and how those are
// linked. What was compiled the first time is taken from Go's cache the second time, which doesn't go by the folder: TestSameBytesCold is about that.
func TestSameBytes(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key.pem")
	openssl(t, "genpkey", "-algorithm", "ed25519", "-out", key)
	openssl(t, "pkey", "-in", key, "-pubout", "-out", key+".pub")
	command := "build/dist " + stamp + "1.2.3 1796000000 "
	first := readSums(t, made(t, command))
	folder := madeElsewhere(t, command, "GOCACHE="+env(t, "GOCACHE"), "SIGNING_KEY="+key)
	if again := readSums(t, folder); first != again {
		t.Errorf("first\n%sand then\n%s", first, again)
	}
	if n := strings.Count(first, "\n"); n != 8 { // two programs in three formats, an archive, the bill of materials
		t.Errorf("%d files were made:\n%s", n, first)
	}
	mustBill(t, folder, "1.2.3")
	sums := filepath.Join(folder, "SHA256SUMS")
	openssl(t, "pkeyutl", "-verify", "-pubin", "-inkey", key+".pub", "-rawin", "-in", sums, "-sigfile", sums+".sig")
}

// So do the compiler and the linker: the second time everything is compiled anew, Go's library too, which takes a minute of two processors.
func TestSameBytesCold(t *testing.T) {
	if os.Getenv("VITRINE_COLD") == "" {
		t.Skip("this compiles both programs anew: VITRINE_COLD=1")
	}
	command := "build/cross " + stamp
	first, again := made(t, command), madeElsewhere(t, command, "GOCACHE="+t.TempDir())
	for _, program := range []string{"vitrine", "vitrine-server"} {
		path := filepath.Join(runtime.GOOS+"-"+runtime.GOARCH, program)
		if sumOf(t, filepath.Join(first, path)) != sumOf(t, filepath.Join(again, path)) {
			t.Errorf("%s is another one when it is compiled again, in %s", program, again)
		}
	}
}

// made copies the source into a folder, has a command make something for this machine there, and names the folder with that.
func made(t *testing.T, command string) string {
	t.Helper()
	return makeIn(t, filepath.Join(t.TempDir(), "a"), "umask 022", command, "TZ=UTC", "LANG=C")
}

// madeElsewhere is the same for somebody else, in another folder.
func madeElsewhere(t *testing.T, command string, environment ...string) string {
	t.Helper()
	environment = append(environment, "TZ=Asia/Tokyo", "LANG=de_DE.UTF-8", "HOME="+t.TempDir(), "GOMODCACHE="+env(t, "GOMODCACHE"))
	return makeIn(t, filepath.Join(t.TempDir(), "elsewhere", "b"), "umask 077", command, environment...)
}

func makeIn(t *testing.T, folder, prepare, command string, environment ...string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("build/dist is for Linux")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	script := prepare + `; tar -C .. -c -T - | tar -C "$1" -x --no-same-permissions; cd "$1"; ` + command + runtime.GOOS + "-" + runtime.GOARCH
	c := exec.CommandContext(t.Context(), "bash", "-eu", "-o", "pipefail", "-c", script, "bash", folder)
	c.Stdin = strings.NewReader(output(t, "git", "-C", "..", "ls-files", "-co", "--exclude-standard"))
	c.Env = append(c.Environ(), environment...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(folder, "dist")
}

func readSums(t *testing.T, folder string) string {
	t.Helper()
	return output(t, "cat", filepath.Join(folder, "SHA256SUMS"))
}

func openssl(t *testing.T, args ...string) {
	t.Helper()
	needs(t, map[string]string{"openssl": "openssl"})
	if out, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
	}
}

func env(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(output(t, "go", "env", name))
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
