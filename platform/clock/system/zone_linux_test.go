package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// timedatectl is asked for a zone that isn't the system's, and its refusal told.
func TestSetZone(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\necho \"$*\" > " + bin + "/called\n[ \"$2\" = Europe/Amsterdam ] || { echo 'Failed to set time zone: Access denied'; exit 1; }\n"
	if err := os.WriteFile(filepath.Join(bin, "timedatectl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	if target, _ := os.Readlink(localtime); strings.HasSuffix(target, "/Europe/Amsterdam") {
		t.Skip("this machine is in Amsterdam")
	}
	if err := SetZone(t.Context(), "Europe/Amsterdam"); err != nil {
		t.Error(err)
	}
	if called, err := os.ReadFile(filepath.Join(bin, "called")); err != nil || string(called) != "set-timezone Europe/Amsterdam\n" {
		t.Errorf("called with %q, %v", called, err)
	}
	if err := SetZone(t.Context(), "Pacific/Apia"); err == nil || !strings.Contains(err.Error(), "Access denied") {
		t.Errorf("refused: %v", err)
	}
	if target, err := os.Readlink(localtime); err == nil {
		if _, name, ok := strings.Cut(target, "/zoneinfo/"); ok {
			_ = os.Remove(filepath.Join(bin, "called"))
			if err := SetZone(t.Context(), name); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(bin, "called")); err == nil {
				t.Error("it is set although it is the system's already")
			}
		}
	}
}
