package power

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake puts programs that only say how they were called before all others, so that no test can take the machine down.
func fake(t *testing.T, code string) (called func() string) {
	t.Helper()
	dir := t.TempDir()
	note := filepath.Join(dir, "called")
	for _, name := range []string{"systemctl", "reboot", "poweroff"} {
		script := "#!/bin/sh\necho " + name + " \"$@\" >" + note + "\necho why not >&2\nexit " + code + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	return func() string {
		data, _ := os.ReadFile(note) // missing if none was called
		return strings.TrimSpace(string(data))
	}
}

func TestDo(t *testing.T) {
	if os.Geteuid() != 0 {
		if err := Check(Reboot); err == nil || !strings.Contains(err.Error(), "doesn't run as root") {
			t.Errorf("without the right: %v", err)
		}
		return
	}
	for action, name := range map[Action]string{Reboot: "reboot", Off: "poweroff"} {
		called := fake(t, "0")
		if err := Do(t.Context(), action); err != nil || !strings.HasSuffix(called(), name) {
			t.Errorf("%s: %v, called %q", name, err, called())
		}
		fake(t, "1")
		if err := Do(t.Context(), action); err == nil || !strings.Contains(err.Error(), "why not") {
			t.Errorf("%s that fails: %v", name, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if err := Check(Off); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without the program: %v", err)
	}
}

func TestSuspendNeedsTheKernel(t *testing.T) {
	if err := canSuspend(system(t, map[string]string{"sys/power/state": "freeze mem disk\n"})); err != nil {
		t.Error(err)
	}
	for _, states := range []string{"", "freeze\n"} {
		if err := canSuspend(system(t, map[string]string{"sys/power/state": states})); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("with %q: %v", states, err)
		}
	}
	if Slept() < 0 {
		t.Errorf("it has slept for %v", Slept())
	}
}
