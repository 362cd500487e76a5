package device

import (
	"io/fs"
	"os"
	"strings"
)

func look() facts { return lookAt(os.DirFS("/")) }

// lookAt reads what a PC's firmware tells (DMI), and else a board's device tree.
func lookAt(root fs.FS) facts {
	first := func(paths ...string) string {
		for _, p := range paths {
			data, err := fs.ReadFile(root, p)
			if text := strings.Trim(string(data), " \n\x00"); err == nil && known(text) {
				return text
			}
		}
		return ""
	}
	return facts{
		model:   first("sys/class/dmi/id/product_name", "proc/device-tree/model"),
		serial:  first("sys/class/dmi/id/product_serial", "proc/device-tree/serial-number"),
		machine: first("etc/machine-id"),
	}
}

// known tells a fact from what makers leave in its place.
func known(text string) bool {
	switch strings.ToLower(text) {
	case "", "none", "default string", "to be filled by o.e.m.", "not specified", "system serial number", "system product name", "0":
		return false
	}
	return len(text) <= 128
}
