package server

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"vitrine/agent/protocol"
)

// Limits of the embedded broker.
const (
	connectTimeout = 10 * time.Second
	sessionExpiry  = 7 * 24 * 3600 // seconds
	pendingWrites  = 64
	// bufferSize is what the library keeps for each viewer to read into and to write from, in bytes. Nearly all messages are smaller.
	bufferSize = 1024
)

// A broker carries the sessions of the viewers. It is the one file that knows which MQTT library the server uses.
type broker struct {
	mqtt *mqtt.Server
	hook *aclHook
	// inline is the client by which the server itself publishes.
	inline *mqtt.Client
}

// A message is what a viewer sent.
type message struct {
	viewer, kind string
	payload      []byte
}

// A caller is who wants a session: what it showed in TLS, on which machine it says that it is, and where that is.
type caller struct {
	shown       *x509.Certificate
	fingerprint string
	peer        string
}

// newBroker makes a broker that admits those for whom admit gives no error and hands every message of a viewer to
// receive, before it acknowledges it.
func newBroker(log *slog.Logger, admit func(caller) error, receive func(message) error) (*broker, error) {
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumPacketSize = protocol.MaxMessage
	capabilities.MaximumClientWritesPending = pendingWrites
	capabilities.MaximumSessionExpiryInterval = sessionExpiry
	capabilities.MinimumProtocolVersion = 5
	capabilities.SharedSubAvailable = 0
	// The library's own log warns of every ordinary end of a session; what matters is logged by the hook.
	b := &broker{
		mqtt: mqtt.New(&mqtt.Options{
			InlineClient: true, Capabilities: capabilities, ClientNetReadBufferSize: bufferSize, ClientNetWriteBufferSize: bufferSize,
			Logger: slog.New(slog.DiscardHandler),
		}),
		hook: &aclHook{log: log, admit: admit, receive: receive},
	}
	b.hook.broker = b.mqtt
	b.inline = b.mqtt.NewClient(nil, "local", "server", true)
	b.inline.Properties.ProtocolVersion = 5
	if err := b.mqtt.AddHook(b.hook, nil); err != nil {
		return nil, err
	}
	return b, b.mqtt.Serve()
}

// serve carries one viewer's connection until it ends.
func (b *broker) serve(conn net.Conn) error {
	// A connection that never says CONNECT would stay for ever; the library sets its own deadlines from then on.
	if err := conn.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return err
	}
	return b.mqtt.EstablishConnection("session", conn)
}

// publish sends to a viewer, now or when it is back.
func (b *broker) publish(viewer, kind string, payload []byte, retain bool) error {
	return b.mqtt.Publish(protocol.Topic(viewer, kind), payload, retain, 1)
}

// command sends a command, which the broker keeps no longer than until it expires, and whose results come on the usual topic.
func (b *broker) command(viewer, id string, payload []byte, expiry time.Duration) error {
	return b.mqtt.InjectPacket(b.inline, packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1},
		TopicName:   protocol.Topic(viewer, protocol.KindCommand),
		Payload:     payload,
		PacketID:    1, // of a client that is no connection, and needs no acknowledgement
		Properties: packets.Properties{
			MessageExpiryInterval: uint32(expiry / time.Second),
			ResponseTopic:         protocol.Topic(viewer, protocol.KindResult),
			CorrelationData:       []byte(id),
		},
	})
}

// drop ends a viewer's session, if it has one.
func (b *broker) drop(viewer string) {
	if client, ok := b.mqtt.Clients.Get(viewer); ok {
		// An error means that it is gone already.
		_ = b.mqtt.DisconnectClient(client, packets.ErrNotAuthorized)
	}
}

func (b *broker) close() error { return b.mqtt.Close() }

// aclHook holds each viewer to its own topics: the certificate says who it is, never what it calls itself.
type aclHook struct {
	mqtt.HookBase
	broker *mqtt.Server
	log    *slog.Logger
	admit  func(caller) error

	receive func(message) error
}

func (*aclHook) ID() string { return "acl" }

