package protocol_test

import (
	"encoding/json"
	"testing"

	"vitrine/agent/protocol"
)

// The code is the same on both ends, and another as soon as anything in it is. The values are the protocol page's, for whoever writes a server.
func TestPairingCode(t *testing.T) {
	viewer, ca := []byte("a viewer's public key"), protocol.Pin{1, 2, 3}
	own, theirs := protocol.Nonce{4, 5}, protocol.Nonce{6, 7}
	code := func(viewer []byte, ca protocol.Pin, own, theirs protocol.Nonce) string {
		t.Helper()
		c, err := protocol.PairingCode(viewer, ca, own, theirs)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	got := code(viewer, ca, own, theirs)
	if got != vectorCode {
		t.Errorf("the code is %s, want %s", got, vectorCode)
	}
	if c := protocol.Commit(viewer, own); c != vectorCommitment {
		t.Errorf("the commitment is %s, want %s", c, vectorCommitment)
	}
	for what, other := range map[string]string{
		"viewer": code([]byte("another's"), ca, own, theirs), "CA": code(viewer, protocol.Pin{9}, own, theirs),
		"own nonce": code(viewer, ca, protocol.Nonce{9}, theirs), "their nonce": code(viewer, ca, own, protocol.Nonce{9}),
	} {
		if other == got {
			t.Errorf("another %s gives the same code", what)
		}
	}
}

const (
	vectorCode       = "8G4-UVZ"
	vectorCommitment = "A63uLHwPRK2dV0zD9UovsLVTAx917CI1tLrmFwSHMYg"
)

func TestParsePairingCode(t *testing.T) {
	for s, want := range map[string]string{"K7M-4QX": "K7M-4QX", " k7m4qx ": "K7M-4QX", "k7m 4qx": "K7M-4QX", "K7M-4Q": "", "K7M-4QX2": "", "K0M-4QX": "", "lobby!": "", "": ""} {
		if got, ok := protocol.ParsePairingCode(s); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", s, got, ok)
		}
	}
}

func TestNonce(t *testing.T) {
	n := protocol.NewNonce()
	data, err := json.Marshal(n)
	var again protocol.Nonce
	if err != nil || json.Unmarshal(data, &again) != nil || again != n {
		t.Errorf("%s, %v, %v", data, err, again)
	}
	for _, bad := range []string{`""`, `"AAAA"`, `"!"`, `7`} {
		if json.Unmarshal([]byte(bad), &again) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
