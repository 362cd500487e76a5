package cmd_test

import (
	"encoding/json"
	"fmt"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
)

// inside runs a command where a process sees its file systems: each host of a lab has mounts of its own.
func (p *process) inside(args ...string) {
	p.t.Helper()
	command(p.t, append([]string{"nsenter", "-t", fmt.Sprint(p.cmd.Process.Pid), "-m", "--"}, args...)...)
}

// plug mounts a folder as a stick at /media/stick of a process.
func (p *process) plug(dir string, options string) {
	p.t.Helper()
	p.inside("mount", "-t", "tmpfs", "-o", "size=1m", "none", "/media")
	p.inside("mount", "--make-private", "/media")
	// First where it isn't looked for, so that it comes with its options.
	p.inside("mkdir", "-p", "/media/stick", "/media/too/deep/for/it")
	p.inside("mount", "--bind", dir, "/media/too/deep/for/it")
	if options != "" {
		p.inside("mount", "-o", "remount,bind,"+options, "/media/too/deep/for/it")
	}
	p.inside("mount", "--move", "/media/too/deep/for/it", "/media/stick")
}

// unplug takes it out.
func (p *process) unplug() {
	p.t.Helper()
	p.inside("umount", "-l", "/media/stick")
	p.inside("umount", "/media")
}

// A stick that is put into a viewer without a network is taken within seconds, and has the viewer's status written to it; an older one, an
// unsigned one and one that was damaged do nothing but be reported.
func TestStickWithoutANetwork(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	courier, screen := l.host("b"), l.host("c")
	state := t.TempDir()
	start(t, courier.prefix(), "vitrine", "run", "--state", state, "--token-file", s.token(t), "--name", "courier")
	viewer := start(t, screen.prefix(), "vitrine", "run", "--state", t.TempDir(), "--token-file", s.token(t), "--name", "far away")
	first := screen.await("playing", whole)
	old := t.TempDir()
	awaitTrue(t, "exported programme", func() bool {
		return exec.Command(program("vitrine"), "content", "export", "--state", state, old).Run() == nil
	})
	command(t, "ip", "-n", screen.name, "link", "set", "eth0", "down")
	s.add(t, "3-blue.png", color.RGBA{0, 0, 200, 255})
	second := courier.await("playing the second programme", func(s agent.Status) bool {
		return playing(s) && s.Content.Generation != first.Content.Generation
	}).Content.Generation
	dir := t.TempDir()
	mustRun(t, "vitrine", "content", "export", "--state", state, dir)

	viewer.plug(dir, "")
	viewer.await("The programme of a USB stick plays")
	screen.await("playing what the stick brought", func(s agent.Status) bool {
		return playing(s) && s.Content.Generation == second && !connected(s)
	})
	var given agent.Status
	awaitTrue(t, "status on the stick", func() bool {
		data, err := os.ReadFile(filepath.Join(dir, "vitrine/viewers/far away/status.json"))
		return err == nil && json.Unmarshal(data, &given) == nil
	})
	if given.Name != "far away" || given.Content.Generation != second {
		t.Errorf("the stick says %+v", given)
	}
	viewer.unplug()

	refused := func(dir, want string) {
		t.Helper()
		viewer.plug(dir, "ro")
		got := screen.await("told of the stick", func(s agent.Status) bool { return faulty(s, "usb-stick") })
		for _, f := range got.Faults {
			if f.Code == "usb-stick" && !strings.Contains(f.Message, want) {
				t.Errorf("%s: the fault is %q, want %q", dir, f.Message, want)
			}
		}
		if got.Content.Generation != second {
			t.Errorf("%s: it plays %v", dir, got.Content.Generation)
		}
		viewer.unplug()
		screen.await("free of the fault", func(s agent.Status) bool { return !faulty(s, "usb-stick") })
	}
	refused(old, "as new or newer")
	unsigned, broken := t.TempDir(), t.TempDir()
	for _, copied := range []string{unsigned, broken} {
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	edit(t, filepath.Join(unsigned, "vitrine/programme.json"), `"signature": "`, `"signature": "x`)
	edit(t, filepath.Join(broken, "vitrine/programme.json"), `"version"`, `version`)
	refused(unsigned, "isn't signed by this viewer's site")
	refused(broken, "programme.json: it can't be read")

	// The network is back: the server has nothing later, so that the stick's programme stays; then it has.
	command(t, "ip", "-n", screen.name, "link", "set", "eth0", "up")
	screen.await("connected", connected)
	s.add(t, "4-white.png", color.White)
	screen.await("playing what the server has", func(s agent.Status) bool {
		return connected(s) && playing(s) && s.Content.Generation != second && s.Content.Generation != first.Content.Generation
	})
}

// edit replaces a text in a file.
func edit(t *testing.T, path, old, replacement string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(data), old, replacement, 1)
	if changed == string(data) {
		t.Fatalf("%s has no %q", path, old)
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pid is a process's number.
func pid(p *process) string { return fmt.Sprint(p.cmd.Process.Pid) }
