package doctor

import (
	"strings"
	"testing"
)

func TestRedactSettings(t *testing.T) {
	settings := `name = "Lobby"
token = "vitrine1.AAAA.bbbb.CCCC"
# token = "vitrine1.DDDD.eeee.FFFF"   an old one
servers = ["10.0.0.5"]
[network]
proxy = "http://lobby:top%20secret@10.0.0.1:3128"
wifi = {ssid = "Guests", psk = "wifi-key-1"}
passphrase = """
wifi-key-2
wifi-key-3"""
"wake.password" = "00:11:22:33:44:55"
passwords = [
  "wifi-key-4",
]
api_key = 'wifi-key-5'
keepalive = 30
[session]
broken = "line
secret: vitrine1.GGGG.hhhh.IIII
`
	got := RedactSettings(settings, []string{"top secret"})
	for _, secret := range []string{"CCCC", "FFFF", "IIII", "top", "wifi-key", "00:11:22"} {
		if strings.Contains(got, secret) {
			t.Errorf("it has %s", secret)
		}
	}
	for _, harmless := range []string{`name = "Lobby"`, `servers = ["10.0.0.5"]`, "://[redacted]@10.0.0.1:3128", `ssid = "Guests"`, "keepalive = 30", `broken = "line`} {
		if !strings.Contains(got, harmless) {
			t.Errorf("it lacks %s", harmless)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("token = \"", "\"\n", "s3cret")
	f.Add("proxy = \"http://a:", "@b\"", "p w%/d")
	f.Fuzz(func(t *testing.T, before, after, secret string) {
		if len(secret) < leastSecret || strings.Contains(redacted+before+after, secret) || strings.ContainsAny(secret, "[]") {
			return
		}
		if got := RedactSettings(before+secret+after, []string{secret}); strings.Contains(got, secret) {
			t.Errorf("%q is left in %q", secret, got)
		}
	})
}
