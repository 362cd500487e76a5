package removable

import (
	"strconv"
	"strings"
)

// A mountLine is a mount: its point, and the number of its device as major:minor.
type mountLine struct{ point, device string }

// mountLines reads a /proc/PID/mountinfo (proc(5)): the third and the fifth field of each line, in which spaces and the like are written as octal
// escapes. Lines that can't be read are left out.
func mountLines(mountinfo string) []mountLine {
	var list []mountLine
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		if point, ok := unescape(fields[4]); ok {
			list = append(list, mountLine{point, fields[2]})
		}
	}
	return list
}

// unescape resolves \040 and its like.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		if len(after) < 3 {
			return "", false
		}
		n, err := strconv.ParseUint(after[:3], 8, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		s = after[3:]
	}
}
