package setup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	fixed = Settings{Interface: "eth0", Address: netip.MustParsePrefix("10.0.0.20/24"), Gateway: netip.MustParseAddr("10.0.0.1"),
		DNS: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}}
	radio = Settings{SSID: "Café; [x]", Key: ` p"a\s#s;word`, Country: "NL", Hidden: true}
)

// machine is a root folder with these folders in it, and with programs that note what they are called with, and fail where they are told to.
func machine(t *testing.T, folders ...string) (s System, calls func() []string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the programs of this test are shell scripts")
	}
	root, bin := t.TempDir(), t.TempDir()
	for _, f := range folders {
		if err := os.MkdirAll(filepath.Join(root, f), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(bin, "log")
	for _, name := range []string{"nmcli", "networkctl", "systemctl"} {
		script := "#!/bin/sh\necho \"" + name + " $*\" >> " + log + "\n[ ! -e " + bin + "/fail ] || { echo 'Error: no secrets'; exit 4; }\n" +
			"case \"$*\" in *up*) [ ! -e " + bin + "/slow ] || { rm " + bin + "/slow; echo 'Error: Connection activation failed: No suitable device found'; exit 4; } ;; esac\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return System{root}, func() []string {
		data, _ := os.ReadFile(log)
		_ = os.Remove(log)
		return strings.Split(strings.TrimSpace(string(data)), "\n")
	}
}

// files are those below a folder, with what is in them.
func files(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		all[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestApplyAndUndo(t *testing.T) {
	for name, c := range map[string]struct {
		folders     []string
		settings    Settings
		want        map[string]string
		calls, undo []string
	}{
		"NetworkManager, fixed": {
			[]string{"run/NetworkManager"}, fixed,
			map[string]string{"etc/NetworkManager/system-connections/vitrine.nmconnection": `[connection]
id=vitrine
uuid=` + nmUUID + `
type=ethernet
autoconnect-priority=100
interface-name=eth0

[ipv4]
method=manual
address1=10.0.0.20/24
gateway=10.0.0.1
dns=10.0.0.1;

[ipv6]
method=auto
dns=fd00::1;
`},
			[]string{"nmcli connection reload", "nmcli --wait 45 connection up vitrine"}, []string{"nmcli connection reload"},
		},
		"NetworkManager, wireless": {
			[]string{"run/NetworkManager", "run/systemd/netif"}, radio,
			map[string]string{"etc/NetworkManager/system-connections/vitrine.nmconnection": `[connection]
id=vitrine
uuid=` + nmUUID + `
type=wifi
autoconnect-priority=100

[wifi]
mode=infrastructure
ssid=67;97;102;195;169;59;32;91;120;93;
hidden=true

[wifi-security]
key-mgmt=wpa-psk
psk=\sp"a\\s#s;word

[ipv4]
method=auto

[ipv6]
method=auto
`},
			[]string{"nmcli connection reload", "nmcli --wait 45 connection up vitrine"}, []string{"nmcli connection reload"},
		},
		"networkd, fixed": {
			[]string{"run/systemd/netif"}, fixed,
			map[string]string{"etc/systemd/network/05-vitrine.network": "[Match]\nName=eth0\n\n[Network]\nAddress=10.0.0.20/24\nGateway=10.0.0.1\nDNS=10.0.0.1\nDNS=fd00::1\n"},
			[]string{"networkctl reload"}, []string{"networkctl reload"},
		},
		"networkd, any cable": {
			[]string{"run/systemd/netif"}, Settings{},
			map[string]string{"etc/systemd/network/05-vitrine.network": "[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=yes\n"},
			[]string{"networkctl reload"}, []string{"networkctl reload"},
		},
		"networkd and iwd": {
			[]string{"run/systemd/netif", "var/lib/iwd"}, radio,
			map[string]string{
				"etc/systemd/network/05-vitrine.network": "[Match]\nType=wlan\n\n[Network]\nDHCP=yes\nIgnoreCarrierLoss=3s\n",
				"var/lib/iwd/=436166c3a93b205b785d.psk":  "[Security]\nPassphrase=\\sp\"a\\\\s#s;word\n\n[Settings]\nHidden=true\n",
			},
			[]string{"networkctl reload", "systemctl restart iwd.service"}, []string{"networkctl reload", "systemctl restart iwd.service"},
		},
		"networkd and wpa_supplicant": {
			[]string{"run/systemd/netif", "sys/class/net/eth0", "sys/class/net/wlan0/wireless"}, radio,
			map[string]string{
				"etc/systemd/network/05-vitrine.network":       "[Match]\nType=wlan\n\n[Network]\nDHCP=yes\nIgnoreCarrierLoss=3s\n",
				"etc/wpa_supplicant/wpa_supplicant-wlan0.conf": "ctrl_interface=/run/wpa_supplicant\ncountry=NL\nnetwork={\n\tssid=436166c3a93b205b785d\n\tscan_ssid=1\n\tkey_mgmt=WPA-PSK\n\tpsk=797e43ce804d65a03d8ebac405f40c2507f2d6b591a99327472c1a6be72e277e\n}\n",
			},
			[]string{"networkctl reload", "systemctl enable wpa_supplicant@wlan0.service", "systemctl restart wpa_supplicant@wlan0.service"},
			[]string{"networkctl reload", "systemctl disable --now wpa_supplicant@wlan0.service"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, calls := machine(t, c.folders...)
			if current, err := s.Current(c.settings); current || err != nil {
				t.Errorf("before: %t, %v", current, err)
			}
			before := files(t, s.Root)
			var journal Change
			err := s.Apply(t.Context(), c.settings, func(change Change) error {
				journal = change
				if now := files(t, s.Root); len(now) != len(before) {
					t.Errorf("something was written before the journal: %v", now)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := files(t, s.Root); !mapsEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := calls(); !slices.Equal(got, c.calls) {
				t.Errorf("called %q, want %q", got, c.calls)
			}
			if current, err := s.Current(c.settings); !current || err != nil {
				t.Errorf("after: %t, %v", current, err)
			}
			if err := s.Undo(t.Context(), journal); err != nil {
				t.Error(err)
			}
			if got := files(t, s.Root); !mapsEqual(got, before) {
				t.Errorf("after all was put back there is %q", got)
			}
			if got := calls(); !slices.Equal(got, c.undo) {
				t.Errorf("called %q, want %q", got, c.undo)
			}
		})
	}
}

func mapsEqual(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// What was there from an earlier stick comes back, and is used again; keys are nobody's but the owner's.
func TestUndoToAnEarlierOne(t *testing.T) {
	s, calls := machine(t, "run/NetworkManager")
	var journal Change
	apply := func(settings Settings) {
		t.Helper()
		if err := s.Apply(t.Context(), settings, func(c Change) error { journal = c; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	apply(fixed)
	first := files(t, s.Root)
	apply(radio)
	info, err := os.Stat(filepath.Join(s.Root, "etc", nmFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	calls()
	if err := s.Undo(t.Context(), journal); err != nil {
		t.Error(err)
	}
	if got := files(t, s.Root); !mapsEqual(got, first) {
		t.Errorf("got %q", got)
	}
	if got := calls(); !slices.Equal(got, []string{"nmcli connection reload", "nmcli --wait 45 connection up vitrine"}) {
		t.Errorf("called %q", got)
	}
}

func TestApplyFails(t *testing.T) {
	s, _ := machine(t)
	if err := s.Apply(t.Context(), fixed, func(Change) error { t.Error("a journal of nothing"); return nil }); !errors.Is(err, ErrNoManager) {
		t.Errorf("without a manager: %v", err)
	}
	s, calls := machine(t, "run/NetworkManager")
	if err := s.Apply(t.Context(), fixed, func(Change) error { return os.ErrPermission }); !errors.Is(err, os.ErrPermission) || len(files(t, s.Root)) > 0 {
		t.Errorf("without a journal: %v, %v", err, files(t, s.Root))
	}
	bin, _, _ := strings.Cut(os.Getenv("PATH"), ":")
	if err := os.WriteFile(filepath.Join(bin, "fail"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Apply(t.Context(), radio, func(Change) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "nmcli connection reload: exit status 4: Error: no secrets") || strings.Contains(err.Error(), "word") {
		t.Errorf("a program that fails: %v", err)
	}
	if got := calls(); len(got) != 1 {
		t.Errorf("after that it called %q", got)
	}
	if err := errors.Join(os.Remove(filepath.Join(bin, "fail")), os.WriteFile(filepath.Join(bin, "slow"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), radio, func(Change) error { return nil }); err != nil {
		t.Errorf("a radio that comes later: %v", err)
	}
	if got := calls(); len(got) != 3 || got[1] != got[2] {
		t.Errorf("for a radio that comes later it called %q", got)
	}
	if s, _ = machine(t, "run/systemd/netif"); true {
		if _, err := s.Current(radio); err == nil || !strings.Contains(err.Error(), "has no wireless interface") {
			t.Errorf("without a wireless interface: %v", err)
		}
	}
}

func TestReach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := l.Addr().String()
	if err := reach(t.Context(), "", []string{open}); err != nil {
		t.Errorf("one that answers: %v", err)
	}
	l.Close()
	if err := reach(t.Context(), "", []string{open}); err != nil {
		t.Errorf("one that refuses is there: %v", err)
	}
	if err := reach(t.Context(), "none0", nil); err == nil || !strings.HasSuffix(err.Error(), "name the server in `servers`") {
		t.Errorf("a network without a gateway: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if answers(over, "", open) {
		t.Error("nobody answers without a time to do so")
	}
}

func TestAwait(t *testing.T) {
	s, _ := machine(t)
	for settings, want := range map[*Settings]string{
		&fixed: "no interface has the address 10.0.0.20/24", &radio: `no radio has joined the wireless network`, {Interface: "none0"}: "the network has given no address",
	} {
		if err := s.Await(t.Context(), *settings, func() []string { return nil }, time.Millisecond); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", settings, err, want)
		}
	}
}

func TestParseHex(t *testing.T) {
	if a, ok := parseHex("0100000A"); !ok || a != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("%v, %t", a, ok)
	}
	for _, bad := range []string{"", "0100000", "0100000g", "0100000a0"} {
		if a, ok := parseHex(bad); ok {
			t.Errorf("%q is %v", bad, a)
		}
	}
}

func TestSupplicant(t *testing.T) {
	for key, want := range map[string]string{
		"":                       "\tkey_mgmt=NONE\n",
		"a #b;c\\d":              "\tkey_mgmt=WPA-PSK SAE\n\tieee80211w=1\n\tpsk=\"a #b;c\\d\"\n",
		strings.Repeat("AB", 32): "\tkey_mgmt=WPA-PSK\n\tpsk=" + strings.Repeat("ab", 32) + "\n",
	} {
		if got := supplicantText(Settings{SSID: "x", Key: key}); !strings.Contains(got, "network={\n\tssid=78\n"+want+"}\n") {
			t.Errorf("%q: %s", key, got)
		}
	}
}
