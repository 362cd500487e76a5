package cmd_test

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/protocol"
)

// A cluster is three nodes of RabbitMQ, on the hosts a to c of a lab, that serve a vendor's viewers on host d.
type cluster struct {
	*vendor
	lab   lab
	nodes map[string]*process
	// manifest is what viewers are to play.
	manifest protocol.ManifestRef
	inbox    *mailbox
}

// newCluster starts everything but viewers. The folder with RabbitMQ is made by scripts/rabbitmq, for `make cluster-test`.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	root := os.Getenv("VITRINE_RABBITMQ")
	if root == "" {
		t.Skip("this needs RabbitMQ 4: run it by `make cluster-test`")
	}
	c := &cluster{lab: newLab(t), vendor: newVendor(t), nodes: map[string]*process{}}
	c.web, c.api, c.backend = "10.77.0.4:8443", "127.0.0.1:8080", "10.77.0.1:7237"
	// Each node asks an instance on its own machine; that on d, which has made the certificates then, also enrols.
	for _, letter := range []string{"d", "a", "b", "c"} {
		c.prefix = c.lab.host(letter).prefix()
		c.enrol("-brokers", "10.77.0.1:7237,10.77.0.2:7237,10.77.0.3:7237", "-https", c.web, "-hosts", "10.77.0.1,10.77.0.2,10.77.0.3,10.77.0.4")
	}
	for _, letter := range []string{"a", "b", "c"} {
		c.start(root, letter)
	}
	c.prefix = c.lab.host("d").prefix()
	c.nginx()
	for _, node := range c.nodes {
		node.await("Server startup complete")
	}
	c.manifest = c.publish("red", color.RGBA{200, 0, 0, 255})
	c.inbox = c.listen()
	return c
}

// start starts a node, with the very files of the page.
func (c *cluster) start(root, letter string) {
	c.t.Helper()
	state, settings := c.t.TempDir(), c.t.TempDir()
	hosts := filepath.Join(settings, "hosts")
	for path, content := range map[string]string{
		filepath.Join(state, ".erlang.cookie"): "the same on each node",
		hosts:                                  "127.0.0.1 localhost\n10.77.0.1 broker-a\n10.77.0.2 broker-b\n10.77.0.3 broker-c\n",
	} {
		if err := os.WriteFile(path, []byte(content), 0o400); err != nil {
			c.t.Fatal(err)
		}
	}
	for _, name := range []string{"rabbitmq.conf", "enabled_plugins"} {
		command(c.t, "cp", scale+name, settings)
	}
	argv := append(c.lab.host(letter).prefix(), "../../scripts/rabbitmq", "run", root, "broker-"+letter, settings, c.etc, state, hosts)
	c.nodes[letter] = foreign(c.t, argv...)
}

// A screen is a viewer on host d.
type screen struct {
	*process
	state string
	// at is the broker that it was with at first.
	at string
}

// view starts a viewer.
func (c *cluster) view(state string) *process {
	c.t.Helper()
	return start(c.t, c.prefix, "vitrine", "run", "--state", state, "--token-file", c.etc+"/token", "--server", c.web,
		"--page", "127.0.0.1:0", "--wake-ports", "17009", "--name", "screen")
}

// reported waits for a report of a viewer.
func (c *cluster) reported(what string, ok func(protocol.Reported) bool) protocol.Reported {
	c.t.Helper()
	var r protocol.Reported
	c.inbox.await("report of a viewer that is "+what, func(m message) bool {
		var err error
		if !strings.HasSuffix(m.topic, "/"+protocol.KindReported) {
			return false
		}
		r, err = protocol.ParseReported([]byte(m.payload))
		return err == nil && ok(r)
	})
	return r
}

// screens starts viewers, and does for each what a server does: who reports no revision, or an old one, is told what to play. It gives
// them by their ids.
func (c *cluster) screens(n int) map[string]*screen {
	c.t.Helper()
	screens := map[string]*screen{}
	for range n {
		s := &screen{state: c.t.TempDir()}
		s.process = c.view(s.state)
		r := c.reported("new", func(r protocol.Reported) bool { return r.Rev == 0 && screens[r.Viewer] == nil })
		c.desire(r.Viewer, c.manifest)
		s.at = r.Session.Server
		screens[r.Viewer] = s
		c.reported("playing", func(s protocol.Reported) bool {
			return s.Viewer == r.Viewer && s.Content.Generation == c.manifest.Digest
		})
	}
	return screens
}

// Three nodes are one broker, but for retained messages; and one may die.
func TestCluster(t *testing.T) {
	c := newCluster(t)
	screens := c.screens(6)
	c.takesSessionsOver()
	c.answersStaleRevision(screens)
	c.survivesNode(screens)
}

// takesSessionsOver shows that a client id is one in the whole cluster: the older connection ends, on whichever node it is.
func (c *cluster) takesSessionsOver() {
	c.t.Helper()
	older := c.listenAt("10.77.0.2:7237", "backend-2", "vitrine/1/v/#")
	older.await("Subscribed")
	newer := c.listenAt("10.77.0.3:7237", "backend-2", "vitrine/1/v/#")
	newer.await("Subscribed")
	older.await("Received DISCONNECT (142)") // 0x8E, session taken over
	newer.stop()
}

