package flash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// open locks and dismounts every volume of the disk: Windows lets nobody write below one that is mounted.
func (d Device) open() (*Target, error) {
	t := &Target{}
	for _, p := range d.Parts {
		h, err := openPath(strings.TrimSuffix(p.Path, `\`), windows.GENERIC_READ|windows.GENERIC_WRITE, 0)
		if err == nil {
			t.held = append(t.held, handle(h))
			_, err = control(h, fsctlLock, nil, 0)
		}
		if err == nil {
			_, err = control(h, fsctlDismount, nil, 0)
		}
		if err != nil {
			return nil, errors.Join(openError(strings.Join(append(p.Mounted, d.Path), " on "), err), t.letGo())
		}
	}
	h, err := openPath(d.Path, windows.GENERIC_READ|windows.GENERIC_WRITE, unbuffered)
	if err != nil {
		return nil, errors.Join(openError(d.Path, err), t.letGo())
	}
	t.File = os.NewFile(uintptr(h), d.Path)
	if b, err := control(h, ioctlGeometry, nil, 256); err == nil && len(b) >= 24 {
		if sector := binary.LittleEndian.Uint32(b[20:]); sector != alignment {
			return nil, errors.Join(errSector(d.Path, int(sector)), t.letGo(), t.Close())
		}
	}
	return t, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return fmt.Errorf("%s can't be written to: run this as administrator, and close what shows its files", path)
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION):
		return fmt.Errorf("%s is in use by a program or by the system: close what shows its files, and try again", path)
	case errors.Is(err, windows.ERROR_WRITE_PROTECT):
		return errReadOnly(path)
	case errors.Is(err, windows.ERROR_NOT_READY):
		return fmt.Errorf("there is no card in %s", path)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// A handle is closed as anything is; that unlocks a volume.
type handle windows.Handle

func (h handle) Close() error { return windows.CloseHandle(windows.Handle(h)) }

func openPath(path string, access, flags uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	return windows.CreateFile(name, access, shared, nil, windows.OPEN_EXISTING, flags, 0)
}

// control asks a device for something, and gives its answer of at most a size.
func control(h windows.Handle, code uint32, in []byte, size int) ([]byte, error) {
	out, n := make([]byte, size), uint32(0)
	err := windows.DeviceIoControl(h, code, unsafe.SliceData(in), uint32(len(in)), unsafe.SliceData(out), uint32(size), &n, nil)
	return out[:n], err
}

// forget has nothing to do: nothing was kept in memory.
func (t *Target) forget() error { return nil }

func (t *Target) look() bool {
	_, err := control(windows.Handle(t.Fd()), ioctlLook, nil, 0)
	return err == nil
}
