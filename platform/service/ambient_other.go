//go:build !linux && !windows

package service

func keepCapabilities() {}
