//go:build !linux

package display

// newDevice makes a method that drives a device file; there is none on this system.
func newDevice(string, Config) method { return nil }
