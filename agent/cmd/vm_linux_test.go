package cmd_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/agent"
)

// vmScript boots virtual machines.
const vmScript = "../../scripts/vm"

// guestPatience bounds every wait for a guest, whose processor may be a program on a machine that has more to do.
const guestPatience = 3 * time.Minute

// A guest is a virtual machine. What its programs write to /dev/ttyS1, such as a viewer's log, is read as that of any process.
type guest struct {
	*process
	in  io.Writer
	out *bufio.Scanner
}

// needVM skips a test that boots a guest, if that can't be done.
func needVM(t testing.TB) {
	t.Helper()
	needProgram(t, "qemu-system-x86_64", "qemu-system-x86")
	needProgram(t, "busybox", "busybox-static")
	out, err := exec.Command(vmScript, "check").CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s", out)
	default:
		t.Skipf("%s", out)
	}
}

// boot starts a guest with our program in it, with a prefix as for start, and options as scripts/vm has them.
func boot(t testing.TB, prefix []string, options ...string) *guest {
	t.Helper()
	argv := append(append([]string{}, prefix...), vmScript, "run", "--log", "/dev/fd/3", "--add", static(t, "vitrine"))
	g := &guest{process: newProcess(t, "guest", append(argv, options...))}
	g.patience = guestPatience
	in, err := g.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	g.in, g.out = in, bufio.NewScanner(out)
	g.cmd.Stderr = g.cmd.Stdout
	log, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	g.cmd.ExtraFiles = []*os.File{theirs}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	go g.read(log)
	t.Cleanup(g.kill)
	g.readTo("ready")
	return g
}

// readTo reads what the guest prints up to a line that begins so, and gives that line's end and what came before it.
func (g *guest) readTo(prefix string) (before, rest string) {
	g.t.Helper()
	late := time.AfterFunc(g.patience, func() { _ = g.cmd.Process.Kill() })
	defer late.Stop()
	for g.out.Scan() {
		if rest, ok := strings.CutPrefix(g.out.Text(), prefix); ok {
			return before, rest
		}
		before += g.out.Text() + "\n"
	}
	g.t.Fatalf("the guest ended, or had nothing to say for %v: %v\n%s", g.patience, g.out.Err(), before)
	return "", ""
}

// static is the path of one of the two programs, built as for a device; it says that it was built in 2020.
func static(t testing.TB, name string) string {
	t.Helper()
	if err := buildStatic(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programs, "static", name)
}

var buildStatic = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-ldflags", "-s -w -X main.built=1577836800", "-o", filepath.Join(programs, "static")+"/", "./vitrine")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program for the guest: %w\n%s", err, out)
	}
	return nil
})

// run does a command in the guest, and gives what it prints.
func (g *guest) run(command string) string {
	g.t.Helper()
	out, status := g.try(command)
	if status != 0 {
		g.t.Fatalf("%s: status %d\n%s", command, status, out)
	}
	return out
}

// try is run for what may fail.
func (g *guest) try(command string) (out string, status int) {
	g.t.Helper()
	if _, err := fmt.Fprintln(g.in, command); err != nil {
		g.t.Fatal(err)
	}
	out, said := g.readTo("status ")
	status, err := strconv.Atoi(said)
	if err != nil {
		g.t.Fatalf("%s: %v", command, err)
	}
	return out, status
}

// view starts a viewer, whose state is on a disk, which may have options for mount before it.
func (g *guest) view(disk, options string) {
	g.t.Helper()
	g.run("mkdir -p /state && mount -t ext4 " + disk + " /state")
	g.run("vitrine run --state /state/vitrine --log-format json --log debug " + options + " 2>/dev/ttyS1 &")
}

// awaitStatus waits until the viewer is as wanted.
func (g *guest) awaitStatus(what string, ok func(agent.Status) bool) agent.Status {
	g.t.Helper()
	deadline := time.Now().Add(guestPatience)
	for {
		var s agent.Status
		out, status := g.try("wget -q -O - http://127.0.0.1:7238/v1/status")
		if status == 0 {
			if err := json.Unmarshal([]byte(out), &s); err != nil {
				g.t.Fatalf("%v: %s", err, out)
			}
			if ok(s) {
				return s
			}
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("the viewer is not %s: %s", what, out)
		}
	}
}

// diskImage makes a file for a disk, with a file system on it.
func diskImage(t testing.TB, size int64, mkfs ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	if len(mkfs) > 0 {
		needProgram(t, mkfs[0], "e2fsprogs and busybox-static")
		command(t, append(mkfs, path)...)
	}
	return path
}

// systemOffset is what the guest's system clock lacks, measured by the time service of a server.
func (g *guest) systemOffset(server string) time.Duration {
	g.t.Helper()
	var m struct{ Offset float64 }
	out := g.run("vitrine time --server " + server + " --samples 4 --json")
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		g.t.Fatalf("%v: %s", err, out)
	}
	return time.Duration(m.Offset * float64(time.Second))
}

// date is the guest's system clock.
func (g *guest) date() time.Time {
	g.t.Helper()
	seconds, err := strconv.ParseInt(strings.TrimSpace(g.run("date +%s")), 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return time.Unix(seconds, 0)
}
