package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// As has the command run as a user of this machine. That needs root, or CAP_SETUID and CAP_SETGID.
func As(c *exec.Cmd, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return err
	}
	var groups []uint32 // such as video and render, which a browser needs for the graphics card
	for _, id := range ids {
		g, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return err
		}
		groups = append(groups, uint32(g))
	}
	c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: groups}
	return nil
}

// Give makes a user of this machine the owner of a file or folder.
func Give(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// Owner is the name of the user whom a file or folder belongs to.
func Owner(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Uid), 10))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

// Tie has the command killed, and not asked to end, when the program that starts it is gone: one that hangs doesn't hear it otherwise.
func Tie(c *exec.Cmd) { c.SysProcAttr.Pdeathsig = syscall.SIGKILL }

// Pipes gives the command two more files: 3, from which it reads what is written to in, and 4, from which out reads. The caller closes theirs, the command's
// end, once it has started.
func Pipes(c *exec.Cmd) (in, out *os.File, theirs []*os.File, err error) {
	r, in, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, errors.Join(err, r.Close(), in.Close())
	}
	c.ExtraFiles = []*os.File{r, w}
	return in, out, c.ExtraFiles, nil
}

// End kills what is left of a command's process group: a browser's helpers outlive it when it is killed.
func End(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// Memory is what a command and all that it started use, in bytes: their share of what several have together (PSS) counts.
func Memory(pid int) (int64, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	var total int64
	for _, stat := range stats {
		data, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		// The name in parentheses may have anything in it; after it come state, parent and group.
		fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
		if len(fields) < 3 || string(fields[2]) != strconv.Itoa(pid) {
			continue
		}
		total += share(filepath.Dir(stat))
	}
	if total == 0 {
		return 0, fmt.Errorf("no process of the group %d is there", pid)
	}
	return total, nil
}

// share is the memory of one process, or what it has alone or shares with others on purpose, where its share of the rest can't be read: that takes
// CAP_SYS_PTRACE for a process of another user.
func share(proc string) int64 {
	if n, ok := kilobytes(filepath.Join(proc, "smaps_rollup"), "Pss:"); ok {
		return n
	}
	status := filepath.Join(proc, "status")
	alone, _ := kilobytes(status, "RssAnon:")
	shared, _ := kilobytes(status, "RssShmem:")
	return alone + shared
}

// TotalMemory is how much memory this machine has, in bytes; 0 if that can't be said.
func TotalMemory() int64 {
	n, _ := kilobytes("/proc/meminfo", "MemTotal:")
	return n
}

// kilobytes finds a line such as "Pss: 12 kB", and gives it in bytes.
func kilobytes(file, field string) (int64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) < 2 || string(fields[0]) != field {
			continue
		}
		n, err := strconv.ParseInt(string(fields[1]), 10, 64)
		return n << 10, err == nil
	}
	return 0, false
}
