package cmd_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/color"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/manifest"
	"vitrine/platform/network/networktest"
)

// scale is the folder with what the page SCALE.md tells a vendor to set up. The tests use the same files.
const scale = "../protocol/scale/"

// A vendor runs a site of its own, of stock parts: nothing of vitrine-server is in it.
type vendor struct {
	t *testing.T
	// prefix runs programs on another host; nil for this one.
	prefix []string
	// etc has certificates and configuration, www the content, and lib what the broker keeps.
	etc, www, lib string
	// broker, backend and web are the addresses for sessions, for the vendor's own programs, and of HTTPS; api is the enrolment service's.
	broker, backend, web, api string
	key                       ed25519.PrivateKey
	rev                       int64
	// servers are the site's, once viewers are to know more than at their enrolment.
	servers   []protocol.Server
	enrolment *process
}

// newVendor makes the folders, on free ports of this machine, and starts nothing yet.
func newVendor(t *testing.T) *vendor {
	t.Helper()
	needProgram(t, "mosquitto", "mosquitto")
	needProgram(t, "mosquitto_pub", "mosquitto-clients")
	needProgram(t, "nginx", "nginx-light")
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := &vendor{t: t, etc: shortDir(t), www: t.TempDir(), lib: t.TempDir(), key: key}
	v.broker, v.backend, v.web, v.api = freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t)
	for _, dir := range []string{"manifests", "assets"} {
		if err := os.Mkdir(filepath.Join(v.www, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command(t, "go", "build", "-o", v.etc+"/enrolment", scale+"enrolment")
	return v
}

// freeAddr is a port of loopback that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), networktest.FreePort(t)).String()
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// enrol starts the enrolment service, which tells viewers of these addresses.
func (v *vendor) enrol(args ...string) {
	v.t.Helper()
	public := base64.RawURLEncoding.EncodeToString(v.key.Public().(ed25519.PublicKey))
	v.enrolment = v.run(append([]string{v.etc + "/enrolment", "-dir", v.etc, "-site", "acme", "-listen", v.api, "-publishing-key", public}, args...)...)
	v.awaitListening(v.api)
}

// run starts a program on the vendor's host until the end of the test.
func (v *vendor) run(argv ...string) *process {
	v.t.Helper()
	return foreign(v.t, slices.Concat(v.prefix, argv)...)
}

// config is a file of the page with other paths and ports: each of the pairs must be in it.
func (v *vendor) config(name string, pairs ...string) string {
	v.t.Helper()
	data, err := os.ReadFile(scale + name)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(data), pairs[i]) {
			v.t.Fatalf("%s has no %q", name, pairs[i])
		}
	}
	path := filepath.Join(v.etc, name)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(data))), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// mosquitto starts the broker.
func (v *vendor) mosquitto() *process {
	v.t.Helper()
	v.config("mosquitto.acl")
	user := ""
	if os.Geteuid() == 0 {
		user = "user root\n" // which reads the test's folders
	}
	path := v.config("mosquitto.conf", "/etc/vitrine/", v.etc+"/", "/var/lib/mosquitto/", v.lib+"/",
		"listener 7237", "listener "+portOf(v.broker)+" 127.0.0.1", "listener 8883", "listener "+portOf(v.backend), "acl_file", user+"acl_file")
	p := v.run("mosquitto", "-v", "-c", path)
	p.await(" running")
	return p
}

// nginx starts the web server for content, enrolment and renewal.
func (v *vendor) nginx() {
	v.t.Helper()
	temporary := "http {\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, v.etc, kind)
	}
	v.runNginx(v.web, v.config("nginx.conf", "http {\n", temporary, "/etc/vitrine/", v.etc+"/", "/srv/vitrine/", v.www+"/",
		"listen 8443", "listen "+v.web, "127.0.0.1:8080", v.api))
}

// alpn starts the router by ALPN, and gives its address.
func (v *vendor) alpn() string {
	v.t.Helper()
	needStream(v.t)
	addr := freeAddr(v.t)
	v.runNginx(addr, v.config("nginx-alpn.conf", "listen 7237", "listen "+addr, "broker.example:7237", v.broker, "content.example:8443", v.web))
	return addr
}

// runNginx runs it as one process, which can be ended with the test.
func (v *vendor) runNginx(addr, path string) {
	v.t.Helper()
	v.run("nginx", "-p", v.etc, "-c", path, "-e", "stderr",
		"-g", fmt.Sprintf("daemon off; master_process off; pid %s.pid; error_log stderr;", path))
	v.awaitListening(addr)
}

// needStream skips a test that lacks nginx's module for it.
func needStream(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/usr/lib/nginx/modules/ngx_stream_module.so"); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("nginx's stream module is missing (Debian package libnginx-mod-stream)")
	}
	t.Skip("nginx's stream module is missing (Debian package libnginx-mod-stream)")
}

// awaitListening waits until something listens at addr.
func (v *vendor) awaitListening(addr string) {
	v.t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for {
		probe := slices.Concat(v.prefix, []string{"bash", "-c", "exec 3<>/dev/tcp/" + strings.Replace(addr, ":", "/", 1)})
		if exec.Command(probe[0], probe[1:]...).Run() == nil {
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			v.t.Fatalf("nothing listens on %s", addr)
		}
	}
}

// foreign runs a program that is not ours until the end of the test, and reads what it says.
func foreign(t *testing.T, argv ...string) *process {
	t.Helper()
	p := newProcess(t, filepath.Base(argv[0]), argv)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	t.Cleanup(p.kill)
	return p
}

// stop ends a process as its operator would, so that it saves what it keeps.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end", p.name)
	}
}

