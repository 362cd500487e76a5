package config_test

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/agent/config"
)

func TestUpdate(t *testing.T) {
	atOnce := time.Duration(0)
	key := ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))
	zeros := strings.Repeat("A", 43)
	for text, want := range map[string]config.Update{
		``:                         {},
		`enabled = true`:           {},
		`enabled = false`:          {Off: true},
		`keys = ["` + zeros + `"]`: {Keys: []ed25519.PublicKey{key}},
		"trial_seconds = 1\nlimit_seconds = 2\nwait_minutes = 0": {Trial: time.Second, Limit: 2 * time.Second, Wait: &atOnce},
	} {
		got, err := config.Parse([]byte("[update]\n" + text))
		if diff := cmp.Diff(want, got.Update); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		`keys = ["` + zeros + `", "x"]`: "update.keys[1]",
		`trial_seconds = 0`:             "update.trial_seconds",
		`trial_seconds = 900`:           "could ever prove itself",
		`limit_seconds = 100`:           "could ever prove itself",
		`wait_minutes = -1`:             "update.wait_minutes",
		`key = "x"`:                     `there is no setting called "update.key"`,
	} {
		if _, err := config.Parse([]byte("[update]\n" + text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := config.ParseStick([]byte("[update]\nkeys = []\n")); err == nil {
		t.Error("a stick says whose releases are believed")
	}
}

// What is needed before it is known which version of the program runs is read from a file of any version.
func TestEarly(t *testing.T) {
	zeros := strings.Repeat("A", 43)
	state, keys := config.Early([]byte("of_a_later_version = 1\nstate = \"/data\"\n[update]\nkeys = [\"x\", \"" + zeros + "\"]\nlater = true\n"))
	if state != "/data" || len(keys) != 1 {
		t.Errorf("%q, %v", state, keys)
	}
	for _, bad := range []string{"", "state = ", "state = 5\n", "\xff\xfe"} {
		if state, keys := config.Early([]byte(bad)); state != "" || keys != nil {
			t.Errorf("%q: %q, %v", bad, state, keys)
		}
	}
}
