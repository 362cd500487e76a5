package cli

import (
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"vitrine/agent/protocol"
)

// PlaysHeader are the columns of plays as CSV.
func PlaysHeader(first ...string) []string {
	return append(first, "id", "start", "seconds", "complete", "presentation", "zone", "item", "type", "name", "asset", "generation", "trust")
}

// PlayRow is a play in these columns.
func PlayRow(p protocol.Play, first ...string) []string {
	asset := ""
	if !p.Asset.IsZero() {
		asset = p.Asset.String()
	}
	return append(first, p.ID, p.Start.UTC().Format("2006-01-02T15:04:05.000Z"), strconv.FormatFloat(p.Seconds, 'f', 3, 64), strconv.FormatBool(p.Complete),
		p.Presentation, p.Zone, strconv.Itoa(p.Item), p.Type, p.Name, asset, p.Generation.String(), p.Trust)
}

// NewCSV writes tables for other programs (RFC 4180).
func NewCSV(w io.Writer) *csv.Writer {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return c
}

// ParseWhen reads a time or a date of a command line; a date is its midnight here. Empty is the zero time.
func ParseWhen(option, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, Usagef("%s %.40q: want a time such as 2026-11-23T12:00:00, or a date", option, s)
}
