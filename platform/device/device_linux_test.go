package device

import (
	"net"
	"testing"
	"testing/fstest"
)

func TestLookAt(t *testing.T) {
	pc := fstest.MapFS{
		"sys/class/dmi/id/product_name":   {Data: []byte("NUC11TNH\n")},
		"sys/class/dmi/id/product_serial": {Data: []byte("To be filled by O.E.M.\n")},
		"etc/machine-id":                  {Data: []byte("0123456789abcdef0123456789abcdef\n")},
	}
	if got, want := lookAt(pc), (facts{model: "NUC11TNH", machine: "0123456789abcdef0123456789abcdef"}); got != want {
		t.Errorf("PC: %+v, want %+v", got, want)
	}
	board := fstest.MapFS{
		"proc/device-tree/model":         {Data: []byte("Raspberry Pi 4 Model B Rev 1.4\x00")},
		"proc/device-tree/serial-number": {Data: []byte("10000000abcdef01\x00")},
	}
	if got, want := lookAt(board), (facts{model: "Raspberry Pi 4 Model B Rev 1.4", serial: "10000000abcdef01"}); got != want {
		t.Errorf("board: %+v, want %+v", got, want)
	}
}

func TestFingerprint(t *testing.T) {
	mac := []net.HardwareAddr{{0, 1, 2, 3, 4, 5}}
	a, b := fingerprint(facts{serial: "1", machine: "m"}, mac), fingerprint(facts{serial: "2", machine: "m"}, mac)
	if a == b || len(a) != 32 {
		t.Errorf("a cloned disk in another machine is not noticed: %q, %q", a, b)
	}
	if got := fingerprint(facts{}, nil); got != "" {
		t.Errorf("nothing known gives %q", got)
	}
	if d := Describe(); d.OS != "linux" || d.Arch == "" {
		t.Errorf("this machine: %+v", d)
	}
}
