package player

import (
	"net/url"
	"strings"

	"rsc.io/qr/coding"
)

// qrOf is a QR code (ISO/IEC 18004) of what a person needs to approve the viewer, row by row. What a phone reads is
// "vitrine:pair?code=CODE&name=NAME".
func qrOf(s State) []string {
	if s.Code == "" {
		return nil
	}
	text := "vitrine:pair?" + url.Values{"code": {s.Code}, "name": {s.Name}}.Encode()
	for version := coding.MinVersion; version <= coding.MaxVersion; version++ {
		plan, err := coding.NewPlan(coding.Version(version), coding.M, 0)
		if err != nil {
			return nil
		}
		code, err := plan.Encode(coding.String(text))
		if err != nil {
			continue // it doesn't fit into one of this size
		}
		rows := make([]string, code.Size)
		for y := range rows {
			var row strings.Builder
			for x := range code.Size {
				if code.Black(x, y) {
					row.WriteByte('1')
				} else {
					row.WriteByte('0')
				}
			}
			rows[y] = row.String()
		}
		return rows
	}
	return nil
}
