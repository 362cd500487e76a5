package session

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"

	"vitrine/agent/protocol"
)

// Parameters of the MQTT session, as the protocol page has them.
const (
	sessionExpiry  = 7 * 24 * 60 * 60 // seconds
	willDelay      = 5                // seconds
	receiveMaximum = 32
	ackTimeout     = 10 * time.Second
	// goodbye is how long the last message to a server may take.
	goodbye = 2 * time.Second
)

// disconnectWithWill asks the broker to publish the will (MQTT 5, section 3.14.2.1).
const disconnectWithWill = 0x04

// newID makes an id for events and runs.
func newID() string { return strings.ToLower(rand.Text()) }

// A link is one MQTT connection, to one server.
type link struct {
	session *Session
	server  Candidate
	// key is the public key by which the server proved itself.
	key string
	// failed has why other servers could not be had when this one was.
	failed map[string]error
	// doubted is true if the server was given up because it didn't answer when it was asked to.
	doubted bool
	viewer  string
	client  *paho.Client
	conn    net.Conn
	// lost ends with the connection, and has the reason as its cause.
	lost context.Context
	lose context.CancelCauseFunc
	// What the broker takes, as CONNACK said.
	qos    byte
	retain bool
	limit  uint32
}

// open speaks MQTT on conn, until the server knows that the viewer is there. It closes conn on an error.
func (s *Session) open(ctx context.Context, conn *tls.Conn, c Candidate) (*link, error) {
	viewer, _ := s.config.Identity.Viewer()
	l := &link{session: s, server: c, key: serverKey(conn), viewer: viewer, conn: conn, qos: 1, retain: true, limit: protocol.MaxMessage}
	l.lost, l.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	l.client = paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		// New for each link: what wasn't acknowledged waits in the journal, and goes to whichever server is next.
		Session:            state.NewInMemory(),
		PacketTimeout:      ackTimeout,
		PingHandler:        l.pinger(),
		OnPublishReceived:  []func(paho.PublishReceived) (bool, error){l.receive},
		OnClientError:      l.lose,
		OnServerDisconnect: func(d *paho.Disconnect) { l.lose(disconnected(d)) },
	})
	if err := certificateRefused(l.connect(ctx)); err != nil {
		_ = conn.Close() // the error says more than that of closing
		l.lose(err)
		return nil, err
	}
	if err := l.greet(ctx); err != nil {
		err = l.reason(err)
		l.close()
		return nil, err
	}
	return l, nil
}

// pinger keeps the connection alive, as the way to the server needs it.
func (l *link) pinger() *pinger {
	s, addr := l.session, l.server.Addr
	interval := func() time.Duration { return s.paths.interval(addr, s.config.KeepAlive) }
	return newPinger(interval, func(rtt time.Duration) { s.paths.measured(addr, rtt) }, l.lose)
}

// connect sends CONNECT and waits for its answer.
func (l *link) connect(ctx context.Context) error {
	s := l.session
	will, err := json.Marshal(protocol.Presence{Online: false, Since: s.started.UTC(), Boot: s.boot})
	if err != nil {
		return err
	}
	ack, err := l.client.Connect(ctx, &paho.Connect{
		ClientID:  l.viewer,
		KeepAlive: uint16(s.config.KeepAlive / time.Second),
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: ptr[uint32](sessionExpiry),
			ReceiveMaximum:        ptr[uint16](receiveMaximum),
			MaximumPacketSize:     ptr[uint32](protocol.MaxMessage),
			RequestProblemInfo:    true,
			User: paho.UserProperties{
				{Key: protocol.PropertyFingerprint, Value: s.config.Fingerprint},
				{Key: protocol.PropertyBoot, Value: s.boot},
			},
		},
		WillMessage: &paho.WillMessage{
			Topic: protocol.Topic(l.viewer, protocol.KindPresence), Payload: will, QoS: 1, Retain: s.paths.retains(l.server.Addr),
		},
		WillProperties: &paho.WillProperties{WillDelayInterval: ptr[uint32](willDelay)},
	})
	if err != nil && ack != nil {
		return s.refusal(l.server.Addr, ack)
	}
	if err != nil {
		return err
	}
	if p := ack.Properties; p != nil {
		l.retain = p.RetainAvailable
		if p.MaximumQoS != nil {
			l.qos = min(l.qos, *p.MaximumQoS)
		}
		if p.MaximumPacketSize != nil {
			l.limit = min(l.limit, *p.MaximumPacketSize)
		}
	}
	return nil
}

