package config

import (
	"strings"
	"testing"
	"time"
)

func TestAmounts(t *testing.T) {
	for text, want := range map[string]Amount{
		"20 GB": {Bytes: 20_000_000_000}, "20GB": {Bytes: 20_000_000_000}, "1.5 MiB": {Bytes: 1_572_864}, "512 kb": {Bytes: 512_000},
		"1234": {Bytes: 1234}, "80 %": {Percent: 80}, "0.5%": {Percent: 0.5}, "100%": {Percent: 100},
		"": {}, "GB": {}, "-1 GB": {}, "1 XB": {}, "101 %": {}, "0 %": {}, "NaN%": {}, "9999999999 TB": {}, "1 GB extra": {},
	} {
		got, err := parseAmount(text)
		if got != want || (err == nil) != (want != Amount{}) {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]int64{"2 MB/s": 2_000_000, "8 kB": 8000, "7 kB/s": 0, "fast": 0} {
		got, err := parseRate(text)
		if want == 0 && err == nil || want != 0 && (err != nil || got != want) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestContentSection(t *testing.T) {
	c, err := Parse([]byte("[content]\nquota = \"20 GB\"\nreserve = \"5 %\"\nparallel = 2\nrate = \"1 MB/s\"\nwindows = [\"22:00-06:00\"]\npeers = false\npeer_rate = \"2 MB/s\"\npeer_port = 7300\nscrub_days = 3\nusb = false\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := c.Content
	if got.Quota.Bytes != 20e9 || got.Reserve.Percent != 5 || got.Parallel != 2 || got.Rate != 1e6 || got.Windows == nil || !got.NoPeers ||
		got.PeerRate != 2e6 || got.PeerPort != 7300 || got.Scrub != 72*time.Hour || !got.NoSticks {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]string{
		`quota = "x"`: "content.quota", `reserve = "x"`: "content.reserve", `rate = "1 kB/s"`: "content.rate", `peer_rate = "-"`: "content.peer_rate",
		`parallel = 0`: "content.parallel", `parallel = 33`: "content.parallel", `windows = ["x"]`: "content.windows[0]", `peer_port = 70000`: "content.peer_port",
		`scrub_days = 0`: "content.scrub_days", `peer = true`: "content.peer",
	} {
		if _, err := Parse([]byte("[content]\n" + text + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
