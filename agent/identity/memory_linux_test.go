package identity_test

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
)

// A key that can't be kept, as on a full disk, doesn't keep a viewer from starting; but it isn't enrolled with it: after the next start that would be for
// another key.
func TestKeyInMemory(t *testing.T) {
	north := newAuthority(t, "north")
	addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, north.enrolment(nil))
	id, err := identity.Open("/proc/self", nil) // a folder that takes no files, from anybody
	if !errors.Is(err, fs.ErrNotExist) || id.Unread() != nil {
		t.Errorf("told %v; unread %v", err, id.Unread())
	}
	if err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err == nil || !strings.Contains(err.Error(), "can't be kept on disk") {
		t.Errorf("enrolled with it: %v", err)
	}
}
