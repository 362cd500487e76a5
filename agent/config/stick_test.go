package config_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"vitrine/agent/config"
	"vitrine/agent/protocol"
)

var secrets = cmp.Options{
	cmp.Comparer(func(a, b protocol.Secret) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// inUTF16 is a file as Notepad's "Unicode" writes it.
func inUTF16(text string, order binary.AppendByteOrder, mark bool) []byte {
	var b []byte
	if mark {
		text = "\ufeff" + text
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return b
}

// What editors make of a file is all the same.
func TestEditors(t *testing.T) {
	const text = "name = \"Café 😀\"\r\n\r\n[network]\r\naddress = \"dhcp\"\r\n"
	for name, data := range map[string][]byte{
		"UTF-8":                      []byte(text),
		"UTF-8 with a mark":          []byte("\ufeff" + text),
		"UTF-16 LE":                  inUTF16(text, binary.LittleEndian, true),
		"UTF-16 BE":                  inUTF16(text, binary.BigEndian, true),
		"UTF-16 LE without its mark": inUTF16(text, binary.LittleEndian, false),
		"UTF-16 BE without its mark": inUTF16(text, binary.BigEndian, false),
	} {
		c, err := config.ParseStick(data)
		if err != nil || c.Name != "Café 😀" || c.Network.Link == nil {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if got, err := config.Parse([]byte("name = \"a “b”\"\n")); err != nil || got.Name != "a “b”" {
		t.Errorf("curly quotes in a name: %q, %v", got.Name, err)
	}
}

// Every mistake has its line and column, as an editor counts them.
func TestStickNamesTheMistake(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"curly quotes":      {"\r\nname = “Lobby”\r\n", "line 2, column 8: “ is a curly quote; write a straight one: \""},
		"German quotes":     {"name = \"a\"\nlocation = „b“\n", "line 2, column 12: „ is a curly quote"},
		"one of two":        {"name = \"Lobby”\nlog = \"info\"\n", "line 1, column 14: ” is a curly quote"},
		"apostrophes":       {"name = ‘Lobby’\n", "write a straight one: '"},
		"after accents":     {"# ééé\n\"é\" = 1\n", "line 2, column 1: there is no setting called \"é\""},
		"Windows-1252":      {"log = \"info\"\nname = \"Caf\xe9\"\n", "line 2, column 12: this isn't a character in UTF-8; save the file with the encoding UTF-8"},
		"half a character":  {string(inUTF16("name = \"a\"\n", binary.LittleEndian, true)) + "x", "line 2, column 1: this isn't a character"},
		"binary":            {"name = \"a\"\n\x00\x00", "line 2, column 1: this isn't text"},
		"name":              {"\n\n  name = \" a\"\n", "line 3, column 3: name \" a\""},
		"in a table":        {"[network]\naddress = \"10.0.0.5\"\n", "line 2, column 1: network.address: \"10.0.0.5\": want \"dhcp\", or"},
		"whole network":     {"[network]\naddress = \"0.0.0.0/0\"\n", "network.address"},
		"in a list":         {"log = \"info\"\nservers = [\n \"10.0.0.5\",\n \"http://x/\"]\n", "line 2, column 1: servers[1]"},
		"inline":            {"network = {wifi = {ssid = \"a\", key = \"short\"}}\n", "line 1, column 32: network.wifi.key: want 8 to 63"},
		"dotted":            {"network.wifi.ssid = \"a\"\nnetwork.wifi.country = \"nl\"\n", "line 2, column 1: network.wifi.country"},
		"not there":         {"[network]\ngateway = \"10.0.0.1\"\n", "line 1, column 2: network.address: a gateway or dns needs an address"},
		"wifi name":         {"[network.wifi]\nkey = \"12345678\"\n", "network.wifi.ssid: want the network's name"},
		"gateway":           {"[network]\naddress = \"10.0.0.5/24\"\ngateway = \"10.0.1.1\"\n", "line 3, column 1: network.gateway: \"10.0.1.1\": want an address in the network 10.0.0.0/24"},
		"dns":               {"[network]\naddress = \"10.0.0.5/24\"\ndns = [\"10.0.0.1\", \"dns.example\"]\n", "line 3, column 1: network.dns[1]"},
		"interface":         {"[network]\ninterface = \"eth0\\nDHCP=yes\"\n", "line 2, column 1: network.interface"},
		"CA":                {"[network]\nca = \"x\"\n", "line 2, column 1: network.ca: there is no certificate"},
		"zone":              {"timezone = \"Amsterdam\"\n", "line 1, column 1: timezone: there is no time zone \"Amsterdam\""},
		"labels":            {"labels = [\"a\", \"\"]\n", "line 1, column 1: labels[1]"},
		"two mistakes":      {"nmae = \"a\"\n[network]\nadress = \"dhcp\"\n", "line 1, column 1: there is no setting called \"nmae\"; line 3, column 1: there is no setting called \"network.adress\""},
		"device's own":      {"name = \"a\"\nstate = \"/tmp\"\n", "line 2, column 1: state can't be set from a stick"},
		"in capitals":       {"STATE = \"/tmp\"\n", "state can't be set from a stick"},
		"whom it believes":  {"[usb]\nsettings = \"power-up\"\n", "line 1, column 2: usb can't be set from a stick"},
		"what it starts":    {"[kiosk]\ncommand = [\"reboot\"]\n", "line 1, column 2: kiosk can't be set from a stick"},
		"part of a table":   {"[content]\nrate = \"1 MB/s\"\nusb = false\n", "line 3, column 1: content.usb can't be set from a stick"},
		"inline table":      {"content = {rate = \"1 MB/s\", usb = false}\n", "content.usb can't be set from a stick"},
		"no list":           {"log = \"info\"\nservers = \"10.0.0.5\"\n", "line 2, column 11: servers: want a list such as [\"…\"]"},
		"hours in a text":   {"operating_hours = \"MO-FR 07:00-22:00\"\n", "operating_hours: want a list such as [\"…\"]"},
		"hours, no quotes":  {"operating_hours = 07:00-22:00\n", "put the text between straight quotes: operating_hours = [\"…\"]"},
		"quoted number":     {"[screen]\nrotation = \"90\"\n", "line 2, column 12: screen.rotation: want a whole number without quotes"},
		"number and unit":   {"[session]\nkeepalive = 20 s\n", "line 2, column 16: keepalive: want a whole number without quotes"},
		"number":            {"name = 7\n", "name: want a text between straight quotes, such as \"…\""},
		"yes":               {"discovery.announce = yes\n", "discovery.announce: want true or false, without quotes"},
		"numbers":           {"wake.ports = 7\n", "wake.ports: want a list of numbers"},
		"a table":           {"network.wifi = \"Shop\"\n", "network.wifi: want its settings, in lines of their own below [network.wifi]"},
		"no quotes":         {"name = Lobby\r\n", "line 1, column 8: name: put the text between straight quotes: name = \"…\""},
		"no quotes, f":      {"name = foyer\n", "name: put the text between straight quotes"},
		"no quotes, digits": {"location = 3rd-floor\n", "location: put the text between straight quotes"},
		"a key, no quotes":  {"[network.wifi]\nkey = short\n", "line 2, column 7: key: put the text between straight quotes: key = \"…\""},
		"one quote":         {"name = \"Lobby\r\n", "name: the closing quote is missing"},
		"one quote, at end": {"name = 'Lobby", "name: the closing quote is missing"},
		"Windows's path":    {"network.ca_files = [\"C:\\certs\\ca.pem\"]\n", `network.ca_files: write \\ or / in place of \`},
		"a user's path":     {"network.ca_files = [\"C:\\Users\\a.pem\"]\n", `network.ca_files: write \\ or / in place of \`},
		"colon":             {"name: \"Lobby\"\n", "line 1, column 5: want a setting, such as name = \"Lobby\""},
		"nothing":           {"name =\nlog = \"info\"\n", "name: there is no value behind the ="},
		"quote within":      {"name = \"a \"b\" c\"\n", "name: something stands behind the value"},
		"twice":             {"name = \"a\"\nname = \"b\"\n", "line 2, column 1: name: it is set twice"},
		"table twice":       {"[network]\n[network]\n", "this table is there twice"},
		"list, no quotes":   {"servers = [10.0.0.5]\n", "servers: a list is written [\"…\", \"…\"]"},
		"list, no end":      {"servers = [\"10.0.0.5\"\nlog = \"info\"\n", "line 2, column 1: a list is written"},
		"header, no end":    {"[network\naddress = \"dhcp\"\n", "the closing ] is missing"},
		"RTF":               {"{\\rtf1\\ansi name = \"a\"}\n", "this is a text with fonts (RTF); save it as plain text"},
		"who may be asked?": {"[usb]\nsettings = \"always\"\n", "line 2, column 1: usb.settings: \"always\": want"},
	} {
		_, err := config.ParseStick([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), "TOML") || strings.Contains(err.Error(), "U+")) {
			t.Errorf("%s: the error is the decoder's: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "short") || strings.Contains(err.Error(), "12345678")) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestLink(t *testing.T) {
	c, err := config.ParseStick([]byte(`
network.wifi = {ssid = "Shop", key = "TOPSECRET", country = "NL", hidden = true}
network.address = "10.0.0.20/24"
network.gateway = "10.0.0.1"
network.dns = ["10.0.0.1", "fd00::1"]
network.interface = "wlan0"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Link{
		Interface: "wlan0", Address: netip.MustParsePrefix("10.0.0.20/24"), Gateway: netip.MustParseAddr("10.0.0.1"),
		DNS:  []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		WiFi: &config.WiFi{SSID: "Shop", Key: protocol.NewSecret("TOPSECRET"), Country: "NL", Hidden: true},
	}
	if diff := cmp.Diff(want, c.Network.Link, secrets); diff != "" {
		t.Error(diff)
	}
	if text := fmt.Sprintf("%+v", c.Network.Link.WiFi); strings.Contains(text, "TOPSECRET") {
		t.Errorf("the key prints: %s", text)
	}
}

// A later file comes before an earlier one, setting by setting; a connection is one thing.
func TestOver(t *testing.T) {
	device := []byte("name = \"a\"\nservers = [\"10.0.0.1\", \"10.0.0.2\"]\npage = \"127.0.0.1:80\"\n[network]\nproxy = \"http://10.0.0.1:3128\"\naddress = \"10.0.0.5/24\"\ngateway = \"10.0.0.1\"\n[wake]\nports = [9]\n")
	stick := []byte("name = \"b\"\nservers = [\"10.0.0.3\"]\n[network]\naddress = \"dhcp\"\n")
	c, err := config.Parse(device, stick)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "b" || !slices.Equal(c.Servers, []string{"10.0.0.3:7237"}) || c.Page != "127.0.0.1:80" || len(c.Wake.Ports) != 1 ||
		c.Network.Proxy.Reveal() == "" || c.Network.Link == nil || c.Network.Link.Address.IsValid() {
		t.Errorf("%+v", c)
	}
	if c, err := config.Parse(device, []byte("name = \"b\"\n")); err != nil || c.Network.Link == nil || !c.Network.Link.Gateway.IsValid() {
		t.Errorf("without a connection of its own: %+v, %v", c, err)
	}
	if _, err := config.Parse(device, []byte("\n\nname = \"\\n\"\n")); err == nil || !strings.HasPrefix(err.Error(), "line 3, column 1") {
		t.Errorf("a mistake in the later one: %v", err)
	}
}

func TestNames(t *testing.T) {
	got := config.Names([]byte("name = \"a\"\n[network]\nproxy = \"x\"\nwifi = {ssid = \"s\"}\n[clock]\nservers = [\"a\"]\n"))
	if want := []string{"name", "network.proxy", "network.wifi.ssid", "clock.servers"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a stick brings goes into other programs' files, and its mistakes onto the screen.
func FuzzStick(f *testing.F) {
	sample, err := os.ReadFile("vitrine.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(sample), "name = “Lobby”\r\n", "\ufeffname = \"a\"", "network = {wifi = {ssid = \"a\", key = \"short\"}}\n", "[network]\naddress=\"10.0.0.5/24\"\ngateway=\"10.0.0.1\"",
		string(inUTF16("name = \"a\"\n", binary.BigEndian, true)), "a.b.c = [{d = 1}]\n[[e]]\n", "STATE = 1", "[network]\ninterface = \"..\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.ParseStick(data)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		config.Names(data)
		if c.State != "" || c.Page != "" || c.Sticks != config.SignedSticks || c.Content.NoSticks {
			t.Errorf("a stick sets what is the device's own: %+v", c)
		}
		if l := c.Network.Link; l != nil {
			if strings.ContainsAny(l.Interface, "\n/ []") || l.WiFi != nil && strings.ContainsAny(l.WiFi.SSID+l.WiFi.Key.Reveal(), "\n\r\x00") {
				t.Errorf("it could be written as something else: %+v", l)
			}
		}
		if again, err := config.Parse(nil, data); err != nil {
			t.Errorf("over nothing: %v", err)
		} else if again.Name != c.Name {
			t.Errorf("over nothing it has the name %q, not %q", again.Name, c.Name)
		}
		if text, err := config.Text(data); err != nil || bytes.HasPrefix(text, []byte("\ufeff\ufeff")) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
