package display

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"
)

// cec switches a television by HDMI-CEC, by the kernel's interface (Documentation/userspace-api/media/cec, linux/cec.h).
type cec struct {
	root, device string
	call         ioctl
}

// cecMsg is struct cec_msg.
type cecMsg struct {
	TxTime, RxTime                                                       uint64
	Len, Timeout, Sequence, Flags                                        uint32
	Msg                                                                  [16]byte
	Reply, RxStatus, TxStatus, TxArbLost, TxNack, TxLowDrive, TxError, _ uint8
}

// cecCaps is struct cec_caps.
type cecCaps struct {
	Driver, Name                    [32]byte
	LogAddrs, Capabilities, Version uint32
}

// cecLogAddrs is struct cec_log_addrs.
type cecLogAddrs struct {
	LogAddr    [4]uint8
	Mask       uint16
	Version    uint8
	Num        uint8
	Vendor     uint32
	Flags      uint32
	Name       [15]byte
	Primary    [4]uint8
	Type       [4]uint8
	AllDevices [4]uint8
	Features   [4][12]uint8
	_          uint8 // by alignment
}

// The calls.
var (
	cecGetCaps     = request(iocRead|iocWrite, 'a', 0, unsafe.Sizeof(cecCaps{}))
	cecPhysAddr    = request(iocRead, 'a', 1, unsafe.Sizeof(uint16(0)))
	cecGetLogAddrs = request(iocRead, 'a', 3, unsafe.Sizeof(cecLogAddrs{}))
	cecSetLogAddrs = request(iocRead|iocWrite, 'a', 4, unsafe.Sizeof(cecLogAddrs{}))
	cecTransmit    = request(iocRead|iocWrite, 'a', 5, unsafe.Sizeof(cecMsg{}))
)

// Messages and values (HDMI 1.4, Supplement 1, CEC; the names are those of linux/cec.h).
const (
	opImageViewOn     = 0x04
	opStandby         = 0x36
	opActiveSource    = 0x82
	opGivePowerStatus = 0x8f
	opReportPower     = 0x90

	televisionAddr = 0
	broadcastAddr  = 15
	unregistered   = 15 // as who sends
	capPhysAddr    = 1  // CEC_CAP_PHYS_ADDR: the kernel doesn't know the physical address by itself
	playback       = 4  // CEC_OP_PRIM_DEVTYPE_PLAYBACK
	playbackAddr   = 3  // CEC_LOG_ADDR_TYPE_PLAYBACK
	allPlayback    = 0x10
	cecVersion14   = 5
	noVendor       = 0xffffffff
	noPhysAddr     = 0xffff
	rootAddr       = 0 // the physical address of the television itself

	txOK      = 1 << 0
	rxOK      = 1 << 0
	rxAborted = 1 << 2

	cecAnswer = 1100 // milliseconds; the standard gives a follower one second
)

// open finds the adapter that has a television at its other end, and gives this machine an address there if it has none.
func (c *cec) open() (*os.File, uint8, uint16, error) {
	paths := []string{c.device}
	if c.device == "" {
		if paths = glob(c.root, "dev/cec*"); len(paths) == 0 {
			return nil, 0, 0, errors.New("there is no /dev/cec0: the graphics of this machine have no CEC, or the kernel no driver for it")
		}
	}
	var failures []error
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		from, physical, err := c.claim(f)
		if err == nil {
			return f, from, physical, nil
		}
		f.Close()
		failures = append(failures, fmt.Errorf("%s: %w", path, err))
	}
	return nil, 0, 0, errors.Join(failures...)
}

// claim gives this machine's logical and physical address. They are unregistered and noPhysAddr for a television that has let go of the cable's signal.
func (c *cec) claim(f *os.File) (from uint8, physical uint16, err error) {
	if err := c.call(f.Fd(), cecPhysAddr, unsafe.Pointer(&physical)); err != nil {
		return 0, 0, err
	}
	if physical == rootAddr {
		return 0, 0, errors.New("it is an input, where this machine itself is the television")
	}
	var a cecLogAddrs
	if err := c.call(f.Fd(), cecGetLogAddrs, unsafe.Pointer(&a)); err != nil {
		return 0, 0, err
	}
	if a.Num == 0 {
		a = cecLogAddrs{Version: cecVersion14, Num: 1, Vendor: noVendor}
		copy(a.Name[:], "Vitrine")
		a.Primary[0], a.Type[0], a.AllDevices[0] = playback, playbackAddr, allPlayback
		if err := c.call(f.Fd(), cecSetLogAddrs, unsafe.Pointer(&a)); err != nil {
			return 0, 0, err
		}
	}
	if physical == noPhysAddr { // now that an address was asked for something can be sent without one
		return unregistered, noPhysAddr, c.poll(f)
	}
	if a.Mask == 0 {
		return 0, 0, errors.New("no address is free on the CEC bus")
	}
	return a.LogAddr[0], physical, nil
}

