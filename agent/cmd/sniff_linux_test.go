package cmd_test

import (
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// A datagram is one of WS-Discovery as it was on the cable.
type datagram struct {
	from, to netip.AddrPort
	hops     byte // time to live, or hop limit
	data     string
}

// sniff gives all datagrams from or to UDP port 3702 on the lab's first network, as they pass.
func (l lab) sniff() <-chan datagram {
	l.t.Helper()
	conn := l.tap()
	out, ended := make(chan datagram, 1024), make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 64<<10)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if d, ok := decode(buf[:n]); ok {
				select {
				case out <- d:
				case <-l.t.Context().Done():
					return
				}
			}
		}
	}()
	l.t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return out
}

// tap opens a raw socket on the switch: in its namespace, which is that of a thread.
func (l lab) tap() *packet.Conn {
	l.t.Helper()
	type result struct {
		conn *packet.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the thread ends with this
		conn, err := tapHere("/run/netns/" + l.name + "-lan1")
		done <- result{conn, err}
	}()
	r := <-done
	if r.err != nil {
		l.t.Fatal(r.err)
	}
	return r.conn
}

func tapHere(namespace string) (*packet.Conn, error) {
	f, err := os.Open(namespace)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	ifi, err := net.InterfaceByName("br0")
	if err != nil {
		return nil, err
	}
	conn, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil)
	if err != nil {
		return nil, err
	}
	// A bridge hands up what passes between its ports only if it is promiscuous.
	return conn, conn.SetPromiscuous(true)
}

// decode takes an Ethernet frame apart.
func decode(frame []byte) (d datagram, ok bool) {
	if len(frame) < 14+20+8 {
		return d, false
	}
	ip := frame[14:]
	var udp []byte
	var source, target netip.Addr
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		if ip[9] != 17 || len(ip) < int(ip[0]&15)*4+8 {
			return d, false
		}
		d.hops, udp = ip[8], ip[int(ip[0]&15)*4:]
		source, target = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	case 0x86dd:
		if len(ip) < 48 || ip[6] != 17 {
			return d, false
		}
		d.hops, udp = ip[7], ip[40:]
		source, target = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	default:
		return d, false
	}
	d.from = netip.AddrPortFrom(source, binary.BigEndian.Uint16(udp))
	d.to = netip.AddrPortFrom(target, binary.BigEndian.Uint16(udp[2:]))
	if size := int(binary.BigEndian.Uint16(udp[4:])); size <= len(udp) {
		d.data = string(udp[8:size])
	}
	return d, d.from.Port() == 3702 || d.to.Port() == 3702
}

// An element of any XML document: this test must not read with the code that wrote.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e element) child(space, local string) (element, bool) {
	i := slices.IndexFunc(e.Children, func(c element) bool { return c.XMLName == xml.Name{Space: space, Local: local} })
	if i < 0 {
		return element{}, false
	}
	return e.Children[i], true
}

func (e element) attr(local string) string {
	for _, a := range e.Attrs {
		if a.Name == (xml.Name{Local: local}) {
			return a.Value
		}
	}
	return ""
}

// A schema has what the XML schema of one version requires.
type schema struct {
	name, discovery, addressing, to, anonymous string
	copies                                     int // of a multicast, in all
}

var schemas = []schema{
	{
		"1.1", "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01", "http://www.w3.org/2005/08/addressing",
		"urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01", "http://www.w3.org/2005/08/addressing/anonymous", 3,
	},
	{
		"2005", "http://schemas.xmlsoap.org/ws/2005/04/discovery", "http://schemas.xmlsoap.org/ws/2004/08/addressing",
		"urn:schemas-xmlsoap-org:ws:2005:04:discovery", "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous", 4,
	},
}

// target is the content of Hello, ProbeMatch and ResolveMatch, in the order of the schema; a question mark is for what may be left out.
var target = []string{"EndpointReference", "Types?", "Scopes?", "XAddrs?", "MetadataVersion"}

