package vitrineserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/agent/provision"
	"vitrine/platform/atomicfile"
	"vitrine/platform/service"
)

func provisionTree() cli.Command {
	return cli.Command{
		Name:     "provision",
		Summary:  "sign settings that viewers of the site take from a USB stick",
		Commands: []cli.Command{provisionSignCommand.With(provisionSign)},
	}
}

var provisionSignCommand = cli.Command{
	Name:    "sign",
	Summary: "sign a vitrine.toml, so that viewers that belong to the site already take it from a USB stick",
	Usage:   "[--valid DURATION] [--out FILE] [--json] FILE",
	Help: `The site's key is here, on the server's machine, and stays here. The signature goes into the last line of FILE, as
a comment; whoever changes the file must have it signed again. A viewer takes no file that was signed before
one that it has taken. One that belongs to no site yet takes any file. ` + "`vitrine provision new`" + ` writes one.`,
}

func provisionSign(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server provision sign", provisionSignCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	valid := flags.Duration("valid", 30*24*time.Hour, "`duration` for which viewers take it, such as 24h")
	out := flags.String("out", "", "`file` to write (default: FILE itself)")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *valid <= 0 {
		return cli.Usagef("--valid %v: want more than nothing", *valid)
	}
	if *out == "" {
		*out = rest[0]
	}
	data, err := readSmall(rest[0])
	if err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	// Before a number is used up.
	if err := provision.Signable(data); err != nil {
		return fmt.Errorf("%s, %w", rest[0], err)
	}
	key, serial, err := site.SigningKey()
	if err := errors.Join(err, service.GiveBack(*state)); err != nil {
		return err
	}
	expires := time.Now().Add(*valid).Truncate(time.Second)
	signed, err := provision.Sign(data, key, site.Name(), serial, expires)
	if err != nil {
		return fmt.Errorf("%s, %w", rest[0], err)
	}
	if err := atomicfile.Write(*out, signed, 0o600); err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, map[string]any{"file": *out, "site": site.Name(), "serial": serial, "expires": expires.UTC()})
	}
	_, err = fmt.Fprintf(env.Stdout, "%s is signed: number %d of the site %s, good until %s.\n", *out, serial, site.Name(), expires.Format(time.DateTime))
	return err
}

// readSmall reads a file of the size that settings may have.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, config.MaxSize+1))
	if err == nil && len(data) > config.MaxSize {
		err = errors.New(path + ": this is too long for settings")
	}
	return data, err
}
