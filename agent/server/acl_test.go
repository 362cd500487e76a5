package server_test

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
)

// mqttClient connects a plain MQTT client with a viewer's certificate, under any client id.
func mqttClient(t *testing.T, id *identity.Identity, addr, clientID string) (client *paho.Client, received chan string, err error) {
	t.Helper()
	config, err := id.ClientTLS(now, protocol.ALPNMQTT)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	received = make(chan string, 16)
	client = paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			received <- p.Packet.Topic
			return true, nil
		}},
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = client.Connect(ctx, &paho.Connect{ClientID: clientID, KeepAlive: 30, CleanStart: true})
	t.Cleanup(func() { conn.Close() })
	return client, received, err
}

// The certificate says who a viewer is, and only its own topics are open to it: neither what the others are told, nor a
// way to tell them, nor to tell itself what only the server may.
func TestViewersAreHeldToTheirOwnTopics(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	addr := s.Addr().String()
	a, b := enrolled(t, s, "a"), enrolled(t, s, "b")
	ea, _ := a.Enrolment()
	eb, _ := b.Enrolment()

	if _, _, err := mqttClient(t, a, addr, eb.Viewer); err == nil {
		t.Error("a viewer connected under another's id")
	}
	if _, _, err := mqttClient(t, a, addr, "somebody"); err == nil {
		t.Error("a viewer connected under an id that nobody has")
	}
	client, received, err := mqttClient(t, a, addr, ea.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	victim, heard, err := mqttClient(t, b, addr, eb.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	subscribe := func(c *paho.Client, topic string) bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ack, err := c.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 1}}})
		return err == nil && ack != nil && ack.Reasons[0] < 0x80
	}
	if !subscribe(client, protocol.Topic(ea.Viewer, protocol.KindDesired)) || !subscribe(victim, protocol.Topic(eb.Viewer, protocol.KindCommand)) {
		t.Fatal("a viewer may not read its own topics")
	}
	for _, topic := range []string{
		protocol.Topic(eb.Viewer, protocol.KindDesired), protocol.Topic("+", protocol.KindReported), "#", "+/+/+/+/+", "$SYS/#",
	} {
		if subscribe(client, topic) {
			t.Errorf("a viewer may read %s", topic)
		}
	}
	for _, topic := range []string{
		protocol.Topic(eb.Viewer, protocol.KindCommand), protocol.Topic(eb.Viewer, protocol.KindReported), protocol.Topic(ea.Viewer, protocol.KindDesired),
	} {
		// What the broker answers differs by version; what counts is that nobody gets it.
		attacker, got, err := mqttClient(t, a, addr, ea.Viewer)
		if err != nil {
			t.Fatal(err)
		}
		received = got
		subscribe(attacker, protocol.Topic(ea.Viewer, protocol.KindDesired))
		drainTopics(received)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _ = attacker.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(`{"rev":99}`)})
		cancel()
	}
	select {
	case topic := <-heard:
		t.Errorf("the victim got %s", topic)
	case topic := <-received:
		t.Errorf("the attacker told itself %s", topic)
	case <-time.After(300 * time.Millisecond):
	}
}

// drainTopics takes what a new subscription brings: the retained wish.
func drainTopics(received <-chan string) {
	for {
		select {
		case <-received:
		case <-time.After(200 * time.Millisecond):
			return
		}
	}
}
