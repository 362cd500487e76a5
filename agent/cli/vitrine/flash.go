package vitrine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"vitrine/agent/cli"
	"vitrine/platform/flash"
)

var flashCommand = cli.Command{
	Name:    "flash",
	Summary: "write an image of a system to a memory card or stick, and read it back",
	Usage:   "[--settings FILE] [--yes] [--internal] [--json] [IMAGE DEVICE]",
	Help: `Without arguments it lists the cards and sticks that are there, with --internal also this machine's disks.
IMAGE is an .img or .img.gz; its SHA-256 is compared with IMAGE.sha256 or SHA256SUMS, if that lies beside it.
DEVICE is a whole disk, such as /dev/sdb, on Windows \\.\PhysicalDrive1 or a letter such as E:, or a file that is
there. What is on it is lost: it asks before that. It never writes to a disk that this machine's system uses.`,
}

type flashOptions struct {
	settings              string
	yes, internal, asJSON bool
}

func flashCard(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine flash", flashCommand)
	var o flashOptions
	flags.StringVar(&o.settings, "settings", "", "`file` vitrine.toml to put into the image, as `vitrine provision` makes it")
	flags.BoolVar(&o.yes, "yes", false, "don't ask before what is on the device is lost")
	flags.BoolVar(&o.internal, "internal", false, "also a disk that isn't made to be pulled out, or is far larger than cards are")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON")
	rest, err := flags.Parse(args, 0, 2)
	switch {
	case err != nil:
		return err
	case len(rest) < 2:
		return listDevices(env, o, rest)
	case !o.yes && !env.Asks:
		return cli.Usagef("this asks before it writes over what is on %s, and here is nobody to ask: add --yes", rest[1])
	}
	settings, err := o.readSettings(env)
	if err != nil {
		return err
	}
	device, err := flash.Find(rest[1])
	if err != nil {
		return err
	}
	if err := device.Permit(o.internal); err != nil {
		return err
	}
	if device.Holds(rest[0]) {
		return fmt.Errorf("%s is on %s itself, where it would be lost: copy it to this machine's disk first", rest[0], device.Path)
	}
	bar := newMeter(env)
	image, err := flash.Examine(ctx, rest[0], bar.report)
	bar.end()
	if err != nil {
		return err
	}
	if settings != nil {
		if err := image.Takes(settings); err != nil {
			return fmt.Errorf("%s: %w", image.Path, err)
		}
	}
	if err := device.Fits(image.Size); err != nil {
		return err
	}
	describeImage(env.Stderr, image)
	if err := o.agree(ctx, env, device); err != nil {
		return err
	}
	known, err := writeCard(ctx, image, device, settings, bar)
	if err != nil {
		return err
	}
	return o.done(env, image, device, known)
}

// readSettings checks settings as `vitrine provision check` does, and says what they do; nil if there are none.
func (o flashOptions) readSettings(env cli.Env) ([]byte, error) {
	if o.settings == "" {
		return nil, nil
	}
	f, err := readStickFile(o.settings)
	if err != nil {
		return nil, err
	}
	if len(f.Files) > 0 {
		return nil, fmt.Errorf("%s: network.ca_files: other files aren't put into an image; put the certificates into network.ca, between three quotes", o.settings)
	}
	fmt.Fprintf(env.Stderr, "Settings of %s:\n", o.settings)
	return f.Text, writeSettings(env.Stderr, f)
}

func describeImage(w io.Writer, i *flash.Image) {
	checked := "there is no " + filepath.Base(i.Path) + ".sha256 beside it to compare its SHA-256 with"
	if i.List != "" {
		checked = "its SHA-256 is as " + i.List + " says"
	}
	fmt.Fprintf(w, "Image      %s, %s; %s\n", i.Path, cli.Bytes(i.Size), checked)
}

// agree asks whether all that is on a device may be lost.
func (o flashOptions) agree(ctx context.Context, env cli.Env, d flash.Device) error {
	fmt.Fprintln(env.Stderr, "Device     "+deviceText(d))
	for _, p := range d.Parts {
		fmt.Fprintln(env.Stderr, "  on it    "+partText(p))
	}
	question, want := fmt.Sprintf("Everything on %s will be lost. Go on? [y/N] ", d.Path), "y"
	if d.Size > flash.LargeSize && !o.internal {
		if o.yes {
			return fmt.Errorf("%s has %s, far more than cards and sticks for players: is it the right one? If it is, add --internal", d.Path, cli.Bytes(d.Size))
		}
		want = filepath.Base(d.Path)
		question = fmt.Sprintf("%s has %s, far more than cards and sticks for players. Everything on it will be lost. If it is the right one, type %s: ", d.Path, cli.Bytes(d.Size), want)
	}
	if o.yes {
		return nil
	}
	fmt.Fprint(env.Stderr, question)
	answer, err := typed(ctx, env.Stdin)
	if err != nil || !strings.EqualFold(answer, want) {
		return errors.New("nothing was written")
	}
	return nil
}

// typed reads a line that somebody types. If ctx ends first, the reading goes on, since nothing ends that; the program is at its end then.
func typed(ctx context.Context, r io.Reader) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(r).ReadString('\n') // without an answer it is none
		lines <- strings.TrimSpace(line)
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// writeCard writes and reads back. Known tells whether this machine knows by now what is on the device.
func writeCard(ctx context.Context, i *flash.Image, d flash.Device, settings []byte, bar *meter) (known bool, err error) {
	target, err := d.Open()
	if err != nil {
		return false, err
	}
	err = i.Write(ctx, target, d.Size, settings, bar.report)
	bar.end()
	known, closing := target.Release()
	if err == nil {
		err = closing
	}
	if err != nil {
		err = fmt.Errorf("%s: %w. What was on it is lost, and no player starts from it before an image is written to it whole", d.Path, err)
	}
	return known, err
}

func (o flashOptions) done(env cli.Env, i *flash.Image, d flash.Device, known bool) error {
	if o.asJSON {
		return cli.WriteJSON(env.Stdout, struct {
			Image    string `json:"image"`
			SHA256   string `json:"sha256"`
			List     string `json:"compared_with,omitempty"`
			Device   string `json:"device"`
			Bytes    int64  `json:"bytes"`
			Settings bool   `json:"settings"`
		}{i.Path, i.SHA256, i.List, d.Path, i.Size, o.settings != ""})
	}
	text := "The image is on " + d.Path + ", and was read back from it."
	if o.settings != "" {
		text += " It has the settings."
	}
	if d.Size > 0 {
		text += " It can be pulled out now."
	}
	if d.Size > 0 && !known {
		text += " To look at it on this machine, put it in again."
	}
	_, err := fmt.Fprintln(env.Stdout, text)
	return err
}
