package removable

import (
	"bytes"
	"strings"
)

// isBlockEvent tells whether a message of the kernel's is about a block device that came, went or changed: "ACTION@DEVPATH", and then lines such as
// "SUBSYSTEM=block", each ended by a zero byte (Documentation/ABI/testing/sysfs-uevent; kobject_uevent_env). What udev sends begins with "libudev", and
// is not for us.
func isBlockEvent(message []byte) bool {
	head, rest, ok := bytes.Cut(message, []byte{0})
	action, path, at := strings.Cut(string(head), "@")
	if !ok || !at || !strings.HasPrefix(path, "/") || action == "" || strings.ContainsAny(action, " /=") {
		return false
	}
	for line := range bytes.SplitSeq(rest, []byte{0}) {
		if string(line) == "SUBSYSTEM=block" {
			return true
		}
	}
	return false
}
