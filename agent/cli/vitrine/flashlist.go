package vitrine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/platform/flash"
)

// listDevices lists what an image, if there is one, may be written to.
func listDevices(env cli.Env, o flashOptions, image []string) error {
	if o.settings != "" || o.yes {
		return cli.Usagef("--settings and --yes go with an image and a device: usage: vitrine flash %s", flashCommand.Usage)
	}
	if len(image) > 0 {
		if _, err := flash.Look(image[0]); err != nil {
			return err
		}
	}
	list, err := flash.Devices()
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(d flash.Device) bool { return d.Permit(o.internal) != nil })
	if o.asJSON {
		return cli.WriteJSON(env.Stdout, append([]flash.Device{}, list...))
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "No card and no stick is there to write to. Those that this machine's system uses don't count.")
		return err
	}
	for _, d := range list {
		fmt.Fprintln(env.Stdout, deviceText(d))
		for _, p := range d.Parts {
			fmt.Fprintln(env.Stdout, "    "+partText(p))
		}
	}
	if len(image) > 0 {
		_, err = fmt.Fprintf(env.Stdout, "To write to one of them: vitrine flash %s %s\n", image[0], list[0].Path)
	}
	return err
}

// deviceText is what a person tells a device by.
func deviceText(d flash.Device) string {
	text := d.Path + "  " + d.Name()
	if d.Size > 0 {
		text += ", " + cli.Bytes(d.Size)
	}
	if d.Serial != "" {
		text += ", serial number " + d.Serial
	}
	return text
}

func partText(p flash.Part) string {
	text := p.Path + "  " + cli.Bytes(p.Size)
	if p.Kind != "" {
		text += ", " + p.Kind
	}
	if p.Label != "" {
		text += fmt.Sprintf(" %q", p.Label)
	}
	if len(p.Mounted) > 0 {
		text += ", open at " + strings.Join(p.Mounted, ", ")
	}
	return text
}

// A meter shows how far something is: by a bar on a terminal, and otherwise by a line for every tenth.
type meter struct {
	env     cli.Env
	console *cli.Console
	now     func() time.Time
	step    flash.Step
	began   time.Time
	tenth   int64
}

func newMeter(env cli.Env) *meter {
	return &meter{env: env, console: cli.NewConsole(env.Stderr, env.Terminal), now: time.Now}
}

func (p *meter) report(step flash.Step, done, total int64) {
	if step != p.step {
		p.step, p.began, p.tenth = step, p.now(), -1
	}
	text := rate(done, total, p.now().Sub(p.began))
	if p.console.Terminal() {
		p.console.Status(cli.ProgressBar(done, total, 20, string(step)+text))
	} else if tenth := 10 * done / max(total, 1); tenth != p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.env.Stderr, "%s: %d %% of %s%s\n", step, 100*done/max(total, 1), cli.Bytes(total), text)
	}
}

// end takes the bar away.
func (p *meter) end() { p.console.Status("") }

// rate is the speed, and how long the rest takes at that; the first moments tell nothing.
func rate(done, total int64, took time.Duration) string {
	if took < time.Second || done == 0 {
		return ""
	}
	speed := float64(done) / took.Seconds()
	text := ", " + cli.Bytes(int64(speed)) + "/s"
	if left := time.Duration(float64(total-done) / speed * float64(time.Second)).Round(time.Second); left > 0 {
		text += ", " + left.String() + " left"
	}
	return text
}
