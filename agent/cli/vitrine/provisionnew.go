package vitrine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/platform/atomicfile"
)

var provisionNewCommand = cli.Command{
	Name:    "new",
	Summary: "write a vitrine.toml for a USB stick",
	Usage:   "[--out FILE|FOLDER|-] [OPTIONS]",
	Help: `Without other options it asks. The file may be changed with any editor; ` + "`man vitrine.toml`" + ` has all that
may stand in it (agent/config/vitrine.toml in the source). ` + "`vitrine provision check`" + ` says what it would do.`,
}

// A question is one setting of a new file: its option, what is asked, and what of the answers makes it worth asking; nil is always.
type question struct {
	option, table, key string
	list               bool
	ask, help          string
	when               func(map[string]string) bool
}

func static(a map[string]string) bool { return a["address"] != "" && a["address"] != "dhcp" }
func radio(a map[string]string) bool  { return a["ssid"] != "" }
func never(map[string]string) bool    { return false }

var questions = []question{
	{"name", "", "name", false, "Name of the viewer (default: the machine's)", "`name` of the viewer", nil},
	{"location", "", "location", false, "Where it is, such as building-a/floor-2", "`place` where it is, such as building-a/floor-2", nil},
	{"label", "", "labels", true, "Labels, with commas", "`word` by which it can be told from others; may be repeated", nil},
	{"token", "", "token", false, "Join token, from `vitrine-server token create` (default: it shows a pairing code)", "join `token`; others on this machine can see it, so prefer the questions", nil},
	{"server", "", "servers", true, "Servers, with commas (default: it looks for them)", "`address` of a server; may be repeated", nil},
	{"timezone", "", "timezone", false, "Time zone, such as Europe/Amsterdam (default: the machine's)", "time `zone`", nil},
	{"hours", "", "operating_hours", true, "Operating hours, such as MO-FR 07:00-22:00, SA 09:00-18:00 (default: as its programme says)", "`hours` in which it is on, such as 07:00-22:00 or \"MO-FR 07:00-22:00\"; may be repeated", nil},
	{"log", "", "log", false, "", "`level` of the log: debug, info, warn or error", never},
	{"rotation", "screen", "rotation", false, "Screen that hangs turned: 90, 180 or 270 degrees clockwise (default: as it is)", "by how many `degrees` the picture is turned, clockwise: 90, 180 or 270", nil},
	{"ntp", "clock", "servers", true, "NTP servers, with commas (default: the server's time)", "`address` of an NTP server; may be repeated", nil},
	{"address", "network", "address", false, "Network: dhcp, or an address such as 10.0.0.20/24 (default: as it is)", "\"dhcp\", or an `address` such as 10.0.0.20/24", nil},
	{"gateway", "network", "gateway", false, "Gateway, such as 10.0.0.1", "`address` of the gateway", static},
	{"dns", "network", "dns", true, "Servers that know names (DNS), with commas", "`address` of a DNS server; may be repeated", static},
	{"interface", "network", "interface", false, "", "network `interface`", never},
	{"proxy", "network", "proxy", false, "Proxy, such as http://10.0.0.1:3128 (default: none)", "`URL` of a proxy", nil},
	{"ca-file", "network", "ca_files", true, "", "`file` beside this one on the stick with the CA of a proxy, in PEM form; may be repeated", never},
	{"ssid", "network.wifi", "ssid", false, "Name of the wireless network (default: a cable)", "`name` of the wireless network", nil},
	{"wifi-key", "network.wifi", "key", false, "Its password", "`password` of the wireless network", radio},
	{"country", "network.wifi", "country", false, "Country in two letters, such as NL", "`country` in two letters, for the radio", radio},
}

func provisionNew(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine provision new", provisionNewCommand)
	out := flags.String("out", config.FileName, "`file` to write, or a stick's folder; - prints it")
	force := flags.Bool("force", false, "replace a file that is there")
	given := map[string]*cli.List{}
	for _, q := range questions {
		given[q.option] = new(cli.List)
		if q.list {
			flags.Var(given[q.option], q.option, q.help)
		} else {
			flags.Func(q.option, q.help, func(s string) error { *given[q.option] = cli.List{s}; return nil })
		}
	}
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	answers := map[string]string{}
	for option, list := range given {
		if len(*list) > 0 {
			answers[option] = list.String()
		}
	}
	path := *out
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, config.FileName)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) && path != "-" && !*force {
		return fmt.Errorf("%s is there already; --force replaces it, and --out writes to another place", path)
	}
	if len(answers) == 0 {
		if !env.Asks {
			return cli.Usagef("there is nobody to ask: give the settings as options, such as --name and --server")
		}
		if err := askAll(env, answers); err != nil {
			return err
		}
	}
	text := fileOf(answers)
	if _, err := config.ParseStick([]byte(text)); err != nil {
		return fmt.Errorf("these settings make no file: %s", withoutPlace(err))
	}
	if text == "" {
		return errors.New("there is no setting; nothing is written")
	}
	if path == "-" {
		_, err := io.WriteString(env.Stdout, text)
		return err
	}
	if err := atomicfile.Write(path, []byte(text), 0o600); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.Stderr, "%s is written. A viewer that belongs to no site takes it from the root of a USB stick.\n", path)
	return err
}

// askAll asks one question after the other, and again where an answer can't be used.
func askAll(env cli.Env, answers map[string]string) error {
	lines := bufio.NewScanner(env.Stdin)
	for _, q := range questions {
		if q.when != nil && !q.when(answers) {
			continue
		}
		for {
			fmt.Fprintf(env.Stderr, "%s: ", q.ask)
			if !lines.Scan() {
				fmt.Fprintln(env.Stderr)
				return errors.Join(errors.New("interrupted; nothing is written"), lines.Err())
			}
			answers[q.option] = strings.TrimSpace(lines.Text())
			_, err := config.ParseStick([]byte(fileOf(answers)))
			if err == nil {
				break
			}
			fmt.Fprintln(env.Stderr, withoutPlace(err))
		}
	}
	return nil
}

// withoutPlace leaves the line out, which is one of a file that isn't there.
func withoutPlace(err error) string {
	text := err.Error()
	if place, reason, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(place, "line ") {
		return reason
	}
	return text
}

// fileOf is a vitrine.toml with these answers.
func fileOf(answers map[string]string) string {
	var b strings.Builder
	table := ""
	for _, q := range questions {
		answer := answers[q.option]
		if answer == "" {
			continue
		}
		if q.table != table {
			table = q.table
			fmt.Fprintf(&b, "\n[%s]\n", table)
		}
		value := quoteTOML(answer)
		switch {
		case q.key == "rotation":
			value = answer
		case q.key == "country":
			value = strings.ToUpper(value)
		case q.list:
			var items []string
			for _, item := range q.split(answer) {
				items = append(items, quoteTOML(strings.TrimSpace(item)))
			}
			value = "[" + strings.Join(items, ", ") + "]"
		}
		fmt.Fprintf(&b, "%s = %s\n", q.key, value)
	}
	return strings.TrimPrefix(b.String(), "\n")
}

// split gives the items of a list. Hours may have commas between their days.
func (q question) split(answer string) []string {
	var items []string
	days := ""
	for item := range strings.SplitSeq(answer, ",") {
		if q.key == "operating_hours" && !strings.ContainsAny(item, "0123456789") {
			days += item + ","
			continue
		}
		items, days = append(items, days+item), ""
	}
	if days != "" {
		items = append(items, days)
	}
	return items
}

// quoteTOML writes a basic string; the check of the whole refuses what it can't have.
func quoteTOML(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