// patience bounds the wait for an answer, which ends with the connection: the library would go on waiting.
func (l *link) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	stop := context.AfterFunc(l.lost, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

func ptr[T any](v T) *T { return &v }

// greet subscribes, and says that the viewer is there.
func (l *link) greet(ctx context.Context) error {
	ctx, cancel := l.patience(ctx)
	defer cancel()
	if err := l.subscribe(ctx); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	return l.publish(ctx, protocol.KindPresence, protocol.Presence{Online: true, Since: l.session.started.UTC(), Boot: l.session.boot}, true)
}

// idInUse is the reason code of a packet id that is used for something else (MQTT 5, section 3.9.3).
const idInUse = 0x91

// subscribe asks for what a server says. Some brokers, mochi for one, refuse to use an id with which a message of their own waits to be acknowledged since a
// viewer was killed, though those of the two directions have nothing to do with each other: another id does then.
func (l *link) subscribe(ctx context.Context) error {
	for tries := 0; ; tries++ {
		ack, err := l.client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{
			{Topic: protocol.Topic(l.viewer, protocol.KindDesired), QoS: 1},
			{Topic: protocol.Topic(l.viewer, protocol.KindCommand), QoS: 1},
		}})
		if err == nil || ack == nil || tries >= receiveMaximum || !slices.Contains(ack.Reasons, idInUse) {
			return err
		}
	}
}

// loop sends what there is to send until the connection is lost or ctx ends.
func (l *link) loop(ctx context.Context) error {
	var pause, unchecked <-chan time.Time
	began := time.Now()
	refresh := time.NewTicker(refreshInterval)
	defer refresh.Stop()
	for {
		dirty, check := l.session.dirty, l.session.check
		if pause != nil {
			dirty = nil
		}
		if unchecked != nil {
			check = nil
		}
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.lost.Done():
			return context.Cause(l.lost)
		case <-l.client.Done():
			err = io.EOF
		case <-l.session.mail:
			err = l.deliver(ctx)
		case <-pause:
			pause = nil
		case <-refresh.C:
			if time.Since(began) > lastClonedRetry {
				l.session.config.Cloned(nil) // nobody has taken the session over
			}
			l.session.Report()
		case <-check:
			unchecked = time.After(checkInterval)
			err = l.prove(ctx)
		case <-unchecked:
			unchecked = nil
		case <-dirty:
			pause = time.After(reportInterval)
			err = l.report(ctx)
		}
		if err != nil {
			return l.reason(err)
		}
	}
}

// reason is why the connection was lost, if it was: the library tells of it a moment after everything else has failed.
func (l *link) reason(err error) error {
	select {
	case <-l.client.Done():
	default:
		return err
	}
	moment := time.NewTimer(time.Second)
	defer moment.Stop()
	select {
	case <-l.lost.Done():
		return context.Cause(l.lost)
	case <-moment.C:
		return err
	}
}

// prove has the server acknowledge a message soon. One that doesn't is given up, and others are tried at once.
func (l *link) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := l.report(ctx); err != nil {
		l.doubted = true
		return err
	}
	l.session.log.Debug("The server still answers")
	return nil
}

// deliver sends the events and results that wait, in their order.
func (l *link) deliver(ctx context.Context) error {
	j := l.session.journal
	for ctx.Err() == nil {
		m, ok := j.first()
		if !ok {
			break
		}
		topic := m.Topic
		if topic == "" {
			topic = protocol.Topic(l.viewer, m.Kind)
		}
		err := l.send(ctx, &paho.Publish{Topic: topic, Payload: m.Payload, Properties: &paho.PublishProperties{CorrelationData: m.Correlation}})
		switch {
		case err == nil:
			j.sent(m.Seq)
		case isDeclined(err):
			l.session.log.Warn("A message can't be sent and is given up", "kind", m.Kind, "err", err)
			j.give(m.Seq)
		default:
			return err
		}
		poke(l.session.delivered)
	}
	l.session.written()
	return l.deliverPlays(ctx)
}