var bodies = map[string][]string{
	"Hello": target, "Bye": {"EndpointReference", "Types?", "Scopes?", "XAddrs?", "MetadataVersion?"},
	"Probe": {"Types?", "Scopes?"}, "Resolve": {"EndpointReference"},
	"ProbeMatches": {"ProbeMatch"}, "ProbeMatch": target,
	"ResolveMatches": {"ResolveMatch"}, "ResolveMatch": {"EndpointReference", "Types?", "Scopes?", "XAddrs", "MetadataVersion"},
}

// validate gives a message's version, action and id, or what is wrong with it.
func validate(data string) (v schema, action, id string, err error) {
	var envelope element
	if err := xml.Unmarshal([]byte(data), &envelope); err != nil {
		return v, "", "", err
	}
	const soap = "http://www.w3.org/2003/05/soap-envelope"
	header, ok1 := envelope.child(soap, "Header")
	body, ok2 := envelope.child(soap, "Body")
	if envelope.XMLName != (xml.Name{Space: soap, Local: "Envelope"}) || !ok1 || !ok2 || len(body.Children) != 1 {
		return v, "", "", fmt.Errorf("no SOAP 1.2 envelope with one body")
	}
	content := body.Children[0]
	i := slices.IndexFunc(schemas, func(s schema) bool { return s.discovery == content.XMLName.Space })
	if i < 0 {
		return v, "", "", fmt.Errorf("body %v", content.XMLName)
	}
	v, action = schemas[i], content.XMLName.Local
	if id, err = v.headers(header, action); err != nil {
		return v, action, id, err
	}
	return v, action, id, v.content(content)
}

func (v schema) headers(header element, action string) (id string, err error) {
	want := map[string]string{"Action": v.discovery + "/" + action, "To": v.to, "MessageID": ""}
	answer := strings.HasSuffix(action, "Matches")
	if answer {
		want["To"], want["RelatesTo"] = v.anonymous, ""
	}
	for name, value := range want {
		h, ok := header.child(v.addressing, name)
		if !ok || h.Text == "" || value != "" && h.Text != value {
			return "", fmt.Errorf("header %s is %q", name, h.Text)
		}
		if name == "MessageID" {
			id = h.Text
		}
	}
	sequence, ok := header.child(v.discovery, "AppSequence")
	if needed := answer || action == "Hello" || action == "Bye"; needed && (!ok || sequence.attr("InstanceId") == "" || sequence.attr("MessageNumber") == "") {
		return id, fmt.Errorf("AppSequence %+v", sequence)
	}
	return id, nil
}

// content checks that an element has its children, all and in order.
func (v schema) content(e element) error {
	rest := e.Children
	for _, part := range bodies[e.XMLName.Local] {
		name, optional := strings.CutSuffix(part, "?")
		if len(rest) == 0 || rest[0].XMLName.Local != name {
			if optional {
				continue
			}
			return fmt.Errorf("%s has no %s in its place", e.XMLName.Local, name)
		}
		c := rest[0]
		rest = rest[1:]
		space := v.discovery
		if name == "EndpointReference" {
			space = v.addressing
			if address, ok := c.child(space, "Address"); !ok || address.Text == "" {
				return fmt.Errorf("EndpointReference without Address")
			}
		}
		if c.XMLName.Space != space {
			return fmt.Errorf("%s is in namespace %s", name, c.XMLName.Space)
		}
		if err := v.content(c); bodies[name] != nil && err != nil {
			return err
		}
	}
	if len(rest) > 0 && bodies[e.XMLName.Local] != nil {
		return fmt.Errorf("%s has a %s too many or out of order", e.XMLName.Local, rest[0].XMLName.Local)
	}
	return nil
}

