package config_test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/platform/display"
	"vitrine/platform/wake"
)

func TestParse(t *testing.T) {
	token := protocol.NewJoinToken(protocol.Pin{1, 2, 3})
	got, err := config.Parse([]byte(`
# A comment, as people write them.
name = "Lobby, left"
token = "` + token.Reveal() + `"
servers = ["10.0.0.5", "signage.example:7000", "fd00::5", "[fd00::6]:7001"]
state = "/data/vitrine"
page = "127.0.0.1:8080"
log = "debug"

location = "building-a/floor 2"

[screen]
rotation = 270
mark = false

[wake]
ports = [9, 7009]
password = "1.2.3.4"
allow = ["10.0.0.0/24"]

[display]
method = "serial"
device = "/dev/ttyUSB0"
on = "ka 01 01\r"
off = "\u00aa\u0000"

[standby]
mode = "suspend"
wake_minutes = 5

[power]
reboot = "04:30"

[session]
keepalive = 20
return_after = 90

[network]
proxy = "http://lobby:TOPSECRET@10.0.0.1:3128"
no_proxy = [".example", "10.0.0.0/8"]
ca_files = ["/etc/vitrine/proxy-ca.pem"]

[clock]
servers = ["10.0.0.7", "ntp.example:1123", "fd00::7"]
discipline = "system"
serve = 123

[discovery]
hosts = ["signage.example", "10.2.0.0/24"]
proxies = ["10.0.0.9"]
interfaces = ["eth0"]
source_port = 3703
announce = true
`))
	if err != nil {
		t.Fatal(err)
	}
	reboot := config.TimeOfDay(4*time.Hour + 30*time.Minute)
	want := config.Config{
		Name: "Lobby, left", Token: &token,
		Servers: []string{"10.0.0.5:7237", "signage.example:7000", "[fd00::5]:7237", "[fd00::6]:7001"},
		State:   "/data/vitrine", Page: "127.0.0.1:8080", Log: "debug",
		Wake: config.Wake{
			Ports: []uint16{9, 7009}, Password: protocol.NewSecret("1.2.3.4"), Senders: []wake.Sender{{Network: netip.MustParsePrefix("10.0.0.0/24")}},
		},
		Display:  display.Config{Method: "serial", Device: "/dev/ttyUSB0", On: "ka 01 01\r", Off: "\u00aa\u0000"},
		Standby:  config.Standby{Mode: config.StandbySuspend, WakeTime: 5 * time.Minute},
		Reboot:   &reboot,
		Location: protocol.Location{"building-a", "floor 2"}, Screen: config.Screen{Rotation: 270, NoMark: true},
		Session: config.Session{KeepAlive: 20 * time.Second, ReturnAfter: 90 * time.Second},
		Network: config.Network{
			Proxy: protocol.NewSecret("http://lobby:TOPSECRET@10.0.0.1:3128"), NoProxy: []string{".example", "10.0.0.0/8"}, CAFiles: []string{"/etc/vitrine/proxy-ca.pem"},
		},
		Clock: config.Clock{Servers: []string{"10.0.0.7:123", "ntp.example:1123", "[fd00::7]:123"}, System: true, Serve: 123},
		Discovery: config.Discovery{
			Hosts: []string{"signage.example", "10.2.0.0/24"}, Proxies: []string{"10.0.0.9"}, Interfaces: []string{"eth0"}, SourcePort: 3703, Announce: true,
		},
	}
	if diff := cmp.Diff(want, got, secrets); diff != "" {
		t.Error(diff)
	}
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, "TOPSECRET") {
		t.Errorf("the password prints: %s", text)
	}
	if got, err := config.Parse(nil); err != nil || !cmp.Equal(got, config.Config{}, secrets) {
		t.Errorf("an empty file: %+v, %v", got, err)
	}
}

