package proxy_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/http/httpproxy"

	"vitrine/platform/proxy"
)

func TestWay(t *testing.T) {
	lan := netip.MustParsePrefix("10.0.0.0/24")
	d, err := proxy.New(proxy.Config{
		Proxy:  "http://10.0.0.1:3128",
		Exempt: []string{"signage.example.org", ".inner.example", "10.8.0.0/16", "2001:db8:1::/48", "192.0.2.9", "192.0.2.10:7237"},
		Near:   lan.Contains,
	})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"10.2.0.9:7237":                 "proxy",
		"server.example:7237":           "proxy",
		"[2001:db8:2::1]:7237":          "proxy",
		"10.0.0.5:7237":                 "direct, then proxy",
		"[::ffff:10.0.0.5]:7237":        "direct, then proxy",
		"localhost:7237":                "direct",
		"LOCALHOST:7237":                "direct",
		"127.0.0.1:7237":                "direct",
		"[::1]:7237":                    "direct",
		"169.254.3.4:7237":              "direct",
		"[fe80::5%eth0]:7237":           "direct",
		"signage.example.org:7237":      "direct",
		"Signage.Example.org:7237":      "direct",
		"signage.example.org.:7237":     "direct",
		"sub.signage.example.org:7237":  "direct",
		"evilsignage.example.org:7237":  "proxy",
		"inner.example:7237":            "proxy",
		"a.inner.example:7237":          "direct",
		"10.8.200.1:7237":               "direct",
		"[2001:db8:1:2::3]:7237":        "direct",
		"192.0.2.9:7237":                "direct",
		"192.0.2.10:7237":               "direct",
		"192.0.2.10:443":                "proxy",
		"no port":                       "direct",
		"10.2.0.9.signage.example.com:": "proxy",
	} {
		if got := d.Way(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	none, err := proxy.New(proxy.Config{})
	if err != nil || none.Way("10.2.0.9:7237") != "direct" || none.Proxy() != "" {
		t.Errorf("without a proxy: %s, %v", none.Way("10.2.0.9:7237"), err)
	}
}

// Other programs on the machine read the same NO_PROXY, most of them by this package's rules.
func TestExemptionsAreThoseOfOtherPrograms(t *testing.T) {
	entries := []string{
		"*", "example.org", ".example.org", "*.example.org", "Example.ORG", "example.org:7237", ".example.org:443", "10.0.0.5", "10.0.0.5:7237",
		"10.0.0.0/8", "10.0.0.5/32", "fd00::/16", "fd00::5", "[fd00::5]:7237", "[fd00::5]:443", "localhost", "127.0.0.1",
	}
	targets := []string{
		"example.org:7237", "a.example.org:7237", "b.a.example.org:7237", "myexample.org:7237", "example.org.uk:7237", "example.org:443", "EXAMPLE.org:7237",
		"10.0.0.5:7237", "10.0.0.5:443", "10.0.0.50:7237", "11.0.0.5:7237", "[fd00::5]:7237", "[fd00::6]:7237", "[fe00::5]:7237", "[::ffff:10.0.0.5]:7237",
		"localhost:7237", "127.0.0.1:7237", "[::1]:7237", "server:7237",
	}
	for _, entry := range entries {
		oracle := (&httpproxy.Config{HTTPSProxy: "http://192.0.2.1:3128", NoProxy: entry}).ProxyFunc()
		d, err := proxy.New(proxy.Config{Proxy: "http://192.0.2.1:3128", Exempt: []string{entry}})
		if err != nil {
			t.Errorf("%s: %v", entry, err)
			continue
		}
		for _, target := range targets {
			through, err := oracle(&url.URL{Scheme: "https", Host: target})
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Way(target) == "proxy"; got != (through != nil) {
				t.Errorf("NO_PROXY=%s, %s: through the proxy %v, others say %v", entry, target, got, through != nil)
			}
		}
	}
}

func TestEnvironment(t *testing.T) {
	get := func(list ...string) func(string) string {
		return func(name string) string {
			for _, s := range list {
				if k, v, _ := strings.Cut(s, "="); k == name {
					return v
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		getenv func(string) string
		want   string
	}{
		{get(), " []"},
		{get("HTTPS_PROXY=http://a:1", "https_proxy=http://b:1", "NO_PROXY= x , ,y,10.0.0.0/99"), "http://a:1 [x y]"},
		{get("https_proxy=b:1", "no_proxy=*"), "b:1 [*]"},
		{get("HTTP_PROXY=http://a:1", "ALL_PROXY=http://a:1"), " []"},
	} {
		url, exempt := proxy.Environment(c.getenv)
		if got := fmt.Sprint(url, " ", exempt); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestSettingsThatAreWrong(t *testing.T) {
	for _, s := range []string{
		"http://", "http://:3128", "socks5://10.0.0.1:1080", "http://10.0.0.1:0", "http://10.0.0.1:http", "http://10.0.0.1:70000", "http://10.0.0.1/x", "http://10.0.0.1?x",
		"http://user:TOP%zzSECRET@10.0.0.1:3128", "http://user:TOP#SECRET@10.0.0.1:3128", "http://user:TOP/SECRET@10.0.0.1:3128", "http://user:TOP?SECRET@10.0.0.1:3128",
		"http://user:TOP SECRET@10.0.0.1:3128", "http://:TOPSECRET@10.0.0.1:3128", "http://a%3Ab:TOPSECRET@10.0.0.1:3128", "ftp://user:SECRET@10.0.0.1", "http://user:SECRET@10.0.0.1:x",
	} {
		err := proxy.Check(s)
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: error %v", s, err)
		}
	}
	for s, want := range map[string]string{
		"10.0.0.1": "10.0.0.1:80", "proxy:3128": "proxy:3128", "https://proxy.example": "proxy.example:443", "http://[fd00::1]:3128/": "[fd00::1]:3128",
		"http://user:p%40ss%2F@10.0.0.1:3128": "10.0.0.1:3128",
	} {
		d, err := proxy.New(proxy.Config{Proxy: s})
		if err != nil || d.Proxy() != want {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", " ", "10.0.0.0/33", "a b", "http://x", "x,y", "x:http", "fd00::/x", ".", "*x*"} {
		if err := proxy.CheckExempt(s); err == nil {
			t.Errorf("exemption %q is taken", s)
		}
	}
	d, err := proxy.New(proxy.Config{Proxy: "http://user:TOPSECRET@10.0.0.1:3128"})
	if text := fmt.Sprintf("%v %+v %#v", d, d, d); err != nil || strings.Contains(text, "SECRET") || strings.Contains(text, "VE9QU0VDUkVU") {
		t.Errorf("printed: %s, %v", text, err)
	}
}
