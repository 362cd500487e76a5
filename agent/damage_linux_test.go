package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vitrine/agent"
	"vitrine/agent/config"
	"vitrine/agent/protocol"
)

// faulty starts a viewer, and gives its faults of one kind.
func faulty(t *testing.T, c agent.Config, code string) []protocol.Fault {
	t.Helper()
	a, err := agent.New(c)
	if err != nil {
		t.Fatalf("the viewer doesn't start: %v", err)
	}
	defer a.Close()
	return slices.DeleteFunc(a.Status().Faults, func(f protocol.Fault) bool { return f.Code != code })
}

// A block that can't be read any more, of whatever is in the state folder, doesn't keep a viewer from starting, and is told where it costs something.
func TestUnreadableState(t *testing.T) {
	for name, told := range map[string]bool{
		"plays/00000001.jsonl": true, "journal.jsonl": true, "identity/key.pem": true, "identity/enrolment.json": true,
		"desired.json": false, "clock.json": false, "known.json": false, "settings.json": false, "health.json": false, "content/generations.json": false, "content/pins.json": false,
		"content/scrub.json": false, "releases/releases.json": false,
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			c := agent.Config{State: state, Page: "127.0.0.1:0"}
			faulty(t, c, "")
			path := filepath.Join(state, name)
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			// Where no memory is mapped this file gives what a broken block gives.
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink("/proc/self/mem", path)); err != nil {
				t.Fatal(err)
			}
			if _, err := os.ReadFile(path); !errors.Is(err, syscall.EIO) {
				t.Fatalf("reading gives %v", err)
			}
			faults := faulty(t, c, "disk-failing")
			if told != (len(faults) == 1 && strings.Contains(faults[0].Message, path) && strings.Contains(faults[0].Message, "replace the disk or card")) {
				t.Errorf("told %v", faults)
			}
		})
	}
}

// A viewer that can't read to which site it belongs takes nothing from a stick that the site would have had to sign.
func TestUnreadableEnrolmentTakesNoSettings(t *testing.T) {
	state, stick := t.TempDir(), t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(state, "identity", "enrolment.json"), 0o700), // a folder can't be read as a file
		os.WriteFile(filepath.Join(stick, "vitrine.toml"), []byte("name = \"Lobby\"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0", StartAnew: func() { t.Error("it starts anew") }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if a.TakeSettings(t.Context(), stick) || !strings.Contains(a.Noticed(), "can't read to which site it belongs") {
		t.Errorf("it says %q", a.Noticed())
	}
}

// An authority that the settings name and that isn't there is a fault, and not a black screen.
func TestMissingAuthority(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "proxy-ca.pem")
	faults := faulty(t, agent.Config{State: t.TempDir(), Page: "127.0.0.1:0", Network: config.Network{CAFiles: []string{missing}}}, "ca-file")
	if len(faults) != 1 || !strings.Contains(faults[0].Message, missing) {
		t.Errorf("told %v", faults)
	}
}
