package network

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is also the program that watches in another network namespace.
func TestMain(m *testing.M) {
	if os.Getenv("NETWORK_TEST_WATCH") == "" {
		goleak.VerifyTestMain(m)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		// Its end is the end of standard input.
		bufio.NewReader(os.Stdin).ReadString('\n')
		cancel()
	}()
	fmt.Println("watching")
	Watch(ctx, func() { fmt.Println("changed") })
}

// Each change that matters to who uses the network is heard of at once.
func TestWatchHearsTheKernel(t *testing.T) {
	ns := fmt.Sprintf("watch%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("network namespaces (root and package iproute2): %v: %s", err, out)
		}
		t.Skipf("needs network namespaces (root and package iproute2): %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	watch := exec.Command("ip", "netns", "exec", ns, os.Args[0])
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
	if line := <-lines; line != "watching" {
		t.Fatal(line)
	}
	for _, step := range []string{
		"link set lo up",
		"link add eth0 type veth peer name eth1",
		"address add 192.0.2.1/24 dev eth0",
		"address del 192.0.2.1/24 dev eth0",
		"link set eth1 up",
		"link set eth0 up", // and its link-local address is tentative
		"",                 // until it isn't
		"link delete eth0",
	} {
		if step != "" {
			if out, err := exec.Command("ip", append([]string{"-n", ns}, strings.Fields(step)...)...).CombinedOutput(); err != nil {
				t.Fatalf("ip %s: %v: %s", step, err, out)
			}
		}
		// Less than the interval of the polling behind it, which must not be what finds it.
		select {
		case _, ok := <-lines:
			if !ok {
				t.Fatal("the watcher ended")
			}
		case <-time.After(safetyInterval / 3):
			t.Fatalf("%q was not heard of", step)
		}
	}
}
