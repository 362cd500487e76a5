package display

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// A graphics is a fake of a graphics card's driver: connector 31 has a display, and 32 none.
type graphics struct {
	t    *testing.T
	root string
	busy bool
}

// at is where a pointer that was given to the kernel points to.
func at[T any](address uint64, n uint32) []T {
	return unsafe.Slice(*(**T)(unsafe.Pointer(&address)), n)
}

func (g *graphics) call(_ uintptr, request uint32, arg unsafe.Pointer) error {
	switch request {
	case 0xc04064a0: // DRM_IOCTL_MODE_GETRESOURCES
		r := (*drmResources)(arg)
		if r.CountConnectors == 2 {
			copy(at[uint32](r.Connectors, 2), []uint32{31, 32})
		}
		r.CountConnectors = 2
	case 0xc05064a7: // DRM_IOCTL_MODE_GETCONNECTOR
		c := (*drmConnector)(arg)
		if c.CountModes != 1 {
			g.t.Error("the display is asked for its modes, which takes a second")
		}
		if c.Connection = 2; c.ID == 31 {
			c.Connection = drmConnected
		}
		if c.CountProps == 2 {
			copy(at[uint32](c.Props, 2), []uint32{1, 2})
			copy(at[uint64](c.PropValues, 2), []uint64{0, 0})
		}
		c.CountProps = 2
	case 0xc04064aa: // DRM_IOCTL_MODE_GETPROPERTY
		p := (*drmProperty)(arg)
		copy(p.Name[:], map[uint32]string{1: "EDID", 2: "DPMS"}[p.ID])
	case 0xc01064ab: // DRM_IOCTL_MODE_SETPROPERTY
		if g.busy {
			return syscall.EACCES
		}
		s := (*drmSetProperty)(arg)
		if s.Connector != 31 || s.ID != 2 {
			g.t.Errorf("property %d of connector %d is set", s.ID, s.Connector)
		}
		g.write(map[uint64]string{0: "On", 3: "Off"}[s.Value])
	default:
		return syscall.ENOTTY
	}
	return nil
}

func (g *graphics) write(state string) {
	if err := os.WriteFile(filepath.Join(g.root, "sys/class/drm/card0-HDMI-A-1/dpms"), []byte(state+"\n"), 0o644); err != nil {
		g.t.Error(err)
	}
}

func TestDRM(t *testing.T) {
	g := &graphics{t: t, root: system(t, map[string]string{
		"dev/dri/card0":                       "",
		"sys/class/drm/card0-HDMI-A-1/dpms":   "On\n",
		"sys/class/drm/card0-HDMI-A-1/status": "connected\n",
		"sys/class/drm/card0-DP-1/dpms":       "On\n",
		"sys/class/drm/card0-DP-1/status":     "disconnected\n",
	})}
	m := &drm{root: g.root, call: g.call}
	d := New(Config{Method: "drm", Root: g.root})
	d.make = func(string, Config) method { return m }
	if err := m.found(t.Context()); err != nil {
		t.Error(err)
	}
	unplugged := &drm{root: system(t, map[string]string{"dev/dri/card0": "", "sys/class/drm/card0-DP-1/status": "disconnected\n", "sys/class/drm/card1-DP-1/status": "connected\n"})}
	if err := unplugged.found(t.Context()); err == nil || !strings.Contains(err.Error(), "no display is connected") {
		t.Errorf("without a display: %v", err)
	}
	for _, on := range []bool{false, true} {
		if err := d.Set(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		if got, err := d.State(t.Context()); got != stateOf(on) || err != nil {
			t.Errorf("%v, %v; want %v", got, err, stateOf(on))
		}
		if held := len(m.held) > 0; held == on {
			t.Errorf("switched %v, and the card is held: %v", stateOf(on), held)
		}
	}
	if err := os.WriteFile(filepath.Join(g.root, "sys/class/drm/card0-HDMI-A-1/enabled"), []byte("disabled\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := d.State(t.Context()); got != Unknown || err != nil {
		t.Errorf("nobody draws on it, and it is %v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(g.root, "sys/class/drm/card0-HDMI-A-1/enabled"), []byte("enabled\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.busy = true
	if err := d.Set(t.Context(), true); err != nil {
		t.Errorf("one that a compositor has on: %v", err)
	}
	if err := d.Set(t.Context(), false); err == nil || !strings.Contains(err.Error(), "wlopm") {
		t.Errorf("a card that a compositor has: %v", err)
	}
	if len(m.held) > 0 {
		t.Error("a card that can't be switched is held")
	}
}
