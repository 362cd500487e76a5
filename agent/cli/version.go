package cli

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// VersionCommand is the command `version` of a program. release says what runs in its place, if something can; nil if nothing can.
func VersionCommand(program string, release func(Env) string) Command {
	c := Command{Name: "version", Summary: "print the version", Usage: "[--json]"}
	return c.With(func(_ context.Context, env Env, args []string) error {
		flags := Flags(env, program+" version", c)
		asJSON := flags.Bool("json", false, "print JSON")
		if _, err := flags.Parse(args, 0, 0); err != nil {
			return err
		}
		running := ""
		if release != nil {
			running = release(env)
		}
		return printVersion(env, program, running, *asJSON)
	})
}

func printVersion(env Env, program, release string, asJSON bool) error {
	if asJSON {
		return WriteJSON(env.Stdout, struct {
			Program string    `json:"program"`
			Version string    `json:"version"`
			Built   time.Time `json:"built,omitzero"`
			Go      string    `json:"go"`
			OS      string    `json:"os"`
			Arch    string    `json:"arch"`
			// Release is the one that runs in its place.
			Release string `json:"release,omitempty"`
		}{program, env.Version, env.Build, runtime.Version(), runtime.GOOS, runtime.GOARCH, release})
	}
	built := ""
	if !env.Build.IsZero() {
		built = " of " + env.Build.Format(time.DateOnly)
	}
	_, err := fmt.Fprintf(env.Stdout, "%s %s%s (%s, %s/%s)\n", program, env.Version, built, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if release != "" && err == nil {
		_, err = fmt.Fprintf(env.Stdout, "In its place runs release %s.\n", release)
	}
	return err
}

// ParseBuild reads the build time that the linker stamped, in seconds since 1970; zero if there is none.
func ParseBuild(stamp string) time.Time {
	var seconds int64
	if _, err := fmt.Sscanf(stamp, "%d", &seconds); err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
