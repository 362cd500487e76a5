package cmd_test

import (
	"encoding/base64"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitrine/agent"
)

// walled is a lab where host a reaches nothing but its own network, on which r can be a proxy, and the site's server is on e
// behind r.
func walled(t *testing.T) (l lab, s site, server *process) {
	t.Helper()
	l = newLab(t)
	for _, version := range []string{"-4", "-6"} {
		subnet := map[string]string{"-4": "10.78.0.0/24", "-6": "fd78::/64"}[version]
		command(t, "ip", "-n", l.host("a").name, version, "route", "del", subnet)
	}
	s = newSite(t)
	server = start(t, l.host("e").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("The programme is up to date")
	return l, s, server
}

// tinyproxy runs a proxy on a host, on port 3128, that wants this password of user lobby and connects to these ports.
func (h host) tinyproxy(password string, ports ...int) peer {
	h.t.Helper()
	needProgram(h.t, "tinyproxy", "tinyproxy-bin")
	text := "User nobody\nPort 3128\nTimeout 60\nLogLevel Info\nBasicAuth lobby " + password + "\n"
	for _, port := range ports {
		text += fmt.Sprintf("ConnectPort %d\n", port)
	}
	p := h.peer("tinyproxy", "-d", "-c", written(h.t, "tinyproxy.conf", text))
	awaitLine(h.t, p, "Accepting connections")
	discard(p)
	return p
}

// written is a file with that text.
func written(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// view starts a viewer on a host with these settings, and gives its state folder.
func (h host) view(token, settings string) (viewer *process, state string) {
	h.t.Helper()
	state = h.t.TempDir()
	file := written(h.t, "vitrine.toml", "name = \"screen\"\n"+settings)
	return start(h.t, h.prefix(), "vitrine", "run", "--state", state, "--token-file", token, "--config", file), state
}

// failing waits until the viewer says that of its session.
func (h host) failing(parts ...string) {
	h.t.Helper()
	h.await(fmt.Sprintf("failing with %q", parts), func(s agent.Status) bool {
		return !connected(s) && !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(s.Session.Error, part) })
	})
}

// The whole job through a proxy: enrolment, session, content. It dies, and comes back.
func TestMainJobThroughProxy(t *testing.T) {
	l, s, _ := walled(t)
	desk, gate := l.host("a"), l.host("r")
	const password = "p-4ss.w_rd"
	through := gate.tinyproxy(password, 7237)
	settings := `servers = ["10.78.0.1"]
[network]
proxy = "http://lobby:` + password + `@10.77.0.254:3128"
`
	viewer, state := desk.view(s.token(t), settings)
	behind := func(s agent.Status) bool { return connected(s) && s.Session.Proxy == "10.77.0.254:3128" }
	got := desk.await("playing", func(s agent.Status) bool { return behind(s) && playing(s) })
	if !strings.HasSuffix(got.Session.Server, ":7237") || !strings.Contains(got.Session.Server, "78") || got.Clock.Trust != "server" {
		t.Errorf("status %+v", got)
	}
	if out := command(t, append(desk.prefix(), program("vitrine"), "status")...); !strings.Contains(out, "through the proxy 10.77.0.254:3128") {
		t.Errorf("status: %s", out)
	}

	through.kill()
	desk.failing("proxy 10.77.0.254:3128 refused the connection, since nothing listens on that port")
	s.add(t, "3-blue.png", color.RGBA{0, 0, 200, 255})
	gate.tinyproxy(password, 7237)
	desk.await("playing the new picture", func(s agent.Status) bool {
		return behind(s) && s.Content.Generation != got.Content.Generation && playing(s)
	})
	viewer.mustNotSay(password, base64.StdEncoding.EncodeToString([]byte("lobby:"+password)))

	// With all content on disk, and no NTP, it still has the time from the server.
	viewer.kill()
	start(t, desk.prefix(), "vitrine", "run", "--state", state, "--config", written(t, "vitrine.toml", settings))
	desk.await("told the time", func(s agent.Status) bool { return behind(s) && s.Clock.Trust == "server" })
}

