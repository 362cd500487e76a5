package notify_test

import (
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"vitrine/platform/notify"
)

func TestMessages(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no datagram sockets in the file system")
	}
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for want, send := range map[string]func(string) error{"READY=1": notify.Ready, "STOPPING=1": notify.Stopping, "WATCHDOG=1": notify.Alive} {
		if err := send(path); err != nil {
			t.Fatal(err)
		}
		var b [64]byte
		n, _, err := conn.ReadFrom(b[:])
		if err != nil || string(b[:n]) != want {
			t.Errorf("got %q, %v; want %q", b[:n], err, want)
		}
	}
	if err := notify.Ready(""); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	if err := notify.Ready(filepath.Join(t.TempDir(), "nobody")); err == nil {
		t.Error("a message to nobody was sent")
	}
}

func TestWatchdogInterval(t *testing.T) {
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{{"60000000", "42", time.Minute}, {"500000", "", 500 * time.Millisecond}, {"60000000", "43", 0}, {"", "42", 0}, {"0", "", 0}, {"-1", "", 0}, {"x", "", 0}, {"9223372036854775807", "", 0}} {
		if got := notify.WatchdogInterval(c.usec, c.pid, 42); got != c.want {
			t.Errorf("%q for %q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}
