package removable

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// mountTable is polled: the kernel says so when it has changed (proc(5)).
const mountTable = "/proc/self/mountinfo"

// mounted lists what is mounted below the folders.
func mounted(folders []string) (map[string]bool, error) {
	data, err := os.ReadFile(mountTable)
	if err != nil {
		return nil, err
	}
	list := map[string]bool{}
	for _, m := range mountLines(string(data)) {
		if below(m.point, folders) {
			list[m.point] = true
		}
	}
	return list, nil
}

// watch looks whenever the mount table has changed.
func watch(ctx context.Context, look func()) error {
	table, err := unix.Open(mountTable, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return poll(ctx, look)
	}
	defer unix.Close(table)
	var wake [2]int
	if err := unix.Pipe2(wake[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(wake[0])
	end := func() { _ = unix.Close(wake[1]) }
	stop := context.AfterFunc(ctx, end)
	defer func() {
		if stop() {
			end()
		}
	}()
	look()
	for {
		fds := []unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}, {Fd: int32(wake[0])}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if fds[0].Revents != 0 {
			look()
		}
	}
}
