package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/agent/provision"
	"vitrine/platform/network/setup"
)

// Servers that are found count as well, but not as many as somebody likes to announce.
func TestHostsOfLink(t *testing.T) {
	found := map[string]foundServer{"urn:a": {session: []string{"[fe80::4%eth0]:7237"}}}
	a := site(t, []protocol.Server{{Addrs: []string{"10.0.0.6:7237"}}}, found)
	want := []string{"10.0.0.5:7237", "10.0.0.6:7237", "[fe80::4%eth0]:7237"}
	if got := a.hostsOf(config.Config{Servers: want[:1]}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for i := range maxFound {
		found[fmt.Sprint(i)] = foundServer{session: []string{"10.0.0.7:1", "10.0.0.7:2"}}
	}
	if got := a.hostsOf(config.Config{}); len(got) > maxHosts {
		t.Errorf("%d are tried", len(got))
	}
}

// A viewer that may not change the network says so, and doesn't put back what it hasn't touched.
func TestLinkNotAllowed(t *testing.T) {
	root, stick := t.TempDir(), t.TempDir()
	closed, programs := filepath.Join(root, "etc/NetworkManager/system-connections"), filepath.Join(root, "bin")
	err := errors.Join(os.Chmod(filepath.Dir(root), 0o755), os.MkdirAll(filepath.Join(root, "run/NetworkManager"), 0o755), os.MkdirAll(closed, 0o755), os.Chmod(closed, 0),
		os.Mkdir(programs, 0o755), os.WriteFile(filepath.Join(stick, "vitrine.toml"), []byte("network.address = \"dhcp\"\n"), 0o644))
	for _, name := range []string{"nmcli", "networkctl"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o755) })
	t.Setenv("PATH", programs)
	before := theSystem
	theSystem = setup.System{Root: root}
	t.Cleanup(func() { theSystem = before })
	a, err := New(Config{State: t.TempDir(), Page: "127.0.0.1:0", StartAnew: func() { t.Error("it starts anew") }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	f, err := provision.Find(stick)
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // as another user, for files
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	}
	if err := a.tryLink(t.Context(), f); err == nil || err.Error() != setup.ErrNotAllowed.Error() {
		t.Error(err)
	}
}
