package display

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// drm switches the outputs of the graphics card by the property DPMS of its connectors (linux/drm/drm_mode.h), where no other program is the
// card's master.
type drm struct {
	root, device string
	call         ioctl
	// held keeps the cards open while their outputs are off: with the last user of a card the kernel's console takes it back, and comes on.
	held map[string]*os.File
}

// The calls' arguments, as the kernel has them.
type (
	drmResources struct {
		Fbs, Crtcs, Connectors, Encoders                     uint64
		CountFbs, CountCrtcs, CountConnectors, CountEncoders uint32
		MinWidth, MaxWidth, MinHeight, MaxHeight             uint32
	}
	drmConnector struct {
		Encoders, Modes, Props, PropValues    uint64
		CountModes, CountProps, CountEncoders uint32
		Encoder, ID, Type, TypeID, Connection uint32
		WidthMM, HeightMM, Subpixel, _        uint32
	}
	drmProperty struct {
		Values, Blobs           uint64
		ID, Flags               uint32
		Name                    [32]byte
		CountValues, CountBlobs uint32
	}
	drmSetProperty struct {
		Value         uint64
		ID, Connector uint32
	}
	drmMode [68]byte // struct drm_mode_modeinfo
)

var (
	drmGetResources = request(iocRead|iocWrite, 'd', 0xa0, unsafe.Sizeof(drmResources{}))
	drmGetConnector = request(iocRead|iocWrite, 'd', 0xa7, unsafe.Sizeof(drmConnector{}))
	drmGetProperty  = request(iocRead|iocWrite, 'd', 0xaa, unsafe.Sizeof(drmProperty{}))
	drmSetDPMS      = request(iocRead|iocWrite, 'd', 0xab, unsafe.Sizeof(drmSetProperty{}))
)

const (
	drmConnected = 1
	dpmsOn       = 0 // DRM_MODE_DPMS_ON
	dpmsOff      = 3 // DRM_MODE_DPMS_OFF
)

func (d *drm) cards() []string {
	if d.device != "" {
		return []string{d.device}
	}
	return glob(d.root, "dev/dri/card*")
}

// found is a card that may be opened and has something connected. It isn't opened for that: whoever is its first user is its master, and a compositor that starts in that
// moment isn't. Whether another program is its master shows only when it is used.
func (d *drm) found(context.Context) error {
	cards := d.cards()
	if len(cards) == 0 {
		return errors.New("there is no /dev/dri/card*: the kernel drives no graphics here")
	}
	return each(cards, func(path string) error {
		if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
		for _, status := range glob(d.root, "sys/class/drm/"+filepath.Base(path)+"-*/status") {
			if isConnected(status) {
				return nil
			}
		}
		return fmt.Errorf("%s: no display is connected", path)
	})
}

// isConnected tells whether a connector has a display, by its file status.
func isConnected(status string) bool {
	text, err := os.ReadFile(status)
	return err == nil && strings.TrimSpace(string(text)) == "connected"
}

func (d *drm) set(ctx context.Context, on bool) error {
	if state, err := d.state(ctx); on && len(d.held) == 0 && err == nil && state == On {
		return nil // a card that is opened for nothing is missing to a compositor that starts in that moment
	}
	var taken error
	err := each(d.cards(), func(path string) error {
		f, err := d.hold(path)
		if err != nil {
			return err
		}
		list, err := d.connectors(f)
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("%s: no display is connected", path)
		}
		for _, c := range list {
			if c.Value = dpmsOff; on {
				c.Value = dpmsOn
			}
			err = errors.Join(err, d.call(f.Fd(), drmSetDPMS, unsafe.Pointer(&c)))
		}
		if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
			err = fmt.Errorf("%s: another program has the card, or this one may not; for a compositor use the method wlopm, wlr-randr or xset: %w", path, err)
			taken = errors.Join(taken, err)
		}
		return err
	})
	err = cmp.Or(err, taken) // the displays of such a card stay as they are, whatever another does
	if on || err != nil {
		d.release()
	}
	return err
}