// poll looks for a television without the cable's signal (HPD): some take that away in standby, or at another input, and the physical address is gone with it. The
// kernel lets such a one be polled and woken by who has no address (cec-ioc-receive.rst).
func (c *cec) poll(f *os.File) error {
	var caps cecCaps
	if err := c.call(f.Fd(), cecGetCaps, unsafe.Pointer(&caps)); err != nil {
		return err
	}
	if caps.Capabilities&capPhysAddr != 0 {
		return errors.New("its physical address isn't set, and the kernel can't know it; set it with cec-ctl")
	}
	if _, err := c.transmit(f, 0, unregistered<<4|televisionAddr); err != nil {
		return fmt.Errorf("no television is connected: %w", err)
	}
	return nil
}

// rouse wakes such a television, and gives the addresses that there are with the signal again.
func (c *cec) rouse(ctx context.Context, f *os.File) (from uint8, physical uint16, err error) {
	if _, err := c.transmit(f, 0, unregistered<<4|televisionAddr, opImageViewOn); err != nil {
		return 0, 0, err
	}
	look := time.NewTicker(settleLook)
	defer look.Stop()
	for {
		if from, physical, err = c.claim(f); err == nil && physical != noPhysAddr {
			return from, physical, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return 0, 0, errors.New("the television was told to come on, and isn't there yet")
		}
	}
}

// transmit sends a message, and gives what answers it with opcode reply; 0 waits for none.
func (c *cec) transmit(f *os.File, reply uint8, bytes ...byte) (cecMsg, error) {
	m := cecMsg{Len: uint32(len(bytes)), Reply: reply}
	if reply != 0 {
		m.Timeout = cecAnswer
	}
	copy(m.Msg[:], bytes)
	if err := c.call(f.Fd(), cecTransmit, unsafe.Pointer(&m)); err != nil {
		return m, err
	}
	switch {
	case m.TxStatus&txOK == 0:
		return m, fmt.Errorf("the television doesn't take messages (status %#x)", m.TxStatus)
	case reply != 0 && m.RxStatus&rxAborted != 0:
		return m, errors.New("the television doesn't know that message")
	case reply != 0 && m.RxStatus&rxOK == 0:
		return m, errors.New("the television doesn't answer")
	}
	return m, nil
}

// found is a television that answers: others are better served without their cable's signal.
func (c *cec) found(ctx context.Context) error {
	_, err := c.state(ctx)
	return err
}

func (c *cec) set(ctx context.Context, on bool) error {
	f, from, physical, err := c.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if !on {
		if physical == noPhysAddr {
			return nil // it shows nothing of this machine
		}
		_, err := c.transmit(f, 0, from<<4|televisionAddr, opStandby)
		return err
	}
	if physical == noPhysAddr {
		if from, physical, err = c.rouse(ctx, f); err != nil {
			return err
		}
	}
	if _, err := c.transmit(f, 0, from<<4|televisionAddr, opImageViewOn); err != nil {
		return err
	}
	// It comes on with this machine's picture, whatever input it had.
	_, err = c.transmit(f, 0, from<<4|broadcastAddr, opActiveSource, byte(physical>>8), byte(physical))
	return err
}

func (c *cec) state(context.Context) (State, error) {
	f, from, physical, err := c.open()
	if err != nil {
		return Unknown, err
	}
	defer f.Close()
	if physical == noPhysAddr {
		return Off, nil
	}
	m, err := c.transmit(f, opReportPower, from<<4|televisionAddr, opGivePowerStatus)
	if err != nil {
		return Unknown, err
	}
	if m.Len < 3 || m.Msg[1] != opReportPower {
		return Unknown, fmt.Errorf("the television answers with %x", m.Msg[:min(m.Len, 16)])
	}
	return stateOf(m.Msg[2]&1 == 0), nil // on and on its way there are 0 and 2, standby 1 and 3
}