// Everything that is said on the cable, from a server's Hello to its Bye, is what the schemas of both versions require, in
// both IP versions, as often and as far as SOAP-over-UDP says. Debian's wsdd takes part and is measured by the same rules.
func TestExchangeIsAsTheSchemasSay(t *testing.T) {
	needProgram(t, "wsdd", "wsdd")
	l := newLab(t)
	wire := l.sniff()
	s := newSite(t)
	server := start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e", "--name", "server", "--location", "a/b")
	server.await("Serving viewers")
	log := l.host("c").peer("wsdd", "-v", "-i", "eth0", "-n", "fileserver")
	for range 2 { // IP versions
		awaitLine(t, log, "joined multicast group")
	}
	discard(log)
	desk := l.host("b")
	desk.find(func(d listed) bool { return strings.Contains(strings.Join(d.XAddrs, " "), ":5357") }, "--all")
	desk.discover("--all", "--timeout", "2s")
	desk.discover("--timeout", "2s") // in which every copy leaves; answers to shorter Probes may leave once only
	if err := server.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}

	asked, answered := map[string]bool{}, map[string]string{}
	seen := map[string]bool{}
	copies := map[string][]datagram{}
	wanted := []string{
		"Hello 1.1 IPv4", "Hello 1.1 IPv6", "Hello 2005 IPv4", "Hello 2005 IPv6",
		"Probe 1.1 IPv4", "Probe 1.1 IPv6", "Probe 2005 IPv4", "Probe 2005 IPv6",
		"ProbeMatches 1.1 IPv4", "ProbeMatches 1.1 IPv6", "ProbeMatches 2005 IPv4", "ProbeMatches 2005 IPv6",
		"Resolve 2005 IPv4", "Resolve 2005 IPv6", "ResolveMatches 2005 IPv4", "ResolveMatches 2005 IPv6",
		"Bye 1.1 IPv4", "Bye 1.1 IPv6", "Bye 2005 IPv4", "Bye 2005 IPv6",
	}
	deadline := time.After(patience)
	for len(seen) < len(wanted) {
		select {
		case d := <-wire:
			v, action, id, err := validate(d.data)
			if err != nil {
				t.Errorf("%v to %v: %v:\n%s", d.from, d.to, err, d.data)
				continue
			}
			if strings.HasSuffix(action, "Matches") {
				answered[relatesTo.FindStringSubmatch(d.data)[1]] = action
			} else {
				asked[id] = true
			}
			family := "IPv6"
			if d.to.Addr().Is4() {
				family = "IPv4"
			}
			seen[strings.Join([]string{action, v.name, family}, " ")] = true
			key := strings.Join([]string{action, v.name, id, d.from.String()}, " ")
			copies[key] = append(copies[key], d)
		case <-deadline:
			for _, w := range wanted {
				if !seen[w] {
					t.Errorf("no %s was on the cable", w)
				}
			}
			t.FailNow()
		}
	}
	for id, action := range answered {
		if !asked[id] {
			t.Errorf("%s relates to %s, which nobody asked", action, id)
		}
	}
	checkCopies(t, copies)
}

var relatesTo = regexp.MustCompile(`RelatesTo>([^<]+)<`)

// checkCopies holds what was multicast, and what was answered, against SOAP-over-UDP 1.1, appendix A.
func checkCopies(t *testing.T, copies map[string][]datagram) {
	groups := []netip.AddrPort{netip.MustParseAddrPort("239.255.255.250:3702"), netip.MustParseAddrPort("[ff02::c]:3702")}
	whole := map[string]int{}
	for key, list := range copies {
		action, rest, _ := strings.Cut(key, " ")
		version, _, _ := strings.Cut(rest, " ")
		v := schemas[slices.IndexFunc(schemas, func(s schema) bool { return s.name == version })]
		limit := 2
		if list[0].to.Addr().IsMulticast() {
			limit = v.copies
			if !slices.Contains(groups, list[0].to) || list[0].hops != 1 {
				t.Errorf("%s went to %v with %d hops", key, list[0].to, list[0].hops)
			}
		}
		for _, d := range list {
			if d.data != list[0].data {
				t.Errorf("%s: copies differ", key)
			}
		}
		if len(list) > limit {
			t.Errorf("%s: %d copies, want at most %d", key, len(list), limit)
		}
		if len(list) == limit {
			whole[action+" "+version]++
		}
	}
	for _, kind := range []string{"Hello 1.1", "Hello 2005", "Probe 1.1", "Probe 2005", "ProbeMatches 1.1", "ProbeMatches 2005", "Resolve 2005"} {
		if whole[kind] == 0 {
			t.Errorf("no %s left as often as it should", kind)
		}
	}
}