// hold opens a card, or gives the one that is held: only its first user is its master.
func (d *drm) hold(path string) (*os.File, error) {
	if f := d.held[path]; f != nil {
		return f, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if d.held == nil {
		d.held = map[string]*os.File{}
	}
	d.held[path] = f
	return f, nil
}

// release closes the cards.
func (d *drm) release() {
	for _, f := range d.held {
		f.Close()
	}
	d.held = nil
}

// connectors are those of a card that have a display, each with its property DPMS.
func (d *drm) connectors(f *os.File) ([]drmSetProperty, error) {
	var pins runtime.Pinner
	defer pins.Unpin()
	var r drmResources
	if err := d.call(f.Fd(), drmGetResources, unsafe.Pointer(&r)); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	ids := make([]uint32, r.CountConnectors)
	r = drmResources{CountConnectors: r.CountConnectors, Connectors: address(&pins, ids)}
	if err := d.call(f.Fd(), drmGetResources, unsafe.Pointer(&r)); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	var list []drmSetProperty
	for _, id := range ids[:min(len(ids), int(r.CountConnectors))] {
		if property, ok := d.dpms(f, id); ok {
			list = append(list, drmSetProperty{ID: property, Connector: id})
		}
	}
	return list, nil
}

// dpms finds the property DPMS of a connector that has a display.
func (d *drm) dpms(f *os.File, id uint32) (property uint32, ok bool) {
	var pins runtime.Pinner
	defer pins.Unpin()
	// With room for one mode the kernel says what it knows, and doesn't ask the display for its modes.
	modes := make([]drmMode, 1)
	c := drmConnector{ID: id, CountModes: 1, Modes: address(&pins, modes)}
	if err := d.call(f.Fd(), drmGetConnector, unsafe.Pointer(&c)); err != nil || c.Connection != drmConnected {
		return 0, false
	}
	props, values := make([]uint32, c.CountProps), make([]uint64, c.CountProps)
	c = drmConnector{
		ID: id, CountModes: 1, Modes: address(&pins, modes),
		CountProps: c.CountProps, Props: address(&pins, props), PropValues: address(&pins, values),
	}
	if err := d.call(f.Fd(), drmGetConnector, unsafe.Pointer(&c)); err != nil {
		return 0, false
	}
	for _, id := range props[:min(len(props), int(c.CountProps))] {
		p := drmProperty{ID: id}
		if err := d.call(f.Fd(), drmGetProperty, unsafe.Pointer(&p)); err == nil && strings.TrimRight(string(p.Name[:]), "\x00") == "DPMS" {
			return id, true
		}
	}
	return 0, false
}

// address is that of a slice, for the kernel to write to; the slice stays where it is until the pins are let go.
func address[T any](pins *runtime.Pinner, s []T) uint64 {
	if len(s) == 0 {
		return 0
	}
	pins.Pin(&s[0])
	return uint64(uintptr(unsafe.Pointer(&s[0])))
}

// state is what sysfs says of the connectors: on while one with a display is. One that is on and that nobody draws on tells nothing, such as a display that is
// plugged in while the card is held: it lights up with whoever draws next.
func (d *drm) state(context.Context) (State, error) {
	state := Unknown
	for _, path := range glob(d.root, "sys/class/drm/card*-*/dpms") {
		if !isConnected(filepath.Join(filepath.Dir(path), "status")) {
			continue
		}
		dpms, err := os.ReadFile(path)
		if err != nil {
			return Unknown, err
		}
		enabled, err := os.ReadFile(filepath.Join(filepath.Dir(path), "enabled"))
		idle := err == nil && strings.TrimSpace(string(enabled)) == "disabled"
		switch on := strings.TrimSpace(string(dpms)) == "On"; {
		case on && !idle:
			return On, nil
		case !on:
			state = Off
		}
	}
	return state, nil
}