func TestParseNamesTheMistake(t *testing.T) {
	secret := "TOPSECRET"
	for name, c := range map[string]struct{ file, want string }{
		"unknown key": {"name = \"a\"\nnmae = \"b\"\n", "line 2, column 1: there is no setting called \"nmae\""},
		"nested":      {"[wake]\nport = 9\n", "wake.port"},
		"syntax":      {"name = \"a\nservers = []\n", "line 1"},
		"wrong type":  {"\nname = 7\n", "line 2"},
		"name":        {"name = \" a\"\n", "without space around"},
		"token":       {"token = \"vitrine1.x.y." + secret + "\"\n", "CA pin"},
		"token form":  {"token = \"" + secret + "\"\n", "join token"},
		"server":      {"servers = [\"10.0.0.5\", \"http://x/\"]\n", "servers[1]"},
		"server port": {"servers = [\"10.0.0.5:http\"]\n", "not a port"},
		"log level":   {"log = \"loud\"\n", "debug, info, warn or error"},
		"rotation":    {"[screen]\nrotation = 45\n", "screen.rotation: 45"},
		"wake port":   {"[wake]\nports = [70000]\n", "wake.ports"},
		"password":    {"[wake]\npassword = \"" + secret + "\"\n", "wake.password: the password must be six bytes"},
		"wakers":      {"[wake]\nallow = [\"10.0.0.5\", \"phone\"]\n", "wake.allow[1]"},
		"location":    {"location = \"a//b\"\n", "without empty ones"},
		"host":        {"[discovery]\nhosts = [\"10.2.0.0/8\"]\n", "discovery.hosts[0]: the network has more than 256"},
		"proxy":       {"[discovery]\nproxies = [\"http://x\"]\n", "discovery.proxies[0]"},
		"source port": {"[discovery]\nsource_port = 70000\n", "discovery.source_port"},
		"web proxy":   {"[network]\nproxy = \"http://a:" + secret + "@10.0.0.1:http\"\n", "network.proxy: this is not the address of a proxy"},
		"web proxy's": {"[network]\nproxy = \"socks5://a:" + secret + "@10.0.0.1\"\n", "\"socks5\" are not supported"},
		"not proxied": {"[network]\nno_proxy = [\"10.0.0.0/8\", \"10.0.0.0/\"]\n", "network.no_proxy[1]"},
		"time server": {"[clock]\nservers = [\"10.0.0.7\", \"ntp.example:ntp\"]\n", "clock.servers[1]"},
		"asked twice": {"[clock]\nservers = [\"10.0.0.7\", \"10.0.0.7:123\"]\n", "is there twice"},
		"time port":   {"[clock]\nserve = 70000\n", "clock.serve"},
		"whose clock": {"[clock]\ndiscipline = \"kernel\"\n", "clock.discipline: \"kernel\": want \"process\""},
		"CA file":     {"[network]\nca_files = [\"\"]\n", "network.ca_files[0]"},
		"large":       {strings.Repeat("#", config.MaxSize+1), "limit"},
	} {
		_, err := config.Parse([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows the token: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("name = \"a\"\nservers = [\"b\"]\n[wake]\nports = [9]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data)
		if err != nil {
			return
		}
		for _, s := range c.Servers {
			if again, err := config.ServerAddress(s); err != nil || again != s {
				t.Errorf("server %q becomes %q, %v", s, again, err)
			}
		}
	})
}

// The sample has every setting, each in its own form, and is taken as it is.
func TestSample(t *testing.T) {
	data, err := os.ReadFile("vitrine.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "Lobby, left" || len(c.Location) != 3 || len(c.Servers) != 2 || len(c.Discovery.Hosts) != 2 || len(c.Wake.Ports) != 2 || len(c.Wake.Senders) != 2 {
		t.Errorf("%+v", c)
	}
	for _, key := range config.Keys() {
		if !regexp.MustCompile(`(?m)^` + key + ` = `).Match(data) {
			t.Errorf("%s is not in the sample", key)
		}
	}
}
