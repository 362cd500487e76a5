package network

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A namespace is a machine of its own, at first with nothing but a loopback interface that is down.
type namespace string

func newNamespace(t *testing.T) namespace {
	t.Helper()
	ns := namespace(fmt.Sprintf("watch%d", os.Getpid()))
	if out, err := exec.Command("ip", "netns", "add", string(ns)).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("needs network namespaces (root, and package iproute2): %v: %s", err, out)
		}
		t.Skipf("needs network namespaces (root, and package iproute2): %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", string(ns)).Run() })
	return ns
}

func (n namespace) ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", append([]string{"-n", string(n)}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// playWatcher runs this test binary in the namespace until the test ends, and gives the lines that it prints.
func playWatcher(t *testing.T, ns namespace) <-chan string {
	t.Helper()
	watch := exec.Command("ip", "netns", "exec", string(ns), os.Args[0])
	// The race detector would hold up the end of the process for a second.
	watch.Env = append(os.Environ(), "NETWORK_TEST_WATCH=1", "GORACE=atexit_sleep_ms=0")
	watch.Stderr = t.Output()
	stdin, err := watch.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		for range lines {
		}
		if err := watch.Wait(); err != nil {
			t.Error(err)
		}
	})
	return lines
}
