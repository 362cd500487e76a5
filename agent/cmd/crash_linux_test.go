package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// Neither what a viewer says of itself, nor what is left of it when it crashes, has a secret in it: not the token's, and not a line of its key. Its
// files are its own.
func TestNoSecretsInStatusAndCrash(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	state, file := t.TempDir(), s.token(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	token, err := protocol.ParseJoinToken(string(text))
	if err != nil {
		t.Fatal(err)
	}
	viewer, page := view(t, state, file, "--server", addr)
	said, err := json.Marshal(awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) }))
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(state, "identity", "key.pem")
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	secrets := append([]string{token.Secret.Reveal()}, strings.Split(strings.TrimSpace(string(key)), "\n")[1:]...)
	for _, secret := range secrets {
		if strings.Contains(string(said), secret) {
			t.Errorf("the status has %q", secret)
		}
	}
	for _, path := range []string{keyFile, filepath.Join(state, "identity", "enrolment.json"), filepath.Join(state, "desired.json")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if err := viewer.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	viewer.await("goroutine ") // the dump of a Go program that crashes
	<-viewer.ended
	viewer.mustNotSay(secrets...)
}
