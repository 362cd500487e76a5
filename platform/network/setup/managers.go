package setup

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Names of who manages the network, as people know them.
const (
	nmName       = "NetworkManager"
	networkdName = "systemd-networkd"
)

// Files of ours, below the folders of the settings or, where those can't be written to, of the time until the next start.
const (
	// nmFile is the connection as NetworkManager keeps it (nm-settings-keyfile(5)).
	nmFile = "NetworkManager/system-connections/vitrine.nmconnection"
	// networkdFile (systemd.network(5)) comes before what distributions and others call theirs.
	networkdFile = "systemd/network/05-vitrine.network"
	// iwdFolder has the networks that iwd knows.
	iwdFolder = "var/lib/iwd/"
)

var nmUp = []string{"nmcli", "--wait", "45", "connection", "up", "vitrine"}

// networkManager gets a connection that comes before others. It is a file, and no arguments of nmcli, which everybody on the machine could read.
func (sys System) networkManager(s Settings) plan {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	kind := "ethernet"
	if s.SSID != "" {
		kind = "wifi"
	}
	line("[connection]\nid=vitrine\nuuid=%s\ntype=%s\nautoconnect-priority=100", nmUUID, kind)
	if s.Interface != "" {
		line("interface-name=%s", s.Interface)
	}
	if s.SSID != "" {
		line("\n[wifi]\nmode=infrastructure\nssid=%s", keyfileBytes(s.SSID))
		if s.Hidden {
			line("hidden=true")
		}
		if s.Key != "" {
			line("\n[wifi-security]\nkey-mgmt=wpa-psk\npsk=%s", keyfileText(s.Key))
		}
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		ours := s.Address.IsValid() && s.Address.Addr().Is4() == (family == "ipv4")
		line("\n[%s]", family)
		if !ours {
			line("method=auto")
		} else {
			line("method=manual\naddress1=%v", s.Address)
			if s.Gateway.IsValid() {
				line("gateway=%v", s.Gateway)
			}
		}
		if dns := addresses(s.DNS, family == "ipv4"); len(dns) > 0 {
			line("dns=%s;", strings.Join(dns, ";"))
		}
	}
	return plan{manager: nmName, files: []file{{sys.folder(nmFile), b.String()}}, commands: [][]string{{"nmcli", "connection", "reload"}, nmUp}}
}

// nmUUID is the connection's, the same everywhere.
const nmUUID = "0b1f4f0c-7d0a-4c53-9d8e-7669747269e5"

// keyfileBytes writes any bytes as a list of numbers, which a keyfile has for names of networks.
func keyfileBytes(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%d;", c)
	}
	return b.String()
}

// keyfileText escapes what GLib's key files give a meaning to; only spaces at the beginning have one.
func keyfileText(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	if rest := strings.TrimLeft(s, " "); rest != s {
		s = strings.Repeat(`\s`, len(s)-len(rest)) + rest
	}
	return s
}

func addresses(list []netip.Addr, v4 bool) []string {
	var text []string
	for _, a := range list {
		if a.Is4() == v4 {
			text = append(text, a.String())
		}
	}
	return text
}

// iwdAnew has iwd look at its networks again: it stays on the one it is on otherwise, and by the key that it had.
var iwdAnew = []string{"systemctl", "restart", "iwd.service"}

// networkd gets a file, and iwd or wpa_supplicant the wireless network.
func (s System) networkd(settings Settings) (plan, error) {
	p := plan{manager: networkdName, files: []file{{s.folder(networkdFile), networkdText(settings)}}, commands: [][]string{{"networkctl", "reload"}}}
	if settings.SSID == "" {
		return p, nil
	}
	if s.exists("var/lib/iwd") {
		p.files = append([]file{iwdFile(settings)}, p.files...)
		p.commands = append(p.commands, iwdAnew)
		return p, nil
	}
	name := settings.Interface
	if name == "" {
		name = s.wireless()
	}
	if name == "" {
		return plan{}, errors.New("this machine has no wireless interface; leave network.wifi out, or name it in network.interface")
	}
	p.unit = "wpa_supplicant@" + name + ".service"
	p.files = append([]file{{"etc/wpa_supplicant/wpa_supplicant-" + name + ".conf", supplicantText(settings)}}, p.files...)
	p.commands = append(p.commands, []string{"systemctl", "enable", p.unit}, []string{"systemctl", "restart", p.unit})
	return p, nil
}

// wireless is the first wireless interface.
func (s System) wireless() string {
	entries, _ := os.ReadDir(s.path("sys/class/net"))
	for _, e := range entries {
		if s.exists(filepath.Join("sys/class/net", e.Name(), "wireless")) {
			return e.Name()
		}
	}
	return ""
}

func networkdText(s Settings) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("[Match]")
	switch {
	case s.Interface != "":
		line("Name=%s", s.Interface)
	case s.SSID != "":
		line("Type=wlan")
	default:
		line("Type=ether\nKind=!*") // no bridges and the like
	}
	line("\n[Network]")
	if s.Address.IsValid() {
		line("Address=%v", s.Address)
		if s.Gateway.IsValid() {
			line("Gateway=%v", s.Gateway)
		}
	} else {
		line("DHCP=yes")
	}
	for _, dns := range s.DNS {
		line("DNS=%v", dns)
	}
	if s.SSID != "" {
		line("IgnoreCarrierLoss=3s")
	}
	return b.String()
}

// iwdFile is a network that iwd knows (iwd.network(5)): the name is in hex unless it is plain.
func iwdFile(s Settings) file {
	name := s.SSID
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_- ") != "" {
		name = "=" + hex.EncodeToString([]byte(s.SSID))
	}
	hidden := ""
	if s.Hidden {
		hidden = "\n[Settings]\nHidden=true\n"
	}
	if s.Key == "" {
		return file{iwdFolder + name + ".open", "[Settings]\nAutoConnect=true\n" + strings.TrimPrefix(hidden, "\n[Settings]\n")}
	}
	security := "Passphrase=" + keyfileText(s.Key)
	if len(s.Key) == 64 {
		security = "PreSharedKey=" + strings.ToLower(s.Key)
	}
	return file{iwdFolder + name + ".psk", "[Security]\n" + security + "\n" + hidden}
}

// supplicantText is a wpa_supplicant.conf(5). Its texts have no escapes: a password with a quote in it is given as the key of 256 bits that WPA2 makes
// of it (IEEE 802.11, annex J.4), as wpa_passphrase does.
func supplicantText(s Settings) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("ctrl_interface=/run/wpa_supplicant")
	if s.Country != "" {
		line("country=%s", s.Country)
	}
	line("network={\n\tssid=%s", hex.EncodeToString([]byte(s.SSID)))
	if s.Hidden {
		line("\tscan_ssid=1")
	}
	switch {
	case s.Key == "":
		line("\tkey_mgmt=NONE")
	case len(s.Key) == 64:
		line("\tkey_mgmt=WPA-PSK\n\tpsk=%s", strings.ToLower(s.Key))
	case strings.Contains(s.Key, `"`):
		key, _ := pbkdf2.Key(sha1.New, s.Key, []byte(s.SSID), 4096, 32) // it fails for a hash that isn't allowed
		line("\tkey_mgmt=WPA-PSK\n\tpsk=%x", key)
	default: // WPA2 and WPA3
		line("\tkey_mgmt=WPA-PSK SAE\n\tieee80211w=1\n\tpsk=\"%s\"", s.Key)
	}
	line("}")
	return b.String()
}
