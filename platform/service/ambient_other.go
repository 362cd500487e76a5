//go:build !linux

package service

func keepCapabilities() {}
