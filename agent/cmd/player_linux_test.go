package cmd_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"image"
	"image/color"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/content/release"
)

// imageFile is the environment variable with the image of a player for amd64, as `make image ARCH=amd64` makes it.
const imageFile = "VITRINE_IMAGE"

// imageKey is the environment variable with the file of the secret key whose releases the image takes: it was made with RELEASE_KEY.
const imageKey = "VITRINE_IMAGE_KEY"

// playerScript boots images.
const playerScript = "../../scripts/vm-image"

// playerPatience bounds every wait for a player, which starts a browser on a processor that is a program.
const playerPatience = 10 * time.Minute

// playerMAC is the address of the network card that hears the server.
const playerMAC = "52:54:00:76:69:74"

// blue is the colour of a picture that a site gets later.
var blue = color.RGBA{0, 0, 200, 255}

// A wall is where a player hangs: a network with a server, and the machine, of which a test sees what anybody sees: its screen, what the server says, and its
// card once it is off. Only what harms it comes from within.
type wall struct {
	t    *testing.T
	lab  lab
	site site
	card string
	// firmware is more options for the script.
	firmware []string
	*process
	*monitor
	// shell takes commands, by line.
	shell *guest
	line  net.Conn
}

// newWall has a network on which one host gives addresses and is to be the server, and a card made of the image.
func newWall(t *testing.T) *wall {
	t.Helper()
	needProgram(t, "qemu-system-x86_64", "qemu-system-x86")
	needProgram(t, "mcopy", "mtools")
	needProgram(t, "busybox", "busybox-static")
	needRoot(t)
	image := os.Getenv(imageFile)
	if image == "" {
		t.Skip("there is no image of a player: make one with `make image ARCH=amd64`, and name it in " + imageFile + "; `make vm-test` does both")
	}
	w := &wall{t: t, card: filepath.Join(t.TempDir(), "card.img"), lab: newLab(t), site: newSite(t)}
	w.flash()

	config := filepath.Join(t.TempDir(), "udhcpd.conf")
	text := "start 10.77.0.100\nend 10.77.0.200\ninterface eth0\nopt subnet 255.255.255.0\npidfile /dev/null\nlease_file " + config + ".leases\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w.lab.host("a").peer("busybox", "udhcpd", "-f", config)
	command(t, append(w.lan().prefix(), "ip", "tuntap", "add", "tap0", "mode", "tap")...)
	command(t, append(w.lan().prefix(), "ip", "link", "set", "tap0", "master", "br0", "up")...)
	return w
}

// flash makes the card, of 4 GB, as a technician does.
func (w *wall) flash(options ...string) {
	w.t.Helper()
	command(w.t, "truncate", "-s", "4G", w.card)
	mustRun(w.t, "vitrine", append([]string{"flash", "--yes", os.Getenv(imageFile), w.card}, options...)...)
	// A shell on a serial line, of which the image has none: this is what anybody can do who has the card in hand. The other word is for the time it takes.
	command(w.t, playerScript, "words", w.card, "systemd.debug_shell=ttyS1", "mitigations=off")
}

// lan is the switch of the network.
func (w *wall) lan() host { return host{w.t, w.lab.name + "-lan1"} }

