package vitrine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/agent/provision"
)

func provisionTree() cli.Command {
	return cli.Command{
		Name:    "provision",
		Summary: "write and check settings that a viewer takes from a USB stick",
		Commands: []cli.Command{
			provisionNewCommand.With(provisionNew),
			provisionCheckCommand.With(provisionCheck),
			provisionSignCommand.With(provisionSign),
		},
	}
}

var provisionCheckCommand = cli.Command{
	Name:    "check",
	Summary: "say what a vitrine.toml would do on a viewer, or in which line it is wrong",
	Usage:   "[--json] FILE",
	Help: `FILE may be a stick's folder. Nothing is changed. Whether a signature is good only a viewer of its site knows;
` + "`vitrine-server provision sign`" + ` signs, on the server's machine.`,
}

var provisionSignCommand = cli.Command{
	Name:    "sign",
	Summary: "is the server's: `vitrine-server provision sign FILE`, on its machine, where the site's key is",
}

// provisionSign sends whoever looks for it here to where it is.
func provisionSign(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine provision sign", provisionSignCommand)
	if _, err := flags.Parse(args, 0, 1); errors.Is(err, flag.ErrHelp) {
		return err
	}
	return cli.Usagef("a viewer signs nothing: `vitrine-server provision sign FILE` does, on the server's machine, where the site's key is")
}

func provisionCheck(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine provision check", provisionCheckCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	f, err := readStickFile(rest[0])
	if err != nil {
		return err
	}
	if *asJSON {
		type signature struct {
			Site    string    `json:"site"`
			Serial  int64     `json:"serial"`
			Expires time.Time `json:"expires"`
		}
		said := struct {
			File      string     `json:"file"`
			Settings  []string   `json:"settings"`
			Signature *signature `json:"signature"`
		}{File: rest[0], Settings: append([]string{}, f.Names()...)}
		if s := f.Signature; s != nil {
			said.Signature = &signature{s.Site, s.Serial, s.Expires.UTC()}
		}
		err = cli.WriteJSON(env.Stdout, said)
	} else {
		err = writeSettings(env.Stdout, f)
	}
	if s := f.Signature; err == nil && s != nil && time.Now().After(s.Expires) {
		err = fmt.Errorf("%s: its signature was good until %s, so that no viewer of the site takes it any more; sign it again: `vitrine-server provision sign FILE`",
			rest[0], s.Expires.Local().Format(time.DateTime))
	}
	return err
}

// readStickFile reads settings from a file, or from the root of a stick.
func readStickFile(path string) (*provision.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		f, err := provision.Find(path)
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return f, err
	}
	if info.Size() > config.MaxSize {
		return nil, fmt.Errorf("%s: this is too long for settings", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := provision.Parse(data, func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(filepath.Dir(path), name)) })
	if err != nil {
		err = fmt.Errorf("%s, %w", path, err)
	}
	return f, err
}

// writeSettings says what settings would do. It shows no secrets.
func writeSettings(w io.Writer, f *provision.File) error {
	c := f.Config
	names := f.Names()
	others := map[string]string{"Hours": "operating_hours", "Rotation": "screen.rotation", "NTP": "clock.servers", "Proxy": "network.proxy"}
	line := func(name, format string, a ...any) {
		fmt.Fprintf(w, "%-10s %s\n", name, fmt.Sprintf(format, a...))
		names = slices.DeleteFunc(names, func(n string) bool {
			return n == strings.ToLower(name) || name == "CA" && strings.HasPrefix(n, "network.ca") || name == "Network" && strings.HasPrefix(n, "network.") && isLink(n) || others[name] == n
		})
	}
	if c.Name != "" {
		line("Name", "%s (a site that it belongs to may call it otherwise)", c.Name)
	}
	if len(c.Location) > 0 {
		line("Location", "%v", c.Location)
	}
	if len(c.Labels) > 0 {
		line("Labels", "%s", strings.Join(c.Labels, ", "))
	}
	if c.Token != nil {
		line("Token", "%s: a viewer that belongs to no site joins the one that has made it", c.Token.ID)
	}
	if len(c.Servers) > 0 {
		line("Servers", "%s", strings.Join(c.Servers, ", "))
	}
	if c.Zone != nil {
		line("Timezone", "%v", c.Zone)
	}
	if c.Operating != nil {
		zone := "the programme's time zone, or else the machine's, which may be UTC: set timezone to be sure"
		if c.Zone != nil {
			zone = c.Zone.String()
		}
		line("Hours", "%v, by %s; on standby else, whatever the programme says", c.Operating, zone)
	}
	if len(c.Clock.Servers) > 0 {
		line("NTP", "%s", strings.Join(c.Clock.Servers, ", "))
	}
	if slices.Contains(names, "screen.rotation") {
		line("Rotation", "the picture is turned by %d degrees, clockwise", c.Screen.Rotation)
	}
	if from := slices.Clone(c.Network.CAFiles); len(from) > 0 || c.Network.CA != "" {
		if c.Network.CA != "" {
			from = append([]string{"this file"}, from...)
		}
		line("CA", "%s: believed beside the system's, of a proxy and of what it passes on", strings.Join(from, ", "))
	}
	if c.Network.Proxy.Reveal() != "" {
		line("Proxy", "one is used for servers on other networks")
	}
	if l := c.Network.Link; l != nil {
		line("Network", "%s; kept only if a server or the gateway can be reached then", linkText(l))
	}
	if c.Log != "" {
		line("Log", "%s", c.Log)
	}
	if len(names) > 0 {
		line("Also", "%s", strings.Join(names, ", "))
	}
	if s := f.Signature; s != nil {
		over := ""
		if time.Now().After(s.Expires) {
			over = ", which is over"
		}
		line("Signed", "by the site %s, number %d, good until %s%s", s.Site, s.Serial, s.Expires.Local().Format(time.DateTime), over)
		return nil
	}
	_, err := fmt.Fprintln(w, "It isn't signed: a viewer that belongs to a site doesn't take it.")
	return err
}

// isLink tells whether a setting is of the machine's own connection.
func isLink(name string) bool {
	return !slices.Contains([]string{"network.proxy", "network.no_proxy", "network.ca", "network.ca_files"}, name)
}

func linkText(l *config.Link) string {
	text := "address by DHCP"
	if l.Address.IsValid() {
		text = "address " + l.Address.String()
		if l.Gateway.IsValid() {
			text += ", gateway " + l.Gateway.String()
		}
		for _, a := range l.DNS {
			text += ", DNS " + a.String()
		}
	}
	if l.Interface != "" {
		text += ", on " + l.Interface
	}
	if w := l.WiFi; w != nil {
		text += fmt.Sprintf(", wireless network %q", w.SSID)
		if w.Key.Reveal() == "" {
			text += " without a password"
		}
	}
	return text
}
