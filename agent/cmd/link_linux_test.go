package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
)

// fakeNMCLI stands for NetworkManager: it gives eth0 the address of our connection, refuses one, and never comes to an end with another.
const fakeNMCLI = `#!/bin/sh
file=/etc/NetworkManager/system-connections/vitrine.nmconnection
address() { ip address flush dev eth0 scope global; ip address add "$1" dev eth0; }
case "$*" in
"connection reload") [ -e $file ] || address 10.77.0.2/24 ;;
"--wait 45 connection up vitrine")
	case $(sed -n 's/^address1=//p' $file) in
	10.77.0.66/24) echo "Error: Connection activation failed: Secrets were required, but not provided."; exit 4 ;;
	10.77.0.55/24) while [ -e $file ]; do sleep 0.1; done ;;
	*) address "$(sed -n 's/^address1=//p' $file)" ;;
	esac ;;
*) echo "unknown: $*"; exit 2 ;;
esac
`

// player is a machine of the lab with NetworkManager: its /run and /etc are its own, and what is written there goes with it.
func (h host) player(bin string) (prefix []string, root string) {
	h.t.Helper()
	script := `mount -t tmpfs none /run; mkdir -p /run/NetworkManager /run/up /run/work
mount -t overlay none -o lowerdir=/etc,upperdir=/run/up,workdir=/run/work /etc
echo ready $$; exec sleep 1000`
	holder := h.peer("sh", "-ec", script)
	_, number, _ := strings.Cut(awaitLine(h.t, holder, "ready"), " ")
	return []string{"nsenter", "-t", number, "-m", "-n", "--", "env", "PATH=" + bin + ":" + os.Getenv("PATH")}, filepath.Join("/proc", number, "root")
}

// Network settings of a stick are kept only if they lead somewhere; whatever goes wrong, and whenever, the machine is connected as before.
func TestStickConnectsTheMachine(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	data, err := os.ReadFile(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	bin, state := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "nmcli"), []byte(fakeNMCLI), 0o755); err != nil {
		t.Fatal(err)
	}
	screen := l.host("b")
	prefix, root := screen.player(bin)
	settings := func(address string) string {
		return "name = \"Lobby\"\nservers = [\"10.77.0.1\"]\ntoken = \"" + strings.TrimSpace(string(data)) + "\"\n[network]\naddress = \"" + address + "\"\n"
	}
	addresses := func() string { return command(t, "ip", "-n", screen.name, "-4", "address", "show", "dev", "eth0") }
	trial := filepath.Join(state, "network-trial.json")
	viewer := start(t, prefix, "vitrine", "run", "--state", state)
	viewer.await("The player page is ready")

	report := viewer.insert(stickImage(t, settings("10.77.0.66/24")), "Settings for this viewer are on the USB stick")
	awaitReport(t, report, "NOT DONE. Nothing was changed", "Secrets were required, but not provided", "the network is as it was before")
	if got := addresses(); !strings.Contains(got, "10.77.0.2/24") {
		t.Errorf("it has %s", got)
	}
	if _, err := os.Stat(trial); err == nil {
		t.Error("the trial isn't over")
	}
	viewer.unplug()

	viewer.insert(stickImage(t, settings("10.77.0.55/24")), "Settings for this viewer are on the USB stick")
	file := filepath.Join(root, "etc/NetworkManager/system-connections/vitrine.nmconnection")
	awaitTrue(t, "connection", func() bool { _, err := os.Stat(file); return err == nil })
	viewer.unplug()
	viewer.kill()
	viewer = start(t, prefix, "vitrine", "run", "--state", state)
	viewer.await("those before are put back")
	awaitTrue(t, "end of the trial", func() bool { _, err := os.Stat(trial); return os.IsNotExist(err) })
	if _, err := os.Stat(file); err == nil {
		t.Error("the connection is still there")
	}

	report = viewer.insert(stickImage(t, settings("10.77.0.99/24")), "Settings for this viewer are on the USB stick")
	screen.await("connected from its new address", func(s agent.Status) bool { return connected(s) && playing(s) && s.Name == "Lobby" })
	awaitReport(t, report, "Done. The settings are in effect", "Address:        10.77.0.99\r\n")
	if got := addresses(); !strings.Contains(got, "10.77.0.99/24") || strings.Contains(got, "10.77.0.2/24") {
		t.Errorf("it has %s", got)
	}
	if _, err := os.Stat(trial); err == nil {
		t.Error("the trial isn't over")
	}
}
