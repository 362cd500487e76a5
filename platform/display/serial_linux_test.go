package display

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// line is a pseudo terminal: the display's end of a serial line, and the name of ours.
func line(t *testing.T) (*os.File, string) {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { f.Close() })
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("/dev/pts/%d", n)
	end, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0) // a line doesn't end when a program closes it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	return f, name
}

// The display speaks LG's protocol: it is on after "ka 01 01", off after "ka 01 00", and says which after "ka 01 ff".
func TestSerial(t *testing.T) {
	f, device := line(t)
	go func() {
		power, buffer := "01", make([]byte, 64)
		for heard := ""; ; {
			n, err := f.Read(buffer)
			if err != nil {
				return
			}
			heard += string(buffer[:n])
			for order, rest, ok := strings.Cut(heard, "\r"); ok; order, rest, ok = strings.Cut(heard, "\r") {
				heard = rest
				switch order {
				case "ka 01 01", "ka 01 00":
					power = order[6:]
				case "ka 01 ff":
					fmt.Fprintf(f, "a 01 OK%sx", power)
				default:
					t.Errorf("heard %q", order)
				}
			}
		}
	}()
	d := New(Config{Method: Serial, Device: device, On: "ka 01 01\r", Off: "ka 01 00\r", Status: "ka 01 ff\r", Answer: "OK01"})
	for _, on := range []bool{false, true} {
		if err := d.Set(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		if got, err := d.State(t.Context()); got != stateOf(on) || err != nil {
			t.Errorf("%v, %v; want %v", got, err, stateOf(on))
		}
	}
	for name, c := range map[string]struct {
		device string
		baud   int
		want   string
	}{"missing": {"/dev/ttyNONE9", 9600, "no such file"}, "no line": {"/dev/null", 9600, "no serial line"}, "odd speed": {device, 9601, "9601 baud"}} {
		err := New(Config{Method: Serial, Device: c.device, Baud: c.baud, On: "x", Off: "y"}).Set(t.Context(), true)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
