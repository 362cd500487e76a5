package clock

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/platform/clock/counter"
	"vitrine/platform/clock/sntp"
	"vitrine/platform/network/networktest"
)

// need finds a program, or skips the test, which in CI must not be.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// chrony runs chronyd with a configuration, without any right to the clock, until the test ends. What it says goes to the channel.
func chrony(t *testing.T, lines ...string) {
	t.Helper()
	program := need(t, "chronyd")
	if os.Getuid() != 0 {
		t.Skip("chronyd wants to be started by root")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "chrony.conf")
	lines = append(lines, "cmdport 0", "bindcmdaddress "+filepath.Join(dir, "cmd.sock"), "pidfile "+filepath.Join(dir, "pid"))
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-d", "-x", "-u", "root", "-f", file)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			t.Log(scanner.Text())
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-done
		_ = cmd.Wait() // it was killed
	})
}

// off is how far a clock of this machine is off: all of them are one.
func off(k *Clock) time.Duration {
	s := k.Status()
	return s.Offset
}

// chronyd is measured as it is: no error beyond the bound, and none beyond what loopback makes.
func TestFollowsChrony(t *testing.T) {
	port := int(networktest.FreePort(t))
	chrony(t, fmt.Sprintf("port %d", port), "bindaddress 127.0.0.1", "allow", "local stratum 3")
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	deadline := time.Now().Add(20 * time.Second)
	for {
		a, err := sntp.Exchange(t.Context(), addr)
		if err == nil {
			if a.Stratum != 3 {
				t.Errorf("stratum %d", a.Stratum)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	k := New(Config{})
	f := NewFollower(k, nil)
	f.SetServers(addr)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	select {
	case <-f.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("no measurement")
	}
	for f.Sources()[0].Reach != 0xFF {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", f.Sources())
		}
		<-time.After(burstInterval)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	s := k.Status()
	if s.Trust != TrustNTP || s.Bound <= 0 || off(k).Abs() > s.Bound || off(k).Abs() > 5*time.Millisecond {
		t.Errorf("off by %v: %+v", off(k), s)
	}
}

// serveTime runs our server on loopback until the test ends.
func serveTime(t testing.TB) int {
	t.Helper()
	s, err := sntp.Listen("127.0.0.1:0", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	return int(netip.AddrPort(s.Addr()).Port())
}

// chronyd takes our server for one, and finds no error.
func TestServesChrony(t *testing.T) {
	program := need(t, "chronyd")
	if os.Getuid() != 0 {
		t.Skip("chronyd wants to be started by root")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "-Q", "-x", "-u", "root", "-f", "/dev/null", "-t", "30",
		fmt.Sprintf("server 127.0.0.1 port %d iburst minsamples 4", serveTime(t)), "cmdport 0", "pidfile "+filepath.Join(dir, "pid"), "bindcmdaddress "+filepath.Join(dir, "cmd.sock")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := regexp.MustCompile(`System clock wrong by (-?[0-9.]+) seconds`).FindSubmatch(out)
	if got == nil {
		t.Fatalf("it says:\n%s", out)
	}
	if wrong, err := strconv.ParseFloat(string(got[1]), 64); err != nil || wrong > 0.005 || wrong < -0.005 {
		t.Errorf("it says that the clock is wrong by %s s", got[1])
	}
}

// ntpdig, of NTPsec, too.
func TestServesNtpdig(t *testing.T) {
	program := need(t, "ntpdig")
	s, err := sntp.Listen("127.0.0.123:123", nil, nil)
	if err != nil {
		t.Skipf("ntpdig asks on port 123 only: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	out, err := exec.Command(program, "-j", "-t", "5", "127.0.0.123").CombinedOutput()
	cancel()
	if failed := <-done; failed != nil {
		t.Error(failed)
	}
	got := regexp.MustCompile(`"offset":\s*(-?[0-9.e-]+).*"stratum":\s*10`).FindSubmatch(out)
	if err != nil || got == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if wrong, err := strconv.ParseFloat(string(got[1]), 64); err != nil || wrong > 0.005 || wrong < -0.005 {
		t.Errorf("it says that the clock is wrong by %s s", got[1])
	}
}

// The system clock and the counter are those of one machine: what a measurement says of the counter holds for the other.
func TestCounterIsTheSystems(t *testing.T) {
	k := New(Config{})
	if d := off(k); d.Abs() > time.Millisecond {
		t.Errorf("a clock that was just made is off by %v; the counter is at %v", d, counter.Now())
	}
}