// listenAt subscribes at one node with one client id. RabbitMQ gives retained messages to a subscription without wildcards only.
func (c *cluster) listenAt(addr, id, topic string) *process {
	c.t.Helper()
	argv := append(c.client("mosquitto_sub", addr, c.etc+"/"+id+".pem", c.etc+"/"+id+"-key.pem"), "-d", "-q", "1", "-i", id, "-t", topic, "-F", "desired: %p")
	return foreign(c.t, argv...)
}

// answersStaleRevision has a viewer come, without a session, to a node that doesn't have its `desired`: RabbitMQ keeps a retained message
// on the node where it was published. The viewer says which revision it has, and is told again.
func (c *cluster) answersStaleRevision(screens map[string]*screen) {
	c.t.Helper()
	viewer := ""
	for id, s := range screens {
		if s.at == "10.77.0.3:7237" {
			viewer = id
		}
	}
	s := screens[viewer]
	s.kill()
	c.inbox.presence(viewer, false)
	// Its session ends, as after a week in a cupboard.
	argv := c.client("mosquitto_sub", s.at, c.certificate(s.state), filepath.Join(s.state, "identity", "key.pem"))
	command(c.t, append(argv, "-i", viewer, "-q", "1", "-t", protocol.Topic(viewer, protocol.KindDesired), "-E")...)
	before := c.rev
	c.desire(viewer, c.manifest)
	here := c.listenAt(c.backend, "backend-2", protocol.Topic(viewer, protocol.KindDesired))
	here.await(fmt.Sprintf(`desired: {"rev":%d,`, c.rev))
	here.stop()
	s.process = c.view(s.state)
	r := c.reported("back with an old revision", func(r protocol.Reported) bool { return r.Viewer == viewer && r.Session.Up() })
	if r.Rev > before || r.Session.Server != s.at {
		c.t.Errorf("it reports revision %d at %s; at another node it can't have more than %d", r.Rev, r.Session.Server, before)
	}
	c.desire(viewer, c.manifest)
	c.reported("up to date", func(r protocol.Reported) bool { return r.Viewer == viewer && r.Rev == c.rev })
}

// survivesNode kills a node in the midst of commands: its viewers are back on the others, which have their sessions, and every command is
// run, and run once.
func (c *cluster) survivesNode(screens map[string]*screen) {
	c.t.Helper()
	const dies = "10.77.0.2:7237"
	away := map[string]bool{}
	for viewer, s := range screens {
		if s.at == dies {
			away[viewer] = true
		}
	}
	if len(away) != 2 {
		c.t.Fatalf("%d of the viewers are with the node that dies: they aren't spread over the cluster", len(away))
	}
	const rounds = 4
	order := func(round int) {
		for viewer := range screens {
			c.order(viewer, fmt.Sprintf(`{"id": "%s-%d", "name": "identify"}`, viewer, round), expiring...)
		}
	}
	order(1)
	c.nodes["b"].kill()
	killed := time.Now()
	order(2)
	order(3)
	for len(away) > 0 {
		r := c.reported("back", func(r protocol.Reported) bool { return away[r.Viewer] && r.Session.Up() && r.Session.Server != dies })
		delete(away, r.Viewer)
		took := r.Session.Since.Sub(killed).Round(10 * time.Millisecond)
		c.t.Logf("back %v after the node died", took)
		if took > 5*time.Second {
			c.t.Errorf("a viewer was back only after %v", took)
		}
	}
	order(rounds)
	missing := map[string]bool{}
	for viewer := range screens {
		for round := 1; round <= rounds; round++ {
			missing[fmt.Sprintf("%s-%d", viewer, round)] = true
		}
	}
	c.awaitDone(missing)
	for viewer, s := range screens {
		for round := 1; round <= rounds; round++ {
			if n := s.ran(fmt.Sprintf("%s-%d", viewer, round)); n != 1 {
				c.t.Errorf("command %d of %s was run %d times", round, viewer, n)
			}
		}
	}
}

// awaitDone waits until all commands are answered as done.
func (c *cluster) awaitDone(missing map[string]bool) {
	c.t.Helper()
	c.inbox.seen = 0
	for len(missing) > 0 {
		c.inbox.await(fmt.Sprintf("result of %d commands", len(missing)), func(m message) bool {
			r, err := protocol.ParseResult([]byte(m.payload))
			if err != nil || r.State != protocol.ResultDone || !missing[r.ID] {
				return false
			}
			delete(missing, r.ID)
			return true
		})
	}
}

// ran counts how often a viewer ran a command, by its log.
func (p *process) ran(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, line := range p.lines {
		if message, _ := line["msg"].(string); strings.HasPrefix(message, "The server commands") && line["id"] == id {
			n++
		}
	}
	return n
}
