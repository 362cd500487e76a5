package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// An Amount is a number of bytes, or a part of the disk; see store.Amount.
type Amount struct {
	Bytes   int64
	Percent float64
}

// units are powers of a thousand, and with an i powers of 1,024, as IEC 80000-13 has them.
var units = map[string]float64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// parseBytes reads a number of bytes such as "20 GB" or "512 KiB".
func parseBytes(s string) (int64, error) {
	text := strings.TrimSpace(s)
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.ParseFloat(text[:end], 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a number of bytes such as \"20 GB\"", s)
	}
	name := strings.TrimSpace(text[end:])
	unit, ok := units[strings.ToLower(name)]
	if !ok {
		return 0, fmt.Errorf("%.40q: there is no unit %.10q; want kB, MB, GB or TB", s, name)
	}
	if n*unit > math.MaxInt64/2 {
		return 0, fmt.Errorf("%.40q is too much", s)
	}
	return int64(n * unit), nil
}

// parseAmount reads a number of bytes, or a part of the disk such as "80 %".
func parseAmount(s string) (Amount, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	if !percent {
		n, err := parseBytes(s)
		return Amount{Bytes: n}, err
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(n > 0 && n <= 100) {
		return Amount{}, fmt.Errorf("%.40q: want more than 0 %%, and at most 100 %%", s)
	}
	return Amount{Percent: n}, nil
}

// parseRate reads a number of bytes per second such as "2 MB/s".
func parseRate(s string) (int64, error) {
	n, err := parseBytes(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	if err == nil && n < leastRate {
		err = fmt.Errorf("%.40q: want at least 8 kB/s", s)
	}
	return n, err
}

// leastRate is the slowest limit, in bytes per second: slower than that a programme never comes.
const leastRate = 8000
