package display

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// backlight is that of a built-in panel, by sysfs (Documentation/ABI/stable/sysfs-class-backlight).
type backlight struct {
	root       string
	brightness int
}

// Values of bl_power: FB_BLANK_UNBLANK and FB_BLANK_POWERDOWN of linux/fb.h.
const (
	powerOn  = "0"
	powerOff = "4"
)

func (b *backlight) panels() []string { return glob(b.root, "sys/class/backlight/*") }

func (b *backlight) found(context.Context) error {
	if len(b.panels()) == 0 {
		return errors.New("there is no /sys/class/backlight/*: this machine has no panel of its own")
	}
	return nil
}

func (b *backlight) set(_ context.Context, on bool) error {
	return each(b.panels(), func(panel string) error {
		if on && b.brightness > 0 {
			most, err := readNumber(filepath.Join(panel, "max_brightness"))
			if err != nil {
				return err
			}
			if err := write(filepath.Join(panel, "brightness"), strconv.Itoa(max(1, most*b.brightness/100))); err != nil {
				return err
			}
		}
		value := powerOff
		if on {
			value = powerOn
		}
		return write(filepath.Join(panel, "bl_power"), value)
	})
}

// state is on while any panel is.
func (b *backlight) state(context.Context) (State, error) {
	on := false
	err := each(b.panels(), func(panel string) error {
		power, err := readNumber(filepath.Join(panel, "bl_power"))
		on = on || err == nil && power == 0
		return err
	})
	if err != nil {
		return Unknown, err
	}
	return stateOf(on), nil
}

// write puts a value into a file of the system's, which must be there.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func readNumber(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fmt.Errorf("%s: %.20q is not a number", path, data)
	}
	return n, nil
}
