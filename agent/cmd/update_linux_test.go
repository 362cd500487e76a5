package cmd_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
	"vitrine/agent/update"
	"vitrine/content/digest"
	"vitrine/content/release"
)

// released is when the releases of these tests were made; the program that is installed doesn't know when it was.
var released = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// nextProgram is a folder with the viewer as version 2.0.
var nextProgram = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(programs, "next")
	args := []string{"build", "-o", dir + string(filepath.Separator), "-ldflags", fmt.Sprintf("-X main.version=2.0 -X main.built=%d", released.Unix())}
	if os.Getenv("CGO_ENABLED") != "0" {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "./vitrine")...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return dir, err
})

// next is the path of that program.
func next(t testing.TB) string {
	t.Helper()
	dir, err := nextProgram()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "vitrine")
}

// A releaser signs releases.
type releaser struct {
	key    ed25519.PrivateKey
	public string
}

func newReleaser(t testing.TB) releaser {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return releaser{key, release.FormatKey(public)}
}

// sign makes a release of a program for this machine, whatever it is, and gives its folder and digest.
func (v releaser) sign(t testing.TB, version string, program []byte, changes ...func(*release.Release)) (folder string, d digest.Digest) {
	t.Helper()
	r := &release.Release{Format: release.Format, Version: version, Made: released, Expires: time.Now().Add(time.Hour), Programs: []release.Program{
		{Platform: release.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}, File: "vitrine", Size: int64(len(program)), Digest: digest.Of(program)},
	}}
	for _, change := range changes {
		change(r)
	}
	document, err := release.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	for name, data := range map[string][]byte{"vitrine": program, release.DocumentFile: document, release.SignatureFile: []byte(release.Sign(v.key, document))} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder, digest.Of(document)
}