func (*aclHook) Provides(b byte) bool {
	return b == mqtt.OnConnect || b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck || b == mqtt.OnDisconnect || b == mqtt.OnSessionEstablished ||
		b == mqtt.OnPublish || b == mqtt.OnWill || b == mqtt.OnWillSent
}

// OnConnect admits a client whose id is the common name of its certificate, and says to others why they aren't.
func (h *aclHook) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	cert := peerCertificate(cl.Net.Conn)
	err := fmt.Errorf("client %.40q has no certificate", pk.Connect.ClientIdentifier)
	switch {
	case cert != nil && cert.Subject.CommonName != pk.Connect.ClientIdentifier:
		err = fmt.Errorf("client %.40q has a certificate for %q", pk.Connect.ClientIdentifier, cert.Subject.CommonName)
	case cert != nil:
		err = h.admit(caller{cert, fingerprintOf(pk), cl.Net.Remote})
	}
	if err == nil {
		return nil
	}
	h.log.Warn("A session was refused", "peer", cl.Net.Remote, "err", err)
	refused := packets.ErrNotAuthorized
	refused.Reason = err.Error()
	if failed := h.broker.SendConnack(cl, refused, false, nil); failed != nil {
		return failed
	}
	return refused
}

// fingerprintOf is which machine a CONNECT comes from; empty if it doesn't say.
func fingerprintOf(pk packets.Packet) string {
	for _, p := range pk.Properties.User {
		if p.Key == protocol.PropertyFingerprint {
			return p.Val
		}
	}
	return ""
}

// OnConnectAuthenticate lets everybody in that OnConnect has let through.
func (h *aclHook) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

// OnACLCheck lets a viewer read below its own prefix and write the kinds of message that viewers send.
func (h *aclHook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	viewer, kind, ok := protocol.ParseTopic(topic)
	allowed := ok && viewer == cl.ID && (!write || protocol.ViewerPublishes(kind))
	if !allowed {
		h.log.Warn("A viewer asked for a topic that isn't its own", "viewer", cl.ID, "topic", topic, "write", write)
	}
	return allowed
}

// OnPublish takes what a viewer says before the library acknowledges it (PUBACK), so that what was acknowledged can't be lost here.
func (h *aclHook) OnPublish(_ *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if err := h.take(pk); err != nil {
		return pk, packets.ErrQuotaExceeded // the viewer keeps it
	}
	return pk, nil
}

// OnWill drops the will of a connection in whose place the viewer has another one by now (MQTT 5, section 3.1.3.2.2). The library forgets a delayed will
// when the new one is established; that of an old one which ends after that, as when it was busy, it would send: a viewer that is there would count as gone
// until its session is lost, and the new connection would have no will any more. Without a topic and a delay it goes to nobody, at once.
func (*aclHook) OnWill(cl *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	if cl.IsTakenOver() {
		cl.Properties.Will.WillDelayInterval = 0
		will = mqtt.Will{}
	}
	return will, nil
}

// OnWillSent takes the last word of a viewer that is gone.
func (h *aclHook) OnWillSent(_ *mqtt.Client, pk packets.Packet) { _ = h.take(pk) }

func (h *aclHook) take(pk packets.Packet) error {
	if viewer, kind, ok := protocol.ParseTopic(pk.TopicName); ok && protocol.ViewerPublishes(kind) {
		return h.receive(message{viewer, kind, pk.Payload})
	}
	return nil
}

func (h *aclHook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	h.log.Debug("A session begins", "viewer", cl.ID, "peer", cl.Net.Remote)
}

func (h *aclHook) OnDisconnect(cl *mqtt.Client, err error, _ bool) {
	h.log.Debug("A session ended", "viewer", cl.ID, "peer", cl.Net.Remote, "err", err)
}

// peerCertificate is the certificate by which the other end proved itself; nil if it showed none.
func peerCertificate(conn net.Conn) *x509.Certificate {
	c, ok := conn.(tlsConn)
	if !ok {
		return nil
	}
	certs := c.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return nil
	}
	return certs[0]
}
