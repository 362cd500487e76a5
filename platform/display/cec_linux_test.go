package display

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// A television is a fake of the kernel's CEC driver with a television behind it.
type television struct {
	physical   uint16
	address    cecLogAddrs
	power      byte
	deaf, mute bool
	active     []byte
}

func (v *television) call(_ uintptr, request uint32, arg unsafe.Pointer) error {
	switch request {
	case 0x80026101: // CEC_ADAP_G_PHYS_ADDR, as in linux/cec.h of a 64-bit machine
		*(*uint16)(arg) = v.physical
	case 0x805c6103: // CEC_ADAP_G_LOG_ADDRS
		*(*cecLogAddrs)(arg) = v.address
	case 0xc05c6104: // CEC_ADAP_S_LOG_ADDRS
		v.address = *(*cecLogAddrs)(arg)
		v.address.LogAddr[0], v.address.Mask = 4, 1<<4
		*(*cecLogAddrs)(arg) = v.address
	case 0xc0386105: // CEC_TRANSMIT
		v.transmit((*cecMsg)(arg))
	default:
		return syscall.ENOTTY
	}
	return nil
}

func (v *television) transmit(m *cecMsg) {
	if v.deaf {
		m.TxStatus = 1<<2 | 1<<5 // not acknowledged, all tries
		return
	}
	m.TxStatus = txOK
	switch fmt.Sprintf("%x", m.Msg[:m.Len]) {
	case "4036":
		v.power = 3 // on its way to standby
	case "4004":
		v.power = 2
	case "4f821000":
		v.active = []byte{0x10, 0x00}
	case "408f":
		if v.mute {
			m.RxStatus = 1 << 1 // no answer in time
			return
		}
		m.RxStatus, m.Len = rxOK, 3
		copy(m.Msg[:], []byte{0x04, 0x90, v.power})
		v.power &^= 2 // there
	}
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
		"no television is connected": {physical: 0xffff},
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