// What a proxy won't do is told with what to do about it, and the viewer goes on trying.
func TestProxyThatRefuses(t *testing.T) {
	t.Parallel()
	l, s, _ := walled(t)
	token := s.token(t)
	for name, c := range map[string]struct {
		proxy string
		ports []int
		want  []string
	}{
		"no password":       {"http://10.77.0.254:3128", []int{7237}, []string{"proxy 10.77.0.254:3128 wants a user name and password", "http://user:password@"}},
		"wrong password":    {"http://lobby:SECRET@10.77.0.254:3128", []int{7237}, []string{"does not take this user name and password"}},
		"port not allowed":  {"http://lobby:right@10.77.0.254:3128", []int{443}, []string{"refused to connect to 10.78.0.1:7237 (403 Forbidden)", "have port 7237 allowed"}},
		"TLS to plain HTTP": {"https://lobby:right@10.77.0.254:3128", []int{7237}, []string{"proxy 10.77.0.254:3128 does not answer in TLS", "write http://"}},
		"no such name":      {"http://lobby:right@proxy.invalid:3128", []int{7237}, []string{"proxy proxy.invalid:3128 has a name"}},
		"no such host":      {"http://lobby:right@10.79.0.1:3128", []int{7237}, []string{"proxy 10.79.0.1:3128 can't be reached, since there is no route"}},
		"IPv6":              {"http://lobby:right@[fd77::fe]:3128", []int{7237}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			desk, gate := l.host("a"), l.host("r")
			desk.t, gate.t = t, t
			gate.tinyproxy("right", c.ports...)
			viewer, _ := desk.view(token, "servers = [\"10.78.0.1\"]\n[network]\nproxy = \""+c.proxy+"\"\n")
			if c.want == nil {
				desk.await("connected through the proxy", func(s agent.Status) bool { return connected(s) && s.Session.Proxy == "[fd77::fe]:3128" })
				return
			}
			desk.failing(c.want...)
			viewer.mustNotSay("SECRET")
		})
	}
}

// A proxy that the file doesn't name is taken from the environment, like every other program's. A mistake in it is named, and
// nothing of its password.
func TestProxyOfTheEnvironment(t *testing.T) {
	l, s, _ := walled(t)
	desk := l.host("a")
	l.host("r").tinyproxy("right", 7237)
	t.Setenv("HTTPS_PROXY", "http://lobby:SECRET@10.77.0.254:http")
	_, errs, code := run(t, "vitrine", "run", "--state", t.TempDir(), "--page", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errs, "environment variable HTTPS_PROXY: this is not the address of a proxy") || strings.Contains(errs, "SECRET") {
		t.Errorf("exit code %d, %s", code, errs)
	}
	t.Setenv("HTTPS_PROXY", "http://lobby:right@10.77.0.254:3128")
	t.Setenv("NO_PROXY", "10.78.0.0/24")
	viewer, _ := desk.view(s.token(t), "servers = [\"10.78.0.1\"]\n")
	desk.failing("10.78.0.1:7237 can't be reached: no route")
	viewer.kill()
	t.Setenv("NO_PROXY", "")
	desk.view(s.token(t), "servers = [\"10.78.0.1\"]\n")
	desk.await("connected through the proxy", func(s agent.Status) bool { return connected(s) && s.Session.Proxy == "10.77.0.254:3128" })
}

// A proxy for the Internet, which knows nothing of this network, must not come between a viewer and the server in the same
// room. If the network keeps its hosts apart, the proxy is the way after all.
func TestServerInTheSameRoomNeedsNoProxy(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("b").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	desk := l.host("a")
	command(t, "ip", "-n", desk.name, "-6", "addr", "flush", "dev", "eth0") // link-local addresses never go through a proxy
	token := s.token(t)
	t.Run("found", func(t *testing.T) {
		desk.t = t
		desk.view(token, "[network]\nproxy = \"http://10.77.0.254:3128\"\n") // where none is
		desk.await("playing without the proxy", func(s agent.Status) bool { return connected(s) && playing(s) && s.Session.Proxy == "" })
	})
	t.Run("kept apart", func(t *testing.T) {
		desk.t = t
		gate := l.host("r")
		gate.t = t
		gate.tinyproxy("right", 7237)
		command(t, "ip", "-n", desk.name, "route", "add", "unreachable", "10.77.0.2/32")
		desk.view(token, "servers = [\"10.77.0.2\"]\n[network]\nproxy = \"http://lobby:right@10.77.0.254:3128\"\n")
		desk.await("playing through the proxy", func(s agent.Status) bool {
			return connected(s) && playing(s) && s.Session.Proxy == "10.77.0.254:3128"
		})
	})
}
