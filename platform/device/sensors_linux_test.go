package device

import (
	"errors"
	"slices"
	"testing"
	"testing/fstest"
)

func TestSensors(t *testing.T) {
	board := fstest.MapFS{
		"sys/class/thermal/thermal_zone0/temp":                {Data: []byte("71432\n")},
		"sys/class/thermal/thermal_zone0/type":                {Data: []byte("cpu-thermal\n")},
		"sys/class/thermal/thermal_zone1/temp":                {Data: []byte("0\n")},
		"sys/class/thermal/thermal_zone2/temp":                {Data: []byte("-5000\n")},
		"proc/meminfo":                                        {Data: []byte("MemTotal:        1000 kB\nMemFree: 1 kB\nMemAvailable:    400 kB\n")},
		"proc/vmstat":                                         {Data: []byte("nr_free_pages 1\noom_kill 3\n")},
		"proc/self/statm":                                     {Data: []byte("9 5 1 1 0 1 0\n")},
		"sys/devices/platform/soc/soc:firmware/get_throttled": {Data: []byte("0x50000\n")},
	}
	want := []Temperature{{"cpu-thermal zone0", 71.432}, {"zone2", -5}}
	if got := temperaturesAt(board); !slices.Equal(got, want) {
		t.Errorf("temperatures %v, want %v", got, want)
	}
	if got, err := memoryAt(board); err != nil || got != (Memory{Total: 1000 << 10, Available: 400 << 10, Killed: 3}) {
		t.Errorf("memory %+v, %v", got, err)
	}
	if got := residentAt(board, 4096); got != 5*4096 {
		t.Errorf("resident %d", got)
	}
	if got, err := powerAt(board); err != nil || got != (Power{WasLow: true}) {
		t.Errorf("power %+v, %v", got, err)
	}
	alarm := fstest.MapFS{"sys/class/hwmon/hwmon1/name": {Data: []byte("rpi_volt\n")}, "sys/class/hwmon/hwmon1/in0_lcrit_alarm": {Data: []byte("1\n")}}
	if got, err := powerAt(alarm); err != nil || got != (Power{Low: true, WasLow: true}) {
		t.Errorf("alarm %+v, %v", got, err)
	}
	if _, err := powerAt(fstest.MapFS{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a PC: %v", err)
	}
	if m, err := ReadMemory(); err != nil || m.Total < m.Available || m.Available <= 0 || Resident() <= 0 {
		t.Errorf("this machine: %+v, %v, %d", m, err, Resident())
	}
}
