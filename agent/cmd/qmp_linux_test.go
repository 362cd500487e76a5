package cmd_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A monitor is QEMU's own line (QMP, docs/interop/qmp-spec.txt in its source): things are plugged in and pulled out by it, and pictures taken of the screen.
type monitor struct {
	t    testing.TB
	path string
	conn net.Conn
	in   *json.Decoder
}

// newMonitor gives one that a machine has when it is booted with these options.
func newMonitor(t testing.TB) (m *monitor, options []string) {
	m = &monitor{t: t, path: filepath.Join(shortDir(t), "qmp")}
	return m, []string{"-qmp", "unix:" + m.path + ",server=on,wait=off"}
}

// tell has QEMU do a command, and gives its answer.
func (m *monitor) tell(command string, arguments map[string]any) json.RawMessage {
	m.t.Helper()
	answer, err := m.ask(command, arguments)
	if err != nil {
		m.t.Fatalf("QEMU, %s %v: %v", command, arguments, err)
	}
	return answer
}

// ask is tell for what may fail.
func (m *monitor) ask(command string, arguments map[string]any) (json.RawMessage, error) {
	if m.conn == nil {
		if err := m.connect(); err != nil {
			return nil, err
		}
	}
	return m.exchange(command, arguments)
}

func (m *monitor) connect() (err error) {
	if m.conn, err = net.Dial("unix", m.path); err != nil {
		return err
	}
	m.t.Cleanup(func() { m.conn.Close() })
	m.in = json.NewDecoder(m.conn)
	_, err = m.exchange("qmp_capabilities", nil)
	return err
}

// exchange sends a command, and reads to its answer past the greeting and events.
func (m *monitor) exchange(command string, arguments map[string]any) (json.RawMessage, error) {
	order := map[string]any{"execute": command}
	if arguments != nil {
		order["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(order); err != nil {
		return nil, err
	}
	for {
		var said struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		switch err := m.in.Decode(&said); {
		case err != nil:
			return nil, err
		case said.Error != nil:
			return nil, fmt.Errorf("%s", said.Error.Desc)
		case said.Return != nil:
			return said.Return, nil
		}
	}
}

// attach and detach put a stick, by the name of its QEMU block device, into the machine's port and pull it out.
func (m *monitor) attach(stick string) {
	m.t.Helper()
	m.tell("device_add", map[string]any{"driver": "usb-storage", "id": "plugged-" + stick, "drive": stick, "removable": true})
}

func (m *monitor) detach(stick string) {
	m.t.Helper()
	m.tell("device_del", map[string]any{"id": "plugged-" + stick})
}

// stickOf is QEMU's block device for a file that is a stick, which outlives that it is pulled out.
func stickOf(name, file string) []string {
	return []string{"-blockdev", "driver=raw,node-name=" + name + ",file.driver=file,file.filename=" + file}
}

// picture is what is on the screen. It comes as a portable pixmap: a PNG takes QEMU, and then this, far longer.
func (m *monitor) picture() image.Image {
	m.t.Helper()
	path := m.path + ".ppm"
	m.tell("screendump", map[string]any{"filename": path})
	data, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	var width, height, most int
	if _, err := fmt.Sscanf(string(data[:min(len(data), 64)]), "P6\n%d %d\n%d\n", &width, &height, &most); err != nil || most != 255 || len(data) < 3*width*height {
		m.t.Fatalf("QEMU's picture is no pixmap: %q…, %v", data[:min(len(data), 16)], err)
	}
	return pixmap{data[len(data)-3*width*height:], width, height}
}

// A pixmap is a picture with three bytes for each pixel.
type pixmap struct {
	data          []byte
	width, height int
}

func (p pixmap) ColorModel() color.Model { return color.RGBAModel }
func (p pixmap) Bounds() image.Rectangle { return image.Rect(0, 0, p.width, p.height) }
func (p pixmap) At(x, y int) color.Color {
	at := p.data[3*(y*p.width+x):]
	return color.RGBA{at[0], at[1], at[2], 255}
}

// await waits until the screen is as wanted.
func (m *monitor) await(what string, patience time.Duration, ok func(image.Image) bool) {
	m.t.Helper()
	look := time.NewTicker(time.Second) // QEMU does nothing else while it makes a picture
	defer look.Stop()
	var got image.Image
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-look.C {
		if got = m.picture(); ok(got) {
			return
		}
	}
	m.t.Fatalf("the screen isn't %s: its middle is %v", what, middle(got))
}

// coloured is a screen whose middle has one of some colours.
func coloured(colours ...color.RGBA) func(image.Image) bool {
	return func(picture image.Image) bool {
		return slices.ContainsFunc(colours, func(c color.RGBA) bool { return near(middle(picture), c) })
	}
}
