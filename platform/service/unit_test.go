package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var unitConfig = Config{
	Name: "vitrine-test", Description: "a service of a test", Executable: "/usr/bin/true", Args: []string{"run", "--name", `100 % "a" $b {{c}}`},
	State: "/var/lib/vitrine-test", Settings: "/etc/vitrine-test", User: "daemon",
}

func with(change func(*Config)) Config {
	c := unitConfig
	change(&c)
	return c
}

// Each unit is one that systemd takes without a word, and is as tight as its use allows: `systemd-analyze security` in tenths, at most.
func TestSystemdUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("systemd-analyze is missing")
		}
		t.Skip("systemd-analyze is missing")
	}
	for name, c := range map[string]struct {
		config  Config
		exposed float64
		want    []string
		not     []string
	}{
		"usual": {unitConfig, 2.0,
			[]string{"User=daemon\n", "StateDirectory=vitrine-test\n", "AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW\n", "MemoryDenyWriteExecute=yes\n"},
			[]string{"CAP_SYS_TIME", "adjtimex", "XDG_RUNTIME_DIR"}},
		"clock": {with(func(c *Config) { c.Clock = true }), 2.4,
			[]string{"CAP_SYS_TIME", "adjtimex"}, []string{"ProtectProc"}},
		"screen": {with(func(c *Config) { c.Screen = true }), 3.5,
			[]string{"Environment=XDG_RUNTIME_DIR=%t/vitrine-test\n", "DeviceAllow=char-drm rw\n", "PrivateTmp=yes\n"}, []string{"MemoryDenyWriteExecute"}},
		"root": {with(func(c *Config) { c.User = RootUser }), 8,
			[]string{"User=root\n", "CAP_SYS_BOOT", "CAP_SYS_TIME"}, []string{"Ambient", "NoNewPrivileges", "SystemCallFilter"}},
		"elsewhere": {with(func(c *Config) { c.State = "/data/a $b %c" }), 2.0,
			[]string{`ReadWritePaths="/data/a $b %%c"` + "\n"}, []string{"StateDirectory"}},
	} {
		t.Run(name, func(t *testing.T) {
			unit := systemdUnit(c.config)
			always := []string{"Type=notify\n", "WatchdogSec=60\n", `ExecStart="/usr/bin/true" "run" "--name" "100 %% \"a\" $$b \x7b\x7bc}}"` + "\n", "Restart=always\n", "RestartSec=2\n",
				"StartLimitIntervalSec=0\n", "After=network.target\n", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE", "WantedBy=multi-user.target\n", `ReadWritePaths="-/etc/vitrine-test"` + "\n"}
			for _, want := range append(always, c.want...) {
				if !strings.Contains(unit, want) {
					t.Errorf("the unit has no %q:\n%s", want, unit)
				}
			}
			for _, not := range append([]string{"{{", "%!", "network-online"}, c.not...) {
				if strings.Contains(unit, not) {
					t.Errorf("the unit has %q:\n%s", not, unit)
				}
			}
			path := filepath.Join(t.TempDir(), "vitrine-test.service")
			if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), analyze, "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("systemd-analyze verify: %v\n%s", err, out)
			}
			if got := exposure(t, analyze, path); got > c.exposed {
				t.Errorf("systemd-analyze security: %.1f, want %.1f at most", got, c.exposed)
			} else {
				t.Logf("systemd-analyze security: %.1f", got)
			}
		})
	}
}

// exposure is what `systemd-analyze security` says of a unit: 0 for none, 10 for all.
func exposure(t *testing.T, analyze, unit string) float64 {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--no-pager", "--threshold=100", unit).CombinedOutput()
	found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	figure, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return figure
}
