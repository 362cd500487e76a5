package vitrine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"vitrine/agent"
	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/agent/doctor"
	"vitrine/platform/service"
)

var doctorCommand = cli.Command{
	Name:    "doctor",
	Summary: "examine the viewer and this machine, and say what to do",
	Usage:   "[--bundle FILE] [--json] [--config FILE] [--state FOLDER]",
	Help: `A viewer that runs examines itself, if whoever asks may speak with it: run this as root or as its user.
Otherwise it is examined from outside. The exit code is 1 if anything fails.

--bundle writes an archive for support as well: what was found, status, figures, log, settings and versions,
without tokens, passwords and keys.`,
}

func examine(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine doctor", doctorCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	bundle := flags.String("bundle", "", "`file` for an archive for support, such as support.tar.gz")
	o := runOptions{}
	flags.StringVar(&o.config, "config", "", "settings `file`")
	flags.StringVar(&o.state, "state", "", "`folder` for identity and content (default: the settings')")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	settings, mistake := o.lenient()
	e, err := ask(ctx, env, settings)
	if err != nil {
		return err
	}
	if mistake != nil {
		found := doctor.Finding{Check: "settings", State: doctor.Failing, Message: mistake.Error(), Do: "correct the file; until then a viewer that runs goes on with the settings that it has"}
		if errors.Is(mistake, fs.ErrPermission) {
			found.Do = "run this as root or as the viewer's user, who may read them"
		}
		e.Report.Findings = append([]doctor.Finding{found}, e.Report.Findings...)
	}
	if *bundle != "" {
		if err := os.WriteFile(*bundle, e.Bundle, 0o600); err != nil {
			return err
		}
	}
	return cli.PrintReport(env, e.Report, *asJSON)
}

// lenient are the settings as `vitrine run` would have them, or as many as can be had, with what is wrong with them.
func (o runOptions) lenient() (agent.Config, error) {
	c, damage, err := o.settings()
	if err != nil {
		c, _ = o.over(config.Config{}) // what can be wrong with options was said before
	}
	file := first(o.config, defaultConfig)
	if _, missing := os.Stat(file); missing != nil {
		file = ""
	}
	return agentConfig(c, file), errors.Join(err, damage)
}

// ask has the viewer that runs examine itself; if that can't be, it is examined from here.
func ask(ctx context.Context, env cli.Env, c agent.Config) (e agent.Examination, err error) {
	c.Version, c.Build = env.Version, env.Build
	if err := agent.AskControl(ctx, c.State, agent.ControlRequest{Op: agent.OpDoctor}, &e); err == nil {
		return e, nil
	}
	var running *agent.Status
	if data, err := fetchStatus(ctx, c.Page); err == nil {
		var s agent.Status
		if json.Unmarshal(data, &s) == nil {
			running = &s
		}
	}
	if e.Report, err = agent.ExamineStopped(ctx, c, running); err != nil {
		return e, err
	}
	log, err := service.Log(ctx, serviceConfig)
	if err != nil {
		log = "The service's log can't be read: " + err.Error() + "\n"
	}
	e.Bundle, err = agent.BundleStopped(c, e.Report, running, log)
	return e, err
}
