package display

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// A television is a fake of the kernel's CEC driver with a television behind it.
type television struct {
	physical   uint16
	address    cecLogAddrs
	power      byte
	deaf, mute bool
	active     []byte
	// drops is that it takes the cable's signal away in standby, until the physical address was asked for so often since it was woken; manual that the kernel
	// can't know that address.
	drops, waking int
	manual        bool
}

func (v *television) call(_ uintptr, request uint32, arg unsafe.Pointer) error {
	switch request {
	case 0xc04c6100: // CEC_ADAP_G_CAPS
		(*cecCaps)(arg).Capabilities = map[bool]uint32{true: 0x0f, false: 0x0e}[v.manual]
	case 0x80026101: // CEC_ADAP_G_PHYS_ADDR, as in linux/cec.h of a 64-bit machine
		if v.waking--; v.waking == 0 {
			v.physical = 0x1000
			v.claim()
		}
		*(*uint16)(arg) = v.physical
	case 0x805c6103: // CEC_ADAP_G_LOG_ADDRS
		*(*cecLogAddrs)(arg) = v.address
	case 0xc05c6104: // CEC_ADAP_S_LOG_ADDRS
		v.address = *(*cecLogAddrs)(arg)
		v.claim()
		*(*cecLogAddrs)(arg) = v.address
	case 0xc0386105: // CEC_TRANSMIT
		return v.transmit((*cecMsg)(arg))
	default:
		return syscall.ENOTTY
	}
	return nil
}

// claim has the kernel get the address that was asked for, if it can.
func (v *television) claim() {
	v.address.LogAddr[0], v.address.Mask = 4, 1<<4
	if v.physical == 0xffff {
		v.address.LogAddr[0], v.address.Mask = 0xff, 0
	}
}

func (v *television) transmit(m *cecMsg) error {
	switch {
	case v.address.Num == 0:
		return syscall.EPERM // no address was ever asked for
	case v.address.Mask == 0 && (m.Msg[0] != 0xf0 || m.Len > 1 && m.Msg[1] != opImageViewOn):
		return syscall.ENONET
	case v.address.Mask == 0 && m.Reply != 0, v.address.Mask != 0 && m.Msg[0]>>4 != 4:
		return syscall.EINVAL
	case v.deaf:
		m.TxStatus = 1<<2 | 1<<5 // not acknowledged, all tries
		return nil
	}
	m.TxStatus = txOK
	switch fmt.Sprintf("%x", m.Msg[:m.Len]) {
	case "4036":
		v.power = 3 // on its way to standby
		if v.drops > 0 {
			v.physical = 0xffff
			v.claim()
		}
	case "f004":
		v.power, v.waking = 2, v.drops
	case "4004":
		v.power = 2
	case "4f821000":
		v.active = []byte{0x10, 0x00}
	case "408f":
		if v.mute {
			m.RxStatus = 1 << 1 // no answer in time
			return nil
		}
		m.RxStatus, m.Len = rxOK, 3
		copy(m.Msg[:], []byte{0x04, 0x90, v.power})
		v.power &^= 2 // there
	}
	return nil
}

func TestCEC(t *testing.T) {
	v := &television{physical: 0x1000, power: 0}
	d := New(Config{Method: "cec", Root: system(t, map[string]string{"dev/cec0": ""})})
	d.make = func(_ string, c Config) method { return &cec{root: c.Root, call: v.call} }
	for _, on := range []bool{false, true} {
		if err := d.Set(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		if got, err := d.State(t.Context()); got != stateOf(on) || err != nil {
			t.Errorf("%v, %v; want %v", got, err, stateOf(on))
		}
	}
	if v.active == nil {
		t.Error("the television came on with another input")
	}
	if name := string(v.address.Name[:7]); name != "Vitrine" || v.address.Type[0] != 3 || v.address.Primary[0] != 4 || v.address.Version != 5 {
		t.Errorf("the address on the bus: %+v", v.address)
	}
	for want, broken := range map[string]*television{
		"no television is connected": {physical: 0xffff, deaf: true},
		"set it with cec-ctl":        {physical: 0xffff, manual: true},
		"itself is the television":   {physical: 0},
		"doesn't take messages":      {physical: 0x1000, deaf: true},
		"doesn't answer":             {physical: 0x1000, mute: true},
	} {
		v = broken
		if err := (&cec{root: d.config.Root, call: v.call}).found(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (&cec{root: t.TempDir()}).found(t.Context()); err == nil || !strings.Contains(err.Error(), "no /dev/cec0") {
		t.Errorf("without an adapter: %v", err)
	}
}

// Some televisions take the cable's signal away in standby, and with it the address of whoever wants to wake them: also when the agent, or the machine, was started
// meanwhile.
func TestCECWithoutSignal(t *testing.T) {
	root := system(t, map[string]string{"dev/cec0": ""})
	for name, again := range map[string]bool{"the same agent": false, "one that was started meanwhile": true} {
		synctest.Test(t, func(t *testing.T) {
			v := &television{physical: 0x1000, drops: 10}
			make := func(string, Config) method { return &cec{root: root, call: v.call} }
			d := New(Config{})
			d.make = make
			for range 2 { // a second time there is nothing to do
				if err := d.Set(t.Context(), false); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if got, err := d.State(t.Context()); got != Off || err != nil {
				t.Errorf("%s, in standby: %v, %v", name, got, err)
			}
			if again {
				d = New(Config{})
				d.make, v.address = make, cecLogAddrs{}
			}
			began := time.Now()
			if err := d.Set(t.Context(), true); err != nil || v.active == nil || time.Since(began) > callTime {
				t.Errorf("%s: on after %v: %v, its input %x", name, time.Since(began), err, v.active)
			}
			if got, err := d.State(t.Context()); got != On || err != nil || d.Method() != "cec" {
				t.Errorf("%s: %v, %v by %s", name, got, err, d.Method())
			}
			v.drops = 1000
			if err := d.Set(t.Context(), false); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := d.Set(t.Context(), true); err == nil || !strings.Contains(err.Error(), "isn't there yet") {
				t.Errorf("%s: one that doesn't come: %v", name, err)
			}
		})
	}
}
