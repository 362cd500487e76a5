//go:build !linux

package device

// Boot differs between any two starts of the machine; empty if that can't be known.
func Boot() string { return "" }
