//go:build !linux

package network

import "net"

func permanentAddresses() map[int]net.HardwareAddr { return nil }