// deliverPlays sends what waits in the outbox. What a server doesn't take stays there, for the next session.
func (l *link) deliverPlays(ctx context.Context) error {
	plays := l.session.config.Plays
	for plays != nil && ctx.Err() == nil {
		payload, ok := plays.Next()
		if !ok {
			break
		}
		err := l.send(ctx, &paho.Publish{Topic: protocol.Topic(l.viewer, protocol.KindPlays), Payload: payload})
		if isDeclined(err) {
			l.session.log.Warn("The server doesn't take proof of play; it stays on disk", "err", err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("publishing plays: %w", err)
		}
		plays.Sent()
	}
	return nil
}

// report sends the state.
func (l *link) report(ctx context.Context) error {
	reported := l.session.config.Report()
	reported.Session = l.session.Status()
	err := l.publish(ctx, protocol.KindReported, reported, true)
	if isDeclined(err) {
		l.session.log.Warn("The viewer's state can't be reported", "err", err)
		return nil
	}
	return err
}

// publish sends one message of a kind and waits for the server's word that it has it.
func (l *link) publish(ctx context.Context, kind string, v any, retain bool) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	err = l.send(ctx, &paho.Publish{Topic: protocol.Topic(l.viewer, kind), Retain: retain, Payload: payload})
	if err != nil {
		return fmt.Errorf("publishing %s: %w", kind, err)
	}
	return nil
}

// A declinedError says that a broker doesn't take a message, now or later.
type declinedError struct{ reason string }

func (e *declinedError) Error() string { return e.reason }

func isDeclined(err error) bool {
	_, ok := errors.AsType[*declinedError](err)
	return ok
}

// send sends a message in the best way that the broker takes.
func (l *link) send(ctx context.Context, p *paho.Publish) error {
	const head = 256 // bytes of a packet beside topic and payload, generously
	if size := len(p.Payload) + len(p.Topic) + head; size > int(l.limit) {
		return &declinedError{fmt.Sprintf("it has %d bytes, and the server takes %d", size, l.limit)}
	}
	p.QoS, p.Retain = l.qos, p.Retain && l.retain
	ctx, cancel := l.patience(ctx)
	defer cancel()
	ack, err := l.client.Publish(ctx, p)
	if err != nil && ack != nil && ack.ReasonCode >= 0x80 {
		reason := ""
		if ack.Properties != nil {
			reason = ack.Properties.ReasonString
		}
		return &declinedError{fmt.Sprintf("the server doesn't take it on %s (reason 0x%02x %s)", p.Topic, ack.ReasonCode, reason)}
	}
	return err
}

// receive is called by the client for every message. It acknowledges what it returns from, so that a command is on disk by then.
func (l *link) receive(p paho.PublishReceived) (bool, error) {
	_, kind, ok := protocol.ParseTopic(p.Packet.Topic)
	switch {
	case ok && kind == protocol.KindDesired:
		desired, err := protocol.ParseDesired(p.Packet.Payload)
		if err != nil {
			l.session.log.Warn("The server's wish can't be read and is ignored", "err", err)
			return true, nil
		}
		l.session.config.Desired(desired)
		return true, nil
	case ok && kind == protocol.KindCommand:
		l.session.order(p.Packet)
		return true, nil
	}
	return false, nil
}

// close says goodbye, so that the server learns at once, and waits for the client's goroutines.
func (l *link) close() {
	// Errors mean that the connection is gone already.
	_ = l.conn.SetWriteDeadline(time.Now().Add(goodbye))
	_ = l.client.Disconnect(&paho.Disconnect{ReasonCode: disconnectWithWill})
	<-l.client.Done()
	l.lose(net.ErrClosed)
}
