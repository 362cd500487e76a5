package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
)

// atRest is for how long the processor's time is taken while a still picture is on.
const atRest = 20 * time.Second

// What a viewer with a browser of its own takes: from the start of its process to the first picture, with everything on its disk and no server; the memory of each, shared
// pages divided among those that share them (PSS); and the processor's time of each on a still picture, in percent of one core.
func BenchmarkScreen(b *testing.B) {
	s := newSite(b)
	for _, name := range []string{"1-red.png", "2-green.png"} {
		if err := os.Remove(filepath.Join(s.media, name)); err != nil {
			b.Fatal(err)
		}
	}
	photo, err := os.ReadFile(filepath.Join("..", "server", "sample", "media", "2-lunch.jpg"))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.media, "photo.jpg"), photo, 0o644); err != nil {
		b.Fatal(err)
	}
	server, addr := s.serve(b, "127.0.0.1:0", "--seconds", "3600")
	state, settings := openDir(b), kioskConfig(b)
	viewer, page := view(b, state, s.token(b), "--server", addr)
	awaitStatus(b, page, "playing", playing)
	viewer.kill()
	server.kill()

	var first time.Duration
	for b.Loop() {
		viewer.kill()
		began := time.Now()
		viewer, page = view(b, state, "", "--config", settings)
		awaitStatus(b, page, "showing its picture", browserRuns)
		first += time.Since(began)
	}
	b.ReportMetric(0, "ns/op") // the ends of the ones before are in it
	b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "ms-to-first-picture")

	if keep := os.Getenv("VITRINE_KEEP"); keep != "" { // to look at it
		mustRun(b, "vitrine", "screenshot", "--state", state, keep)
	}
	is := awaitStatus(b, page, "weighing its browser", func(s agent.Status) bool { return s.Browser.Memory > 0 })
	agents, browsers := []int{viewer.cmd.Process.Pid}, groupOf(b, is.Browser.PID)
	before := [2]time.Duration{processorTime(b, agents), processorTime(b, browsers)}
	began := time.Now()
	<-time.After(atRest)
	elapsed := time.Since(began)
	b.ReportMetric(100*(processorTime(b, agents)-before[0]).Seconds()/elapsed.Seconds(), "%-agent-CPU")
	b.ReportMetric(100*(processorTime(b, browsers)-before[1]).Seconds()/elapsed.Seconds(), "%-browser-CPU")
	b.ReportMetric(float64(pss(b, viewer.cmd.Process.Pid))/1e6, "MB-agent")
	b.ReportMetric(float64(status(b, page).Browser.Memory)/1e6, "MB-browser")
}

// processorTime is what processes have used, by the clock ticks of their stat files.
func processorTime(t testing.TB, pids []int) (total time.Duration) {
	t.Helper()
	const tick = time.Second / 100 // USER_HZ, on every Linux
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		for _, field := range fields[11:13] {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			total += time.Duration(n) * tick
		}
	}
	return total
}

// groupOf are the processes of a process group.
func groupOf(t testing.TB, leader int) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if fields[2] != strconv.Itoa(leader) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// pss is the memory of one process.
func pss(t testing.TB, pid int) (bytes int64) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); fields[0] == "Pss:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("there is no Pss")
	return 0
}
