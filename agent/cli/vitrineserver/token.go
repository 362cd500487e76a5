package vitrineserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/server"
	"vitrine/platform/service"
)

var (
	tokenCreateCommand = cli.Command{
		Name:    "create",
		Summary: "make a join token, by which viewers enrol",
		Usage:   "[--expires DURATION] [--uses N] [--json]",
		Help:    "The token is printed once and can't be shown again. It works at once, also while the server runs.",
	}
	tokenListCommand = cli.Command{
		Name:    "list",
		Summary: "list the join tokens, without their secrets",
		Usage:   "[--json]",
	}
	tokenRevokeCommand = cli.Command{
		Name:    "revoke",
		Summary: "make a join token useless; viewers that used it stay",
		Usage:   "ID [--json]",
	}
)

func tokenTree() cli.Command {
	return cli.Command{
		Name:    "token",
		Summary: "make, list and revoke join tokens",
		Commands: []cli.Command{
			tokenCreateCommand.With(tokenCreate),
			tokenListCommand.With(tokenList),
			tokenRevokeCommand.With(tokenRevoke),
		},
	}
}

func tokenCreate(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server token create", tokenCreateCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	expires := flags.Duration("expires", 7*24*time.Hour, "`duration` for which it works, such as 24h")
	uses := flags.Int("uses", 50, "`number` of viewers that may use it; 0 is any")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if *expires <= 0 || *uses < 0 {
		return cli.Usagef("--expires must be more than nothing, and --uses not negative")
	}
	site, _, err := server.OpenSite(*state, "")
	if err != nil {
		return err
	}
	token, err := site.CreateToken(*expires, *uses)
	// What root has written belongs to the server, which may have a user of its own.
	if err := errors.Join(err, service.GiveBack(*state)); err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, map[string]any{
			"id": token.ID, "token": token.Reveal(), "site": site.Name(),
			"expires": time.Now().Add(*expires).UTC().Truncate(time.Second), "max_uses": *uses,
		})
	}
	_, err = fmt.Fprintln(env.Stdout, token.Reveal())
	return err
}

func tokenList(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server token list", tokenListCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	tokens, err := site.Tokens()
	if err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, tokens)
	}
	rows := [][]string{{"ID", "CREATED", "EXPIRES", "USED"}}
	for _, t := range tokens {
		used := fmt.Sprint(t.Uses)
		if t.MaxUses > 0 {
			used += fmt.Sprintf(" of %d", t.MaxUses)
		}
		expires := t.Expires.Local().Format(time.DateTime)
		if time.Now().After(t.Expires) {
			expires += " (expired)"
		}
		rows = append(rows, []string{t.ID, t.Created.Local().Format(time.DateTime), expires, used})
	}
	return cli.Table(env.Stdout, rows)
}

func tokenRevoke(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server token revoke", tokenRevokeCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	if err := site.RevokeToken(rest[0]); err != nil || !*asJSON {
		return err
	}
	return cli.WriteJSON(env.Stdout, map[string]string{"revoked": rest[0]})
}

// existingSite opens a site, and never makes one: whoever lists a site's tokens has mistyped the folder if it is empty.
func existingSite(dir string) (*server.Site, error) {
	if !server.SiteExists(dir) {
		return nil, fmt.Errorf("there is no site in %s; give the server's folder with --state", dir)
	}
	site, _, err := server.OpenSite(dir, "")
	return site, err
}