// vendor signs releases for the image.
func (w *wall) vendor() releaser {
	w.t.Helper()
	path := os.Getenv(imageKey)
	if path == "" {
		w.t.Fatalf("%s names no file: it is the key of `vitrine-server release new-key`, with whose public half the image was made; `make vm-test` does all of that", imageKey)
	}
	block, _ := pem.Decode(read(w.t, path))
	if block == nil {
		w.t.Fatalf("%s is no key", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	key := parsed.(ed25519.PrivateKey)
	return releaser{key, release.FormatKey(key.Public().(ed25519.PublicKey))}
}

// viewerOf builds the viewer for players as another version.
func viewerOf(t testing.TB, version string, made time.Time) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vitrine")
	command(t, "env", "CGO_ENABLED=0", "go", "build", "-ldflags", fmt.Sprintf("-s -w -X main.version=%s -X main.built=%d", version, made.Unix()), "-o", path, "./vitrine")
	return read(t, path)
}

// serve starts the site's server.
func (w *wall) serve() *process {
	w.t.Helper()
	p := start(w.t, w.lab.host("a").prefix(), "vitrine-server", "run", "--state", w.site.state, "--media", w.site.media, "--site", "e2e", "--seconds", "8")
	p.await("The programme is up to date")
	return p
}

// stick has a site's settings, and hangs beside the player.
func (w *wall) stick() string {
	w.t.Helper()
	return fatStick(w.t, w.settings())
}

// settings let a player join, as somebody writes them in Notepad.
func (w *wall) settings() string {
	w.t.Helper()
	token, err := os.ReadFile(w.site.token(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	return "name = \"screen\"\r\ntoken = \"" + strings.TrimSpace(string(token)) + "\"\r\n"
}

// on switches the player on, with more options for QEMU. Its card is what it has become.
func (w *wall) on(options ...string) {
	w.t.Helper()
	m, qmp := newMonitor(w.t)
	argv := append(w.lan().prefix(), playerScript, "boot", w.card, "--card", w.card, "--shell", filepath.Join(filepath.Dir(m.path), "shell"))
	argv = append(append(argv, w.firmware...), "--", "-netdev", "tap,id=lan,ifname=tap0,script=no,downscript=no",
		"-device", "virtio-net-pci,netdev=lan,romfile=,mac="+playerMAC)
	w.process, w.monitor, w.shell = newProcess(w.t, "QEMU", append(append(argv, qmp...), options...)), m, nil
	log, err := w.cmd.StderrPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go w.process.read(log)
	w.t.Cleanup(w.kill)
	awaitTrue(w.t, "line to QEMU", func() bool { return m.connect() == nil })
}

// within does a command as root within the player, and gives what it prints.
func (w *wall) within(command string) string {
	w.t.Helper()
	if w.shell == nil {
		conn, err := net.Dial("unix", filepath.Join(filepath.Dir(w.monitor.path), "shell"))
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { conn.Close() })
		w.line = conn
		w.shell = &guest{process: w.process, in: conn, out: bufio.NewScanner(conn)}
		// The shell that is there talks to a person; this one to a test, as that of scripts/vm.
		fmt.Fprintln(conn, `exec sh -c 'stty -echo -onlcr; echo; echo ready; while read -r line; do (eval "$line") 2>&1; echo "status $?"; done'`)
		w.shell.readTo("ready")
	}
	return w.shell.run(command)
}

// forget ends the talk with a shell that may have ended with the machine; the next command begins another.
func (w *wall) forget() {
	w.t.Helper()
	if w.shell == nil {
		return
	}
	if err := w.line.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.shell = nil
}

// shows waits until the screen is as wanted, and notes how long that took.
func (w *wall) shows(what string, ok func(image.Image) bool) {
	w.t.Helper()
	began := time.Now()
	w.monitor.await(what, playerPatience, ok)
	w.t.Logf("the screen is %s after %.1f s", what, time.Since(began).Seconds())
}

// plays waits until a picture of the site is on the screen.
func (w *wall) plays() {
	w.t.Helper()
	w.shows("playing", coloured(red, green, blue))
}

// stops waits until no picture of the site is on the screen any more, for five looks: in one of them it may be between two.
func (w *wall) stops(what string) {
	w.t.Helper()
	without := 0
	w.shows(what, func(picture image.Image) bool {
		without++
		if coloured(red, green, blue)(picture) {
			without = 0
		}
		return without == 5
	})
}

// waits is a screen with the page of a viewer that has nothing to play: light words on a dark blue.
func waits(picture image.Image) bool {
	corner := color.RGBAModel.Convert(picture.At(20, 20)).(color.RGBA)
	if size := picture.Bounds().Size(); size.X < 1024 || corner.B <= corner.R+3 || corner.B > 120 {
		return false
	}
	light := 0
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			if r, _, _, _ := picture.At(x, y).RGBA(); r > 0xa000 {
				light++
			}
		}
	}
	return light > 1000
}

// listed waits until the server's list says all that of the player.
func (w *wall) listed(words ...string) {
	w.t.Helper()
	for _, word := range words {
		w.awaitServer(word, "viewers", "list")
	}
}

// awaitServer waits until a command of the server says something.
func (w *wall) awaitServer(want string, args ...string) {
	w.t.Helper()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	var said string
	for deadline := time.Now().Add(playerPatience); time.Now().Before(deadline); <-look.C {
		if said = mustRun(w.t, "vitrine-server", append(args, "--state", w.site.state)...); strings.Contains(said, want) {
			return
		}
	}
	w.t.Fatalf("vitrine-server %s doesn't say %q:\n%s", strings.Join(args, " "), want, said)
}
