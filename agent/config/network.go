package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"vitrine/agent/protocol"
	"vitrine/platform/proxy"
)

// lan is the form of [network].
type lan struct {
	Proxy   string   `toml:"proxy"`
	NoProxy []string `toml:"no_proxy"`
	CAFiles []string `toml:"ca_files"`
	CA      string   `toml:"ca"`
	link
}

// link is what [network] says of the machine's own connection.
type link struct {
	Interface string   `toml:"interface"`
	Address   string   `toml:"address"`
	Gateway   string   `toml:"gateway"`
	DNS       []string `toml:"dns"`
	WiFi      wifi     `toml:"wifi"`
}

// orElse is what is left of a link once a later file has one: nothing, since an address of one and a gateway of the other make no sense.
func (l link) orElse(later link) link {
	if later.any() {
		return link{}
	}
	return l
}

func (l link) any() bool {
	return l.Interface != "" || l.Address != "" || l.Gateway != "" || len(l.DNS) > 0 || l.WiFi != wifi{}
}

// wifi is the form of [network.wifi].
type wifi struct {
	SSID    string `toml:"ssid"`
	Key     string `toml:"key"`
	Country string `toml:"country"`
	Hidden  bool   `toml:"hidden"`
}

// Network says what the network asks of connections to servers, and how the machine itself is connected to it.
type Network struct {
	// Proxy is the URL of the HTTP proxy by which servers on other networks are reached; a secret, since it may have a password
	// in it. Its zero value means none.
	Proxy protocol.Secret
	// NoProxy are the targets for which it isn't used, as in the environment variable NO_PROXY.
	NoProxy []string
	// CAFiles are files with authorities, in PEM form, that are believed beside the system's: by a proxy that speaks TLS, and by
	// sources of content outside the site. CA has such authorities itself.
	CAFiles []string
	CA      string
	// Link is how the machine is to be connected; nil leaves that as it is.
	Link *Link
}

// A Link is how a machine is connected to a network.
type Link struct {
	// Interface is the network interface; empty means any that fits.
	Interface string
	// Address is the machine's, with the length of its network's prefix; its zero value has the network give one (DHCP).
	Address netip.Prefix
	// Gateway and DNS come with an Address; there may be none.
	Gateway netip.Addr
	DNS     []netip.Addr
	// WiFi is the wireless network; nil means a cable.
	WiFi *WiFi
}

// WiFi is a wireless network. Without a key it is an open one.
type WiFi struct {
	SSID string
	Key  protocol.Secret
	// Country is where the machine is (ISO 3166), since radio has different rules in each; empty leaves that to the system.
	Country string
	// Hidden tells that the network doesn't say its name.
	Hidden bool
}

func (l lan) check() (Network, error) {
	n := Network{Proxy: protocol.NewSecret(l.Proxy), NoProxy: l.NoProxy, CAFiles: l.CAFiles, CA: l.CA}
	if l.Proxy != "" {
		if err := proxy.Check(l.Proxy); err != nil {
			return Network{}, fmt.Errorf("network.proxy: %w", err)
		}
	}
	for i, s := range l.NoProxy {
		if err := proxy.CheckExempt(s); err != nil {
			return Network{}, fmt.Errorf("network.no_proxy[%d]: %w", i, err)
		}
	}
	for i, file := range l.CAFiles {
		if file == "" {
			return Network{}, fmt.Errorf("network.ca_files[%d]: want the name of a file", i)
		}
	}
	if l.CA != "" {
		if err := CheckCA(l.CA); err != nil {
			return Network{}, fmt.Errorf("network.ca: %w", err)
		}
	}
	var err error
	n.Link, err = l.link.check()
	return n, err
}

// CheckCA says whether a text has certificates of authorities in PEM form.
func CheckCA(pem string) error {
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(pem)) {
		return errors.New("there is no certificate in PEM form in it; it begins with -----BEGIN CERTIFICATE-----")
	}
	return nil
}

// check gives nil if nothing is said of it.
func (l link) check() (_ *Link, err error) {
	if !l.any() {
		return nil, nil
	}
	k := Link{Interface: l.Interface}
	if !isInterface(l.Interface) {
		return nil, fmt.Errorf("network.interface: %.40q is not a network interface such as \"eth0\"", l.Interface)
	}
	if k.WiFi, err = l.WiFi.check(); err != nil {
		return nil, err
	}
	if l.Address == "" || l.Address == "dhcp" {
		if l.Gateway != "" || len(l.DNS) > 0 {
			return nil, errors.New("network.address: a gateway or dns needs an address such as \"10.0.0.20/24\"; with \"dhcp\" the network gives all of them")
		}
		return &k, nil
	}
	if k.Address, err = netip.ParsePrefix(l.Address); err != nil || !usable(k.Address.Addr()) || k.Address.Bits() == 0 {
		return nil, fmt.Errorf("network.address: %.60q: want \"dhcp\", or an address with the length of its network's prefix, such as \"10.0.0.20/24\"", l.Address)
	}
	if l.Gateway != "" {
		if k.Gateway, err = netip.ParseAddr(l.Gateway); err != nil || !k.Address.Masked().Contains(k.Gateway) || k.Gateway == k.Address.Addr() {
			return nil, fmt.Errorf("network.gateway: %.60q: want an address in the network %v other than the machine's own", l.Gateway, k.Address.Masked())
		}
	}
	for i, s := range l.DNS {
		addr, err := netip.ParseAddr(s)
		if err != nil || !usable(addr) {
			return nil, fmt.Errorf("network.dns[%d]: %.60q is not an address such as \"10.0.0.1\"", i, s)
		}
		k.DNS = append(k.DNS, addr)
	}
	return &k, nil
}

func usable(a netip.Addr) bool {
	return a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback()
}

// isInterface keeps to what Linux's names are made of, since it goes into other programs' files. Empty is fine.
func isInterface(s string) bool {
	return len(s) <= 15 && s != "." && s != ".." && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == ""
}

func (w wifi) check() (*WiFi, error) {
	if w == (wifi{}) {
		return nil, nil
	}
	if len(w.SSID) < 1 || len(w.SSID) > 32 || strings.ContainsFunc(w.SSID, control) {
		return nil, errors.New("network.wifi.ssid: want the network's name, of 1 to 32 bytes")
	}
	hex := len(w.Key) == 64 && strings.Trim(w.Key, "0123456789abcdefABCDEF") == ""
	if w.Key != "" && !hex && (len(w.Key) < 8 || len(w.Key) > 63 || strings.ContainsFunc(w.Key, notASCII)) {
		return nil, errors.New("network.wifi.key: want 8 to 63 letters, digits and signs without accents, or 64 hexadecimal digits; none for an open network")
	}
	if w.Country != "" && (len(w.Country) != 2 || strings.Trim(w.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		return nil, fmt.Errorf("network.wifi.country: %.20q: want a country in two capital letters, such as \"NL\"", w.Country)
	}
	return &WiFi{SSID: w.SSID, Key: protocol.NewSecret(w.Key), Country: w.Country, Hidden: w.Hidden}, nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

func notASCII(r rune) bool { return r < ' ' || r > '~' }
