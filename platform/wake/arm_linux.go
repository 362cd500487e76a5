package wake

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wolInfo is struct ethtool_wolinfo (linux/ethtool.h).
type wolInfo struct {
	Command, Supported, Options uint32
	Password                    [6]byte
	_                           [2]byte
}

// wakeMagic is WAKE_MAGIC.
const wakeMagic = 1 << 5

// An ethtool is a call of a network card's driver; tests put a fake in its place.
type ethtool func(name string, info *wolInfo) error

// arm has a network card wake the machine by magic packets. It needs CAP_NET_ADMIN, and leaves what else the card wakes by.
func arm(name string) error { return armBy(callDriver, name) }

func armBy(call ethtool, name string) error {
	info := wolInfo{Command: unix.ETHTOOL_GWOL}
	err := call(name, &info)
	if errors.Is(err, unix.EOPNOTSUPP) || err == nil && info.Supported&wakeMagic == 0 {
		return fmt.Errorf("this network card can't wake the machine by magic packets: %w", errors.ErrUnsupported)
	}
	if err != nil || info.Options&wakeMagic != 0 {
		return err
	}
	info.Command, info.Options = unix.ETHTOOL_SWOL, info.Options|wakeMagic
	if err := call(name, &info); err != nil {
		return fmt.Errorf("the network card can't be told to wake the machine, which needs CAP_NET_ADMIN: %w", err)
	}
	info = wolInfo{Command: unix.ETHTOOL_GWOL}
	if err := call(name, &info); err != nil || info.Options&wakeMagic == 0 {
		return errors.Join(errors.New("the network card was told to wake the machine by magic packets, and won't"), err)
	}
	return nil
}

// callDriver is ioctl(SIOCETHTOOL) with a struct ifreq (netdevice(7)).
func callDriver(name string, info *wolInfo) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request := struct {
		name [unix.IFNAMSIZ]byte
		data *wolInfo
		_    [16]byte
	}{data: info}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}
