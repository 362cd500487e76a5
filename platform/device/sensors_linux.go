package device

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

func temperatures() []Temperature { return temperaturesAt(os.DirFS("/")) }
func memory() (Memory, error)     { return memoryAt(os.DirFS("/")) }
func power() (Power, error)       { return powerAt(os.DirFS("/")) }
func resident() int64             { return residentAt(os.DirFS("/"), int64(os.Getpagesize())) }
func word(data []byte) string     { return strings.TrimSpace(string(data)) }
func integer(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil
}

// temperaturesAt reads the thermal zones (Documentation/driver-api/thermal/sysfs-api.rst), in thousandths of a degree.
func temperaturesAt(root fs.FS) []Temperature {
	var list []Temperature
	zones, _ := fs.Glob(root, "sys/class/thermal/thermal_zone*") // the pattern is right
	for _, zone := range zones {
		data, err := fs.ReadFile(root, path.Join(zone, "temp"))
		n, ok := integer(string(data))
		if err != nil || !ok || n == 0 {
			continue // a zone that is switched off
		}
		kind, err := fs.ReadFile(root, path.Join(zone, "type"))
		if err != nil {
			kind = nil
		}
		name := strings.TrimPrefix(path.Base(zone), "thermal_") // zone0, and what it is: names come twice
		if k := word(kind); k != "" {
			name = k + " " + name
		}
		list = append(list, Temperature{Sensor: name, Celsius: float64(n) / 1000})
	}
	return list
}

// memoryAt reads /proc/meminfo and /proc/vmstat (proc(5)).
func memoryAt(root fs.FS) (Memory, error) {
	info, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return Memory{}, err
	}
	m := Memory{Total: field(info, "MemTotal:") << 10, Available: field(info, "MemAvailable:") << 10}
	if events, err := fs.ReadFile(root, "proc/vmstat"); err == nil {
		m.Killed = field(events, "oom_kill")
	}
	return m, nil
}

// field is the number after a name at the start of a line; 0 if there is none.
func field(data []byte, name string) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == name {
			n, _ := integer(words[1])
			return n
		}
	}
	return 0
}

// powerAt reads what the firmware of a Raspberry Pi has seen: its bits (https://www.raspberrypi.com/documentation/computers/os.html#get_throttled), or
// the alarm of the driver raspberrypi-hwmon.
func powerAt(root fs.FS) (Power, error) {
	bits, _ := fs.Glob(root, "sys/devices/platform/soc/soc*firmware/get_throttled") // the pattern is right
	for _, file := range bits {
		data, err := fs.ReadFile(root, file)
		if n, failed := strconv.ParseUint(strings.TrimPrefix(word(data), "0x"), 16, 32); err == nil && failed == nil {
			return Power{Low: n&1 != 0, WasLow: n&(1|1<<16) != 0}, nil
		}
	}
	names, _ := fs.Glob(root, "sys/class/hwmon/hwmon*/name") // the pattern is right
	for _, file := range names {
		if name, err := fs.ReadFile(root, file); err != nil || word(name) != "rpi_volt" {
			continue
		}
		alarm, err := fs.ReadFile(root, path.Join(path.Dir(file), "in0_lcrit_alarm"))
		if err == nil {
			low := word(alarm) == "1" // it stays so until it was read
			return Power{Low: low, WasLow: low}, nil
		}
	}
	return Power{}, errors.ErrUnsupported
}

// residentAt reads /proc/self/statm: the second number, in pages.
func residentAt(root fs.FS, pageSize int64) int64 {
	data, err := fs.ReadFile(root, "proc/self/statm")
	words := strings.Fields(string(data))
	if err != nil || len(words) < 2 {
		return 0
	}
	pages, _ := integer(words[1])
	return pages * pageSize
}
