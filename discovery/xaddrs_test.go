package discovery

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"vitrine/discovery/wsd"
)

func TestRank(t *testing.T) {
	other := link{iface: net.Interface{Index: 78, Name: "test1"}, prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}}
	links := neighbourhood{*testLink(), other}
	tests := map[string]struct {
		from string
		in   []string
		want []string
	}{
		"on-link first, routed, name, source last": {
			"192.0.2.9",
			[]string{"mqtts://player:7237", "mqtts://203.0.113.5:7237", "mqtts://10.1.1.1:7237", "mqtts://192.0.2.8:7237"},
			[]string{"mqtts://192.0.2.8:7237", "mqtts://10.1.1.1:7237", "mqtts://203.0.113.5:7237", "mqtts://player:7237", "mqtts://192.0.2.9:7237"},
		},
		"order of equals is the target's": {
			"192.0.2.9",
			[]string{"https://192.0.2.9:1/b", "mqtts://192.0.2.9:2", "https://192.0.2.9:1/b"},
			[]string{"https://192.0.2.9:1/b", "mqtts://192.0.2.9:2"},
		},
		"this machine, said from another": {
			"192.0.2.9",
			[]string{"https://127.0.0.1:1/a", "https://localhost:2", "https://[::1]:3", "https://0.0.0.0:4", "HTTPS://[::]:5?q", "https://127.9.9.9:1/a"},
			[]string{"https://192.0.2.9:1/a", "https://192.0.2.9:2", "https://192.0.2.9:3", "https://192.0.2.9:4", "https://192.0.2.9:5?q"},
		},
		"this machine, said by itself": {
			"192.0.2.1",
			[]string{"https://127.0.0.1:1", "https://localhost:2", "https://[::1]:3", "https://0.0.0.0:4"},
			[]string{"https://127.0.0.1:1", "https://localhost:2", "https://[::1]:3", "https://192.0.2.1:4"},
		},
		"this machine, over loopback": {"127.0.0.1", []string{"https://127.0.0.1:1"}, []string{"https://127.0.0.1:1"}},
		"zones": {
			"fe80::9%test0",
			[]string{"https://[fe80::9]:1/", "https://[fe80::9%25eth7]:2", "https://[fe80::9%eth7]:3", "https://[fe80::8]:4", "https://name:5"},
			[]string{"https://[fe80::9%25test0]:1/", "https://[fe80::9%25test0]:2", "https://[fe80::9%25test0]:3", "https://[fe80::8%25test0]:4", "https://name:5", "https://[fe80::9%25test0]:5"},
		},
		"unreachable last": {
			"192.0.2.9",
			[]string{"http://169.254.169.254/x", "http://name"},
			[]string{"http://name", "http://192.0.2.9", "http://169.254.169.254/x"},
		},
		"mapped": {"192.0.2.9", []string{"https://[::ffff:192.0.2.8]:1", "https://[::ffff:127.0.0.1]:2"}, []string{"https://192.0.2.8:1", "https://192.0.2.9:2"}},
		"nobody can be there": {
			"192.0.2.9",
			[]string{
				"https://224.0.0.1:1", "https://255.255.255.255:1", "https://[ff02::1]:1", "https://user@192.0.2.9:1", "https://192.0.2.9:0",
				"https://192.0.2.9:65536", "https://192.0.2.9:-1", "https://192.0.2.9:", "urn:uuid:1", "javascript:alert(1)", "file:///etc/passwd",
				"https://0x7f.1:1", "https://0177.0.0.1:1", "https://2130706433:1", "https://[fe80::1:1", "https://[::1]x:1", "://a:1", "https://a b:1", "https://1.2.3:1", "https://na%me:1",
			},
			[]string{"https://192.0.2.9"},
		},
		"other schemes": {"192.0.2.9", []string{"net.tcp://192.0.2.8:808/s", "soap.udp://192.0.2.8:3702"}, []string{"net.tcp://192.0.2.8:808/s", "soap.udp://192.0.2.8:3702"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := route{from: netip.MustParseAddr(test.from), link: testLink(), links: links}
			if got := texts(r.rank(test.in)); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestAddrs(t *testing.T) {
	d := Device{Endpoint: wsd.Endpoint{XAddrs: []string{
		"mqtts://192.0.2.8:7237", "https://192.0.2.8/path", "MQTTS://name", "mqtts://[fe80::9%25test0]:7237", "mqtts://192.0.2.8:7237/x", "net.tcp://192.0.2.8",
	}}}
	for scheme, want := range map[string][]string{
		"mqtts":   {"192.0.2.8:7237", "name:8883", "[fe80::9%test0]:7237"},
		"HTTPS":   {"192.0.2.8:443"},
		"net.tcp": nil,
		"http":    nil,
	} {
		if got := d.Addrs(scheme); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", scheme, got, want)
		}
	}
}

func answerFrom(source, epr string, version uint32, xaddrs ...string) answer {
	from := netip.MustParseAddrPort(source)
	list := route{from: from.Addr(), link: testLink(), links: neighbourhood{*testLink()}}.rank(xaddrs)
	return answer{Device{Endpoint: wsd.Endpoint{EPR: epr, MetadataVersion: version}, From: from}, list}
}

func TestCatalogue(t *testing.T) {
	c := newCatalogue()
	steps := []struct {
		answer answer
		news   bool
		xaddrs []string
	}{
		{answerFrom("192.0.2.9:3702", serverEPR, 1, "a://203.0.113.1:1"), true, []string{"a://203.0.113.1:1"}},
		{answerFrom("192.0.2.9:3702", serverEPR, 1, "a://203.0.113.1:1"), false, []string{"a://203.0.113.1:1"}},
		{answerFrom("192.0.2.10:3702", "UUID:"+serverEPR[9:], 1, "a://192.0.2.10:1"), true, []string{"a://192.0.2.10:1", "a://203.0.113.1:1"}},
		{answerFrom("192.0.2.9:3702", serverEPR, 2), true, []string{"a://192.0.2.10:1", "a://203.0.113.1:1"}},
		{answerFrom("192.0.2.9:3702", serverEPR, 1), false, []string{"a://192.0.2.10:1", "a://203.0.113.1:1"}},
	}
	for i, step := range steps {
		d, news := c.add(step.answer)
		if news != step.news || !slices.Equal(d.XAddrs, step.xaddrs) || d.From.String() != "192.0.2.9:3702" {
			t.Errorf("step %d: news %v, %+v", i, news, d)
		}
	}
	for range 3 * maxDevicesPerSource {
		c.add(answerFrom("192.0.2.66:1", newID(), 0))
	}
	if n := len(c.entries); n != 1+maxDevicesPerSource {
		t.Errorf("%d devices are kept after a flood from one host", n)
	}
	if _, news := c.add(answerFrom("192.0.2.11:1", newID(), 0)); !news {
		t.Error("a flood from one host hides another")
	}
}

// Whatever a target sends, what comes out can be ranked again without another result, and dialled without a panic.
func FuzzRank(f *testing.F) {
	f.Add("mqtts://192.0.2.8:7237", "192.0.2.9")
	f.Add("https://[fe80::9%25eth0]:1/x?y", "fe80::9%test0")
	f.Add("a://localhost#b", "203.0.113.9")
	f.Add("a://b.c:65535", "::ffff:192.0.2.9")
	f.Fuzz(func(t *testing.T, text, source string) {
		from, err := netip.ParseAddr(source)
		if err != nil || from.Zone() != "" && from.Zone() != "test0" {
			return
		}
		r := route{from: from.Unmap(), link: testLink(), links: neighbourhood{*testLink()}}
		once := texts(r.rank([]string{text}))
		again := texts(r.rank(once))
		// The order may differ: the source's address ranks higher once the target itself has named it.
		if !slices.Equal(slices.Sorted(slices.Values(once)), slices.Sorted(slices.Values(again))) {
			t.Errorf("ranked as %q, then as %q", once, again)
		}
		d := Device{Endpoint: wsd.Endpoint{XAddrs: once}}
		for _, addr := range d.Addrs("mqtts") {
			if _, _, err := net.SplitHostPort(addr); err != nil {
				t.Error(err)
			}
		}
	})
}
