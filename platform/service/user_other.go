//go:build !linux

package service

// GiveBack is for systems on which services have users of their own.
func GiveBack(string) error { return nil }

// settle and unsettle are for systemd.
func settle(Config) error { return nil }

func unsettle(Config) error { return nil }
