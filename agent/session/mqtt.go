package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"vitrine/agent/protocol"
)

// Parameters of the MQTT session, as the protocol page has them.
const (
	keepAlive      = 30               // seconds
	sessionExpiry  = 7 * 24 * 60 * 60 // seconds
	willDelay      = 5                // seconds
	receiveMaximum = 32
	ackTimeout     = 10 * time.Second
)

// disconnectWithWill asks the broker to publish the will (MQTT 5, section 3.14.2.1).
const disconnectWithWill = 0x04

// newID makes an id for events and runs.
func newID() string { return strings.ToLower(rand.Text()) }

// A link is one MQTT connection.
type link struct {
	session *Session
	viewer  string
	client  *paho.Client
	// commands are run one after the other by serve, so that the client's own goroutine never blocks.
	commands chan []byte
}

// serve speaks MQTT on conn until it is lost or ctx ends.
func (s *Session) serve(ctx context.Context, conn net.Conn, addr string) error {
	viewer, _ := s.config.Identity.Viewer()
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	l := &link{session: s, viewer: viewer, commands: make(chan []byte, receiveMaximum)}
	l.client = paho.NewClient(paho.ClientConfig{
		Conn:               packets.NewThreadSafeConn(conn),
		Session:            s.state,
		PacketTimeout:      ackTimeout,
		OnPublishReceived:  []func(paho.PublishReceived) (bool, error){l.receive},
		OnClientError:      lose,
		OnServerDisconnect: func(d *paho.Disconnect) { lose(disconnected(d)) },
	})
	if err := l.connect(ctx); err != nil {
		return err
	}
	defer l.close()
	if err := l.greet(ctx); err != nil {
		return err
	}
	s.set(protocol.StateConnected, addr, nil)
	s.log.Info("The session is up (TLS 1.3, MQTT 5)", "server", addr)
	s.once.Do(func() { close(s.ready) })
	s.Report()
	err := l.loop(ctx)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// connect sends CONNECT and waits for its answer.
func (l *link) connect(ctx context.Context) error {
	will, err := json.Marshal(protocol.Presence{Online: false, Since: l.session.started.UTC(), Boot: l.session.boot})
	if err != nil {
		return err
	}
	ack, err := l.client.Connect(ctx, &paho.Connect{
		ClientID:  l.viewer,
		KeepAlive: keepAlive,
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: ptr[uint32](sessionExpiry),
			ReceiveMaximum:        ptr[uint16](receiveMaximum),
			MaximumPacketSize:     ptr[uint32](protocol.MaxMessage),
			RequestProblemInfo:    true,
		},
		WillMessage:    &paho.WillMessage{Topic: protocol.Topic(l.viewer, protocol.KindPresence), Payload: will, QoS: 1, Retain: true},
		WillProperties: &paho.WillProperties{WillDelayInterval: ptr[uint32](willDelay)},
	})
	if err != nil && ack != nil && ack.ReasonCode >= 0x80 {
		return fmt.Errorf("%w (reason 0x%02x)", errRefused, ack.ReasonCode)
	}
	return err
}

// errRefused says that the server doesn't let this viewer in.
var errRefused = errors.New("the server refused the session")

func ptr[T any](v T) *T { return &v }

// greet subscribes, and says that the viewer is there.
func (l *link) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	_, err := l.client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{
		{Topic: protocol.Topic(l.viewer, protocol.KindDesired), QoS: 1},
		{Topic: protocol.Topic(l.viewer, protocol.KindCommand), QoS: 1},
	}})
	if err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	return l.publish(ctx, protocol.KindPresence, protocol.Presence{Online: true, Since: l.session.started.UTC(), Boot: l.session.boot}, true)
}

// loop sends what there is to send, and runs commands, until the connection is lost or ctx ends.
func (l *link) loop(ctx context.Context) error {
	var pause, unchecked <-chan time.Time
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
		case <-l.client.Done():
			return io.EOF
		case payload := <-l.commands:
			err = l.command(ctx, payload)
		case <-pause:
			pause = nil
		case <-refresh.C:
			l.session.Report()
		case <-check:
			unchecked = time.After(checkInterval)
			err = l.prove(ctx)
		case <-unchecked:
			unchecked = nil
		case <-dirty:
			pause = time.After(reportInterval)
			err = l.flush(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// prove has the server acknowledge a message soon. One that doesn't is given up, and others are tried at once.
func (l *link) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := l.flush(ctx); err != nil {
		l.session.Kick()
		return err
	}
	l.session.log.Debug("The server still answers")
	return nil
}

// flush sends the waiting events and the state.
func (l *link) flush(ctx context.Context) error {
	s := l.session
	for {
		s.mu.Lock()
		if len(s.events) == 0 {
			s.mu.Unlock()
			break
		}
		event := s.events[0]
		s.mu.Unlock()
		if err := l.publish(ctx, protocol.KindEvent, event, false); err != nil {
			return err
		}
		s.mu.Lock()
		if len(s.events) > 0 && s.events[0].ID == event.ID {
			s.events = s.events[1:]
		}
		s.mu.Unlock()
	}
	reported := s.config.Report()
	reported.Session = s.Status()
	return l.publish(ctx, protocol.KindReported, reported, true)
}

// publish sends one message and waits for the server's word that it has it.
func (l *link) publish(ctx context.Context, kind string, v any, retain bool) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	_, err = l.client.Publish(ctx, &paho.Publish{Topic: protocol.Topic(l.viewer, kind), QoS: 1, Retain: retain, Payload: payload})
	if err != nil {
		return fmt.Errorf("publishing %s: %w", kind, err)
	}
	return nil
}

// receive is called by the client for every message; it must not block.
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
		select {
		case l.commands <- p.Packet.Payload:
		default:
			l.session.log.Warn("Too many commands at once; one is ignored")
		}
		return true, nil
	}
	return false, nil
}

// close says goodbye, so that the server learns at once, and waits for the client's goroutines.
func (l *link) close() {
	// An error means that the connection is gone already.
	_ = l.client.Disconnect(&paho.Disconnect{ReasonCode: disconnectWithWill})
	<-l.client.Done()
}

// disconnected puts the server's DISCONNECT in words.
func disconnected(d *paho.Disconnect) error {
	if d.ReasonCode == packets.DisconnectSessionTakenOver {
		return errors.New("another machine connected with this viewer's identity: was its disk cloned? Enrol one of them again")
	}
	if d.Properties != nil && d.Properties.ReasonString != "" {
		return fmt.Errorf("the server ended the session: %s", d.Properties.ReasonString)
	}
	return fmt.Errorf("the server ended the session (reason 0x%02x)", d.ReasonCode)
}
