// Package device says what machine this is.
//
// It owns the look at what firmware and system tell; all of it may be missing, and nothing of it identifies a person.
package device

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"os"
	"runtime"
	"strings"

	"vitrine/platform/network"
)

// A Device is a machine. Every field may be empty.
type Device struct {
	Hostname string
	// OS and Arch are as Go calls them.
	OS, Arch string
	// Model and Serial are the maker's.
	Model, Serial string
	// Fingerprint is a hash of what tells this machine from others: the serial number, the machine's id and the hardware
	// addresses. A copy of the disk in another machine has another one.
	Fingerprint string
	// MACs are the hardware addresses of the interfaces that have one.
	MACs []net.HardwareAddr
}

// facts is what the system tells, read by a function for each system.
type facts struct{ model, serial, machine string }

// Describe looks at the machine.
func Describe() Device {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = ""
	}
	f := look()
	d := Device{Hostname: hostname, OS: runtime.GOOS, Arch: runtime.GOARCH, Model: f.model, Serial: f.serial}
	interfaces, err := network.Interfaces()
	if err != nil {
		interfaces = nil
	}
	for _, i := range interfaces {
		if len(i.MAC) > 0 && !i.Loopback && !locallyAdministered(i.MAC) {
			d.MACs = append(d.MACs, i.MAC)
		}
	}
	d.Fingerprint = fingerprint(f, d.MACs)
	return d
}

// locallyAdministered tells whether an address was made up by software (IEEE 802, section 8.2.2): those change.
func locallyAdministered(mac net.HardwareAddr) bool { return mac[0]&2 != 0 }

// fingerprint is empty if nothing is known of the machine.
func fingerprint(f facts, macs []net.HardwareAddr) string {
	parts := []string{f.serial, f.machine}
	for _, m := range macs {
		parts = append(parts, m.String())
	}
	joined := strings.Join(parts, "\n")
	if strings.TrimSpace(joined) == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("vitrine device\n" + joined))
	return hex.EncodeToString(sum[:16])
}
