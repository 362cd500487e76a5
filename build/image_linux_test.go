package build_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What a player's image keeps twice, in a mount namespace with partitions in memory: each step is a shell's, and what it prints is what there is then.
func TestSecondCopies(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("mounting needs root")
		}
		t.Skip("mounting needs root")
	}
	const enrolled = "mkdir -p $s/identity; echo one >$s/identity/enrolment.json; echo key >$s/identity/key.pem; echo set >$s/settings.json; mkdir $k/network; echo static >$k/network/lan; save; "
	for name, c := range map[string]struct{ steps, want string }{
		"nothing yet":                  {"save; restore; cd $s; find . -type f", ""},
		"the state is lost":            {enrolled + "rm -r $s/*; restore; cat $s/identity/* $s/settings.json", "one key set"},
		"the state is lost twice":      {enrolled + "rm -r $k/*; restore; save; rm -r $s/*; restore; cat $s/identity/* $s/settings.json $k/network/lan", "one key set static"},
		"the network's are lost":       {enrolled + "rm -r $k/*; restore; cat $k/network/*", "static"},
		"it changes":                   {enrolled + "echo two >$s/identity/enrolment.json; echo dhcp >$k/network/lan; save; rm -r $s/identity $k/network; restore; cat $s/identity/* $k/network/*", "two key dhcp"},
		"the network's are taken back": {enrolled + "rm $k/network/lan; save; restore; ls $k/network", ""},
		"and at once":                  {enrolled + "rm $k/network/lan; restore; ls $k/network", ""},
		"the enrolment is lost":        {enrolled + "rm $s/identity/enrolment.json; echo new >$s/identity/key.pem; save; restore; cat $s/identity/*", "one key"},
		"the key is lost":              {enrolled + "rm $s/identity/key.pem; save; restore; cat $s/identity/*", "one key"},
		"power cut between renames":    {enrolled + "mv $k/state/identity $k/state/identity.old; rm -r $s/identity; restore; cat $s/identity/*", "one key"},
		"a partition takes nothing":    {enrolled + "rm -r $s/*; mount -o remount,ro $k; restore; cat $s/identity/*", "one key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := `set -eu; mount -t tmpfs none /var/lib; s=/var/lib/vitrine k=/var/lib/vitrine-keep; mkdir $s $k; mount -t tmpfs none $k
				save() { sh image/root/usr/lib/vitrine-image/identity save; }
				restore() { sh image/root/usr/lib/vitrine-image/identity restore; }
				` + c.steps
			out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", script).CombinedOutput()
			if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != c.want {
				t.Errorf("%v: there is %q, want %q", err, got, c.want)
			}
		})
	}
}
