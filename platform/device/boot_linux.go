package device

import (
	"os"
	"strings"
)

// Boot differs between any two starts of the machine; empty if that can't be known.
func Boot() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}
