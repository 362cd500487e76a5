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

func TestHours(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		spans  []string
		at     string
		within bool
		holds  time.Duration
	}{
		{nil, "2026-06-01 12:00:00", true, 0},
		{[]string{"22:00-06:00"}, "2026-06-01 21:59:59", false, time.Second},
		{[]string{"22:00-06:00"}, "2026-06-01 22:00:00", true, 8 * time.Hour},
		{[]string{"22:00-06:00"}, "2026-06-01 05:00:00", true, time.Hour},
		{[]string{"22:00-06:00"}, "2026-06-01 06:00:00", false, 16 * time.Hour},
		{[]string{"12:00-13:00", "13:00-14:00"}, "2026-06-01 12:30:00", true, 90 * time.Minute},
		{[]string{"12:00-14:00", "13:00-15:00"}, "2026-06-01 12:30:00", true, 150 * time.Minute},
		{[]string{"18:00-24:00"}, "2026-06-01 23:00:00", true, time.Hour},
		{[]string{"00:00-24:00"}, "2026-06-01 23:00:00", true, 0},
		// In the night of 2026-03-29 the hour from 2 to 3 doesn't exist, in that of 2026-10-25 it is there twice.
		{[]string{"22:00-06:00"}, "2026-03-28 22:00:00", true, 7 * time.Hour},
		{[]string{"22:00-06:00"}, "2026-10-24 22:00:00", true, 9 * time.Hour},
	} {
		h, err := parseHours(test.spans)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation(time.DateTime, test.at, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if within, holds := h.At(at); within != test.within || holds != test.holds {
			t.Errorf("%v at %s: %t for %v, want %t for %v", test.spans, test.at, within, holds, test.within, test.holds)
		}
	}
	for _, bad := range []string{"", "22:00", "22-06", "22:00-22:00", "25:00-26:00", "22:00-06:00-07:00"} {
		if _, err := parseHours([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestContentSection(t *testing.T) {
	c, err := Parse([]byte("[content]\nquota = \"20 GB\"\nreserve = \"5 %\"\nparallel = 2\nrate = \"1 MB/s\"\nwindows = [\"22:00-06:00\"]\npeers = false\npeer_rate = \"2 MB/s\"\npeer_port = 7300\nscrub_days = 3\nusb = false\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := c.Content
	if got.Quota.Bytes != 20e9 || got.Reserve.Percent != 5 || got.Parallel != 2 || got.Rate != 1e6 || len(got.Windows) != 1 || !got.NoPeers ||
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
