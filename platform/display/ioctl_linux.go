package display

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// An ioctl is a call of a device's driver; tests put fakes in the place of drivers.
type ioctl func(fd uintptr, request uint32, arg unsafe.Pointer) error

// kernel is the real one. A call that a signal interrupts is made again.
func kernel(fd uintptr, request uint32, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// Directions of ioctl numbers (linux/ioctl.h, as it is on all our architectures).
const (
	iocWrite = 1
	iocRead  = 2
)

// request makes an ioctl's number.
func request(direction, group, number uint32, size uintptr) uint32 {
	return direction<<30 | uint32(size)<<16 | group<<8 | number
}

// newDevice makes a method that drives a device file.
func newDevice(name string, c Config) method {
	switch name {
	case "cec":
		return &cec{root: c.Root, device: c.Device, call: kernel}
	case DRM:
		return &drm{root: c.Root, device: c.Device, call: kernel}
	case Serial:
		return &serial{c}
	}
	return nil
}
