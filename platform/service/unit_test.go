package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSystemdUnit(t *testing.T) {
	unit := systemdUnit(Config{Name: "vitrine-test", Description: "a service of a test", Executable: "/usr/bin/true", Args: []string{"run", "--name", `100 % "a" $b {{c}}`}})
	for _, want := range []string{
		"Type=notify\n", `ExecStart="/usr/bin/true" "run" "--name" "100 %% \"a\" $$b \x7b\x7bc}}"` + "\n", "StateDirectory=vitrine-test\n",
		"Restart=always\n", "RestartSec=2\n", "After=network.target\n", "CAP_NET_RAW", "WantedBy=multi-user.target\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit has no %q:\n%s", want, unit)
		}
	}
	if strings.Contains(unit, "{{") || strings.Contains(unit, "%!") || strings.Contains(unit, "network-online") {
		t.Errorf("the unit is not as it should be:\n%s", unit)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("systemd-analyze is missing")
		}
		t.Skip("systemd-analyze is missing")
	}
	path := filepath.Join(t.TempDir(), "vitrine-test.service")
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
