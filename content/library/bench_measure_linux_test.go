package library_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// profiles is where the measured processes of ours leave profiles.
var profiles = flag.String("profiles", "", "folder for pprof profiles of the viewer's processes that benchmarks measure")

// needProgram skips a benchmark that lacks a program.
func needProgram(b *testing.B, name, pack string) {
	b.Helper()
	if _, err := exec.LookPath(name); err != nil {
		lacks(b, fmt.Sprintf("%s is missing (Debian package %s)", name, pack))
	}
}

// needRoot skips a benchmark that others may not do.
func needRoot(b *testing.B, what string) {
	b.Helper()
	if os.Geteuid() != 0 {
		lacks(b, what+" needs root")
	}
}

// lacks skips a benchmark, and in CI fails it.
func lacks(b *testing.B, what string) {
	b.Helper()
	if os.Getenv("CI") != "" {
		b.Fatal(what)
	}
	b.Skip(what)
}

// diskFolder is an empty folder on a disk: memory that calls itself a disk would hide what syncs cost.
func diskFolder(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		b.Fatal(err)
	}
	if s.Type == unix.TMPFS_MAGIC {
		lacks(b, dir+" is on a tmpfs: set TMPDIR to a folder on a disk")
	}
	spread(dir)
	return dir
}

// spread has the folders in a folder start in parts of the disk of their own. For minutes after files were deleted ext4 makes new ones slowly, at a
// millisecond each after some thousands, since it keeps off their inodes (recently_deleted in fs/ext4/ialloc.c): those of the benchmark before this
// one would slow us down. Other file systems don't have that, nor this flag.
func spread(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	const topOfHierarchy = 0x20000 // FS_TOPDIR_FL of linux/fs.h, and `chattr +T`
	if flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS); err == nil {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags|topOfHierarchy))
	}
}

// A use is what a process took.
type use struct {
	wall, cpu time.Duration
	// peak is the most memory that was resident at a time, in KiB.
	peak int64
}

// measure runs a process to its end. Its peak is what time(1) says, not what this process would be told: Linux counts the memory of whoever
// started a process into its peak, and time is tiny.
func measure(b *testing.B, c *exec.Cmd) use {
	b.Helper()
	report := filepath.Join(b.TempDir(), "peak")
	c.Args = append([]string{"time", "-f", "%M", "-o", report, c.Path}, c.Args[1:]...)
	c.Path = timeProgram
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	began := time.Now()
	err := c.Run()
	u := use{wall: time.Since(began)}
	if err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(c.Args, " "), err, said.Bytes())
	}
	u.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	text, err := os.ReadFile(report)
	if err != nil {
		b.Fatal(err)
	}
	if u.peak, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err != nil {
		b.Fatal(err)
	}
	return u
}

const timeProgram = "/usr/bin/time"

// command is the process of ours that does the task.
func (t task) command(b *testing.B) *exec.Cmd {
	b.Helper()
	t.Profile = *profiles
	env, err := t.environment()
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), env)
	return c
}

// A contestant does the same job as the others.
type contestant struct {
	name string
	// command is the process that does the job in an empty folder.
	command func(b *testing.B, folder string) *exec.Cmd
}

// A contest has for each contestant what it used, a round each.
type contest map[string][]use

// round has all contestants do their job, in random order, each in a folder of its own on a disk with nothing left to write.
func (c contest) round(b *testing.B, in string, contestants []contestant) {
	b.Helper()
	shuffled(contestants, func(one contestant) {
		folder := filepath.Join(in, fmt.Sprintf("%s-%d", one.name, len(c[one.name])))
		if err := os.Mkdir(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		command := one.command(b, folder)
		syscall.Sync()
		c[one.name] = append(c[one.name], measure(b, command))
		empty(b, folder)
	})
}

func shuffled(contestants []contestant, do func(contestant)) {
	for _, i := range rand.Perm(len(contestants)) {
		do(contestants[i])
	}
}

// empty frees what a folder's files hold, and leaves the files for the reason that spread has.
func empty(b *testing.B, folder string) {
	b.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		return os.Truncate(path, 0)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// report gives the medians: how we compare with each of the others in the same round, and what each used.
func (c contest) report(b *testing.B, ours string) {
	wall := func(u use) float64 { return u.wall.Seconds() }
	cpu := func(u use) float64 { return u.cpu.Seconds() }
	b.ReportMetric(0, "ns/op")
	for name, theirs := range c {
		suffix := ""
		if name != ours {
			suffix = "-" + name
			b.ReportMetric(median(ratios(c[ours], theirs, wall)), "wall-ratio"+suffix)
			b.ReportMetric(median(ratios(c[ours], theirs, cpu)), "cpu-ratio"+suffix)
		}
		b.ReportMetric(median(figures(theirs, wall)), "s-wall"+suffix)
		b.ReportMetric(median(figures(theirs, cpu)), "s-cpu"+suffix)
		b.ReportMetric(median(figures(theirs, func(u use) float64 { return float64(u.peak) / 1024 })), "MiB-peak"+suffix)
	}
}

func figures(of []use, figure func(use) float64) []float64 {
	all := make([]float64, len(of))
	for i, u := range of {
		all[i] = figure(u)
	}
	return all
}

// ratios are those of two contestants, round by round: what disturbs a round disturbs both.
func ratios(ours, theirs []use, figure func(use) float64) []float64 {
	all := figures(ours, figure)
	for i, u := range theirs {
		all[i] /= figure(u)
	}
	return all
}

func median(all []float64) float64 {
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// environment is that of a process that does the task.
func (t task) environment() (string, error) {
	data, err := json.Marshal(t)
	return benchTask + "=" + string(data), err
}