// install puts a release into a folder of releases, ready to be tried.
func (v releaser) install(t testing.TB, to *update.Folder, version string, program []byte, made time.Time) {
	t.Helper()
	folder, d := v.sign(t, version, program, func(r *release.Release) { r.Made = made })
	r := update.Release{Digest: d, Version: version, Made: made, Program: digest.Of(program), Size: int64(len(program))}
	err := to.Install(r, read(t, filepath.Join(folder, release.DocumentFile)), string(read(t, filepath.Join(folder, release.SignatureFile))), bytes.NewReader(program))
	if err == nil {
		err = to.Ready(true)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A supervised viewer is started again whenever it ends, as by systemd, and ended if it isn't ready in time.
type supervised struct {
	t testing.TB
	// installed is the path of the installed program.
	installed, page string

	mu   sync.Mutex
	cmd  *exec.Cmd
	log  bytes.Buffer
	stop bool
}

// readyWithin is how long it may take to say that it is ready.
const readyWithin = 4 * time.Second

// superviseViewer starts the usual program with settings.
func superviseViewer(t testing.TB, state, token, addr, settings string) *supervised {
	t.Helper()
	return superviseProgram(t, program("vitrine"), state, token, addr, settings)
}

func superviseProgram(t testing.TB, installed, state, token, addr, settings string) *supervised {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vitrine.toml")
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &supervised{t: t, installed: installed, page: l.Addr().String()}
	l.Close()
	socket := filepath.Join(shortDir(t), "notify")
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	words := make(chan struct{}, 64)
	go func() {
		defer close(words)
		buffer := make([]byte, 256)
		for {
			n, err := ready.Read(buffer)
			if err != nil {
				return
			}
			if strings.Contains(string(buffer[:n]), "READY=1") {
				words <- struct{}{}
			}
		}
	}()
	args := []string{"run", "--state", state, "--name", "screen", "--page", s.page, "--wake-ports", "17019", "--server", addr, "--config", file,
		"--token-file", token, "--log-format", "json", "--log", "debug"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s.live(socket, words, args) {
		}
	}()
	t.Cleanup(func() {
		s.mu.Lock()
		s.stop = true
		s.mu.Unlock()
		s.kill()
		<-done
		ready.Close()
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	s.await("playing", func(st agent.Status) bool { return connected(st) && playing(st) })
	return s
}

// live is one life of the viewer. It is false after the last.
func (s *supervised) live(socket string, ready <-chan struct{}, args []string) bool {
	s.mu.Lock()
	if s.stop {
		s.mu.Unlock()
		return false
	}
	cmd := exec.Command(s.installed, args...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	cmd.Stderr = s
	err := cmd.Start()
	s.cmd = cmd
	s.mu.Unlock()
	if err != nil {
		s.t.Error(err)
		return false
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is seen in its log
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-ready:
	case <-time.After(readyWithin):
		_ = cmd.Process.Kill() // it may have ended
	}
	<-ended
	return true
}

// Write takes the log.
func (s *supervised) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

// kill ends the present life.
func (s *supervised) kill() { s.signal(syscall.SIGKILL) }

func (s *supervised) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.cmd.Process.Signal(sig) // it may have ended by itself
}

// status is what the viewer says; ok is false while it is between two lives.
func (s *supervised) status() (st agent.Status, ok bool) {
	resp, err := http.Get("http://" + s.page + "/v1/status")
	if err != nil {
		return st, false
	}
	defer resp.Body.Close()
	return st, json.NewDecoder(resp.Body).Decode(&st) == nil
}

// await waits for a status. Whatever is going on: when the viewer runs, it plays.
func (s *supervised) await(what string, wanted func(agent.Status) bool) agent.Status {
	s.t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	var last agent.Status
	for {
		if st, ok := s.status(); ok {
			if last = st; wanted(st) {
				return st
			}
		}
		select {
		case <-poll.C:
		case <-deadline:
			s.t.Fatalf("the viewer is not %s: %s, %+v, faults %v", what, last.Version, last.Update, last.Faults)
		}
	}
}

// update waits until a release is in a state.
func (s *supervised) update(d digest.Digest, state string) agent.Status {
	s.t.Helper()
	st := s.await(state+" with release "+d.Short(), func(st agent.Status) bool {
		return st.Update != nil && st.Update.Release == d && st.Update.State == state && playing(st) && connected(st)
	})
	return st
}

// quick are settings under which a trial takes a second.
func quick(v releaser) string {
	return fmt.Sprintf("[update]\nkeys = [%q]\ntrial_seconds = 1\nlimit_seconds = 6\n", v.public)
}

// publish hands a release out.
func (s site) publish(t testing.TB, folder string, more ...string) server.UpdateStatus {
	t.Helper()
	var status server.UpdateStatus
	args := append([]string{"update", "publish", folder, "--state", s.state, "--json"}, more...)
	if err := json.Unmarshal([]byte(mustRun(t, "vitrine-server", args...)), &status); err != nil {
		t.Fatal(err)
	}
	return status
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A good release is fetched, tried, kept, and runs from then on; the way is the vendor's and the operator's own, by their commands.
func TestUpdateStays(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	state := t.TempDir()
	folder, keyFile := filepath.Dir(next(t)), filepath.Join(t.TempDir(), "key.pem")
	public := strings.TrimSpace(mustRun(t, "vitrine-server", "release", "new-key", keyFile))
	signed := mustRun(t, "vitrine-server", "release", "sign", folder, "--key", keyFile)
	if !strings.Contains(signed, "Release 2.0 is signed: made 2026-11-01T00:00:00Z") || !strings.Contains(signed, runtime.GOOS+"/"+runtime.GOARCH) {
		t.Errorf("sign says %s", signed)
	}
	mustRun(t, "vitrine-server", "release", "verify", folder, "--key", public)
	v := superviseViewer(t, state, s.token(t), addr, "[update]\nkeys = ["+strconv.Quote(public)+"]\ntrial_seconds = 1\nlimit_seconds = 10\n")
	d := digest.Of(read(t, filepath.Join(folder, release.DocumentFile)))
	before, _ := v.status()

	if st := s.publish(t, folder, "--percent", "100"); st.Chosen != 1 || st.Version != "2.0" || st.Release.Digest != d {
		t.Errorf("publish says %+v", st)
	}
	if st := v.update(d, protocol.UpdateTrial); st.Version != "2.0" {
		t.Errorf("on trial is %s", st.Version)
	}
	st := v.update(d, protocol.UpdateKept)
	if st.Version != "2.0" || st.Update.Installed != "development" || st.Content.Generation != before.Content.Generation {
		t.Errorf("%s runs, %+v, %v", st.Version, st.Update, st.Content)
	}
	v.kill()
	v.await("back", func(again agent.Status) bool {
		return again.Started.After(st.Started) && again.Version == "2.0" && playing(again)
	})
	v.update(d, protocol.UpdateKept)
	awaitTrue(t, "server that knows", func() bool {
		return strings.Contains(mustRun(t, "vitrine-server", "update", "status", "--state", s.state), "1 of 1 viewers: 1 kept")
	})
	for _, say := range []string{"release 2.0 is started on trial", "release 2.0 has proved itself, and is kept"} {
		awaitTrue(t, "event "+say, func() bool {
			return strings.Contains(mustRun(t, "vitrine-server", "viewers", "events", "screen", "--state", s.state), say)
		})
	}
	version := exec.Command(program("vitrine"), "version")
	version.Env = append(os.Environ(), "STATE_DIRECTORY="+state)
	if out, err := version.Output(); err != nil || !strings.Contains(string(out), "vitrine development") || !strings.Contains(string(out), "In its place runs release 2.0.") {
		t.Errorf("%s%v", out, err)
	}

	// What isn't newer, or not to be believed, changes nothing.
	ours, other := releaser{key: readKey(t, keyFile)}, newReleaser(t)
	program := read(t, next(t))
	for _, refused := range []struct {
		name, why string
		sign      func() (string, digest.Digest)
	}{
		{"older", "older than what runs here", func() (string, digest.Digest) {
			return ours.sign(t, "1.9", program, func(r *release.Release) { r.Made = released.Add(-time.Hour) })
		}},
		{"by somebody else", "signed by none of the keys", func() (string, digest.Digest) { return other.sign(t, "2.1", program, later) }},
		{"for another machine", "has no program for this machine", func() (string, digest.Digest) {
			return ours.sign(t, "2.2", program, later, func(r *release.Release) { r.Programs[0].Platform = release.Platform{OS: "linux", Arch: "riscv64"} })
		}},
		{"over", "its time was over", func() (string, digest.Digest) {
			return ours.sign(t, "2.3", program, later, func(r *release.Release) { r.Expires = time.Now().Add(2 * time.Second) })
		}},
	} {
		folder, d := refused.sign()
		if refused.name == "over" { // by the time the viewer hears of it
			v.signal(syscall.SIGSTOP)
			st := s.publish(t, folder)
			awaitTrue(t, "end of its time", func() bool { return time.Now().After(st.Expires) })
			v.signal(syscall.SIGCONT)
		} else {
			s.publish(t, folder)
		}
		if st := v.update(d, protocol.UpdateRefused); !strings.Contains(st.Update.Error, refused.why) || st.Version != "2.0" {
			t.Errorf("%s: %+v, and %s runs", refused.name, st.Update, st.Version)
		}
	}
	mustRun(t, "vitrine-server", "update", "withdraw", "--state", s.state)
	v.await("told of none", func(st agent.Status) bool {
		return st.Update != nil && st.Update.State == "" && st.Version == "2.0" && len(st.Faults) == 0
	})
}

// later makes a release a newer one.
func later(r *release.Release) { r.Made = r.Made.Add(24 * time.Hour) }

func readKey(t testing.TB, path string) ed25519.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(read(t, path))
	if block == nil {
		t.Fatal("no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey)
}

// A release that isn't any good is tried once, and what ran before comes back, also after another start. The programme plays.
func TestBadUpdatesGo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	vendor := newReleaser(t)
	v := superviseViewer(t, t.TempDir(), s.token(t), addr, quick(vendor))
	good := read(t, next(t))
	elf := bytes.Clone(good)
	elf[18], elf[19] = 0xf3, 0 // e_machine: RISC-V
	for i, bad := range []struct {
		name, why string
		program   []byte
	}{
		{"ends at once", "it ended before it had proved itself", []byte("#!/bin/sh\nexit 1\n")},
		{"hangs", "it ended before it had proved itself", []byte("#!/bin/sh\nexec sleep 1000\n")},
		{"for another machine", "it can't be run", elf},
		{"cut off when it was made", "it", good[:len(good)/2]},
		{"empty of sense", "it can't be run", []byte("hello")},
	} {
		folder, d := vendor.sign(t, fmt.Sprintf("2.0.%d", i), bad.program, func(r *release.Release) { r.Made = r.Made.Add(time.Duration(i) * time.Hour) })
		s.publish(t, folder)
		st := v.update(d, protocol.UpdateFailed)
		if st.Version != "development" || !strings.Contains(st.Update.Error, bad.why) {
			t.Errorf("%s: %s runs, %+v", bad.name, st.Version, st.Update)
		}
		v.kill()
		if st := v.await("back", func(again agent.Status) bool { return again.Started.After(st.Started) && playing(again) }); st.Version != "development" {
			t.Errorf("%s: %s runs after another start", bad.name, st.Version)
		}
	}
	awaitTrue(t, "failed release in what the server says", func() bool {
		out := mustRun(t, "vitrine-server", "update", "status", "--state", s.state)
		return strings.Contains(out, "1 failed") && strings.Contains(out, "it can't be run")
	})
	// A good one is taken after all that.
	folder, d := vendor.sign(t, "2.0", good, later)
	s.publish(t, folder)
	if st := v.update(d, protocol.UpdateKept); st.Version != "2.0" {
		t.Errorf("%s runs", st.Version)
	}
}

// A release that is installed already, by package or image, is nothing to be done.
func TestUpdateThatIsInstalled(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	vendor := newReleaser(t)
	v := superviseProgram(t, next(t), t.TempDir(), s.token(t), addr, quick(vendor))
	before, _ := v.status()
	folder, d := vendor.sign(t, "2.0", read(t, next(t)))
	s.publish(t, folder)
	if st := v.update(d, protocol.UpdateKept); st.Update.Installed != "" || !st.Started.Equal(before.Started) || len(st.Faults) > 0 {
		t.Errorf("%+v, since %v, faults %v", st.Update, st.Started, st.Faults)
	}
}

// A release that never has a session isn't kept; it is tried again if there was none for anybody.
func TestUpdateThatIsNeverWell(t *testing.T) {
	s := newSite(t)
	server, addr := s.serve(t, "127.0.0.1:0")
	vendor := newReleaser(t)
	v := superviseViewer(t, t.TempDir(), s.token(t), addr, fmt.Sprintf("[update]\nkeys = [%q]\ntrial_seconds = 3\nlimit_seconds = 6\n", vendor.public))
	folder, d := vendor.sign(t, "2.0", read(t, next(t)))
	s.publish(t, folder)
	v.await("on trial", func(st agent.Status) bool { return st.Version == "2.0" && playing(st) })
	server.kill()
	v.await("back at the one before", func(st agent.Status) bool { return st.Version == "development" && playing(st) })
	server, _ = s.serve(t, addr)
	if st := v.update(d, protocol.UpdateFailed); st.Version != "development" || !strings.Contains(st.Update.Error, "no session") {
		t.Errorf("%s runs, %+v", st.Version, st.Update)
	}

	// Another one fails the same way, and this time the one before doesn't reach a server for as long either.
	later := func(r *release.Release) { r.Made = r.Made.Add(time.Hour) }
	folder, d = vendor.sign(t, "2.0", read(t, next(t)), later)
	s.publish(t, folder)
	v.await("on trial again", func(st agent.Status) bool { return st.Version == "2.0" && playing(st) })
	server.kill()
	v.await("a viewer that takes it back", func(st agent.Status) bool {
		return st.Version == "development" && st.Update != nil && st.Update.Release == d && st.Update.State != protocol.UpdateFailed
	})
	s.serve(t, addr)
	if st := v.update(d, protocol.UpdateKept); st.Version != "2.0" {
		t.Errorf("%s runs, %+v", st.Version, st.Update)
	}
}

// The viewer is killed at any moment of an update: it always comes back playing, with one of the two.
func TestUpdateKilled(t *testing.T) {
	kills := 4
	if n, err := strconv.Atoi(os.Getenv("VITRINE_KILLS")); err == nil {
		kills = n
	}
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	vendor := newReleaser(t)
	v := superviseViewer(t, t.TempDir(), s.token(t), addr, quick(vendor))
	program, running := read(t, next(t)), "development"
	ends := map[string]int{}
	for i := range kills {
		version := fmt.Sprintf("2.%d", i)
		// Each has bytes of its own behind its end, so that it must be fetched.
		folder, d := vendor.sign(t, version, append(bytes.Clone(program), version...), func(r *release.Release) { r.Made = r.Made.Add(time.Duration(i) * time.Hour) })
		s.publish(t, folder)
		moment := time.Duration(rand.Int64N(int64(3 * time.Second)))
		timer := time.AfterFunc(moment, v.kill)
		st := v.await("through with "+version, func(st agent.Status) bool {
			return st.Update != nil && st.Update.Release == d && (st.Update.State == protocol.UpdateKept || st.Update.State == protocol.UpdateFailed) && playing(st)
		})
		timer.Stop()
		ends[st.Update.State]++
		if st.Update.State == protocol.UpdateKept {
			running = "2.0"
		}
		if st.Version != running {
			t.Errorf("%s, killed after %v: %s runs, not %s: %+v", version, moment, st.Version, running, st.Update)
		}
	}
	t.Log(ends)
}

// With a browser of its own, a release is kept once its page shows what it should, and isn't kept if the browser doesn't come up with it.
func TestUpdateChromium(t *testing.T) {
	wrapper, flag := filepath.Join(openDir(t), "chromium"), filepath.Join(openDir(t), "broken")
	script := fmt.Sprintf("#!/bin/sh\n[ -e %s ] && exit 1\nexec %s \"$@\"\n", flag, chromiumOf(t))
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHROMIUM", wrapper)
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	vendor := newReleaser(t)
	settings := string(read(t, kioskConfig(t))) + fmt.Sprintf("\n[update]\nkeys = [%q]\ntrial_seconds = 3\nlimit_seconds = 15\n", vendor.public)
	v := superviseViewer(t, openDir(t), s.token(t), addr, settings)
	v.await("shown by its browser", browserRuns)
	program := read(t, next(t))
	folder, d := vendor.sign(t, "2.0", program)
	s.publish(t, folder)
	var dark time.Time
	v.await("dark", func(st agent.Status) bool { dark = time.Now(); return !browserRuns(st) })
	v.await("shown by the release", func(st agent.Status) bool { return browserRuns(st) && st.Version == "2.0" })
	t.Logf("the screen was dark for %v", time.Since(dark).Round(100*time.Millisecond))
	v.update(d, protocol.UpdateKept)

	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	folder, d = vendor.sign(t, "2.1", append(program, "2.1"...), later)
	s.publish(t, folder)
	if st := v.update(d, protocol.UpdateFailed); !strings.Contains(st.Update.Error, "chromium has ended") {
		t.Errorf("it has failed: %+v", st.Update)
	}
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	v.await("shown again", func(st agent.Status) bool {
		return browserRuns(st) && st.Version == "2.0" && st.Update.State == protocol.UpdateFailed
	})
}