// publish puts a programme of one picture where the web server has it, and gives the reference that goes into `desired`.
func (v *vendor) publish(id string, c color.Color) protocol.ManifestRef {
	v.t.Helper()
	pictures := site{media: v.t.TempDir()}
	pictures.add(v.t, "picture.png", c)
	picture, err := os.ReadFile(filepath.Join(pictures.media, "picture.png"))
	if err != nil {
		v.t.Fatal(err)
	}
	asset := digest.Of(picture)
	data := fmt.Appendf(nil, `{"version": 1, "id": %q, "issued": "2026-11-23T08:00:00Z", "timezone": "Europe/Amsterdam",
		"assets": {%q: {"size": %d, "type": "image/png", "name": %q}},
		"presentations": {"one": {"zones": [{"id": "main", "x": 0, "y": 0, "w": 100, "h": 100, "playlist": [{"type": "image", "asset": %q, "seconds": 10}]}]}},
		"schedule": {"default": "one"}}`, id, asset, len(picture), id, asset)
	for path, content := range map[string][]byte{"assets/" + asset.String(): picture, "manifests/" + digest.Of(data).String(): data} {
		if err := os.WriteFile(filepath.Join(v.www, path), content, 0o644); err != nil {
			v.t.Fatal(err)
		}
	}
	return protocol.ManifestRef{Digest: digest.Of(data), Size: int64(len(data)), Signature: manifest.Sign(v.key, data)}
}

// desire tells a viewer what to play.
func (v *vendor) desire(viewer string, m protocol.ManifestRef) {
	v.t.Helper()
	v.rev++
	payload, err := json.Marshal(protocol.Desired{Rev: v.rev, Manifest: &m, Servers: v.servers})
	if err != nil {
		v.t.Fatal(err)
	}
	v.pub(protocol.Topic(viewer, protocol.KindDesired), string(payload), "--retain")
}

// pub publishes with a stock client, as the back end.
func (v *vendor) pub(topic, payload string, more ...string) {
	v.t.Helper()
	argv := append(v.asBackend("mosquitto_pub", "backend-2"), "-q", "1", "-t", topic, "-m", payload)
	command(v.t, append(argv, more...)...)
}

// asBackend is a stock client with a certificate of the back end, and the client id that goes with it.
func (v *vendor) asBackend(tool, id string) []string {
	return append(v.client(tool, v.backend, v.etc+"/"+id+".pem", v.etc+"/"+id+"-key.pem"), "-i", id)
}

// client is a stock client. It wants the server's name to be right, which viewers don't.
func (v *vendor) client(tool, addr, certificate, key string) []string {
	host, port, _ := net.SplitHostPort(addr)
	return slices.Concat(v.prefix, []string{"stdbuf", "-oL", tool, "-V", "5", "-h", host, "-p", port, "--cafile", v.etc + "/ca.pem", "--cert", certificate, "--key", key})
}

// A message is one that came, as mosquitto_sub says it.
type message struct{ topic, correlation, payload string }

// A mailbox hears what viewers say, by a stock client.
type mailbox struct {
	*process
	seen int
}

// listen subscribes to everything.
func (v *vendor) listen() *mailbox {
	v.t.Helper()
	p := foreign(v.t, append(v.asBackend("mosquitto_sub", "backend"), "-d", "-q", "1", "-t", "vitrine/1/v/#", "-F", "message|%t|%D|%p")...)
	p.await("Subscribed")
	return &mailbox{process: p}
}

// await waits for a message after those that it gave before.
func (m *mailbox) await(what string, ok func(message) bool) message {
	m.t.Helper()
	deadline := time.After(patience)
	for {
		m.mu.Lock()
		for m.seen < len(m.lines) {
			msg, good := parseMessage(m.lines[m.seen])
			m.seen++
			if good && ok(msg) {
				m.mu.Unlock()
				return msg
			}
		}
		news := m.news
		m.mu.Unlock()
		select {
		case <-news:
		case <-m.ended:
			m.t.Fatalf("the client ended; there was no %s", what)
		case <-deadline:
			m.t.Fatalf("there is no %s", what)
		}
	}
}

// all lists what has come so far.
func (m *mailbox) all() []message {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []message
	for _, line := range m.lines {
		if msg, ok := parseMessage(line); ok {
			list = append(list, msg)
		}
	}
	return list
}

func parseMessage(line map[string]any) (message, bool) {
	text, _ := line["msg"].(string)
	rest, ok := strings.CutPrefix(text, "message|")
	parts := strings.SplitN(rest, "|", 3)
	if !ok || len(parts) != 3 {
		return message{}, false
	}
	return message{parts[0], parts[1], parts[2]}, true
}

// result waits for a result of a command in a state, on any topic.
func (m *mailbox) result(id, state string) message {
	m.t.Helper()
	return m.await(state+" result of "+id, func(msg message) bool {
		r, err := protocol.ParseResult([]byte(msg.payload))
		return err == nil && r.ID == id && r.State == state
	})
}

// presence waits until a viewer is said to be there, or not.
func (m *mailbox) presence(viewer string, online bool) {
	m.t.Helper()
	m.await(fmt.Sprintf("presence with online: %v", online), func(msg message) bool {
		p, err := protocol.ParsePresence([]byte(msg.payload))
		return err == nil && msg.topic == protocol.Topic(viewer, protocol.KindPresence) && p.Online == online
	})
}

// runs counts how often results say that a command was done.
func (m *mailbox) runs(id string) int {
	return len(slices.DeleteFunc(m.all(), func(msg message) bool {
		r, err := protocol.ParseResult([]byte(msg.payload))
		return err != nil || r.ID != id || r.State != protocol.ResultDone
	}))
}
