package server_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"vitrine/agent/protocol"
	"vitrine/agent/server"
)

// A viewer connects again while the server is still busy with a message of its old connection: when that ends at last, its will isn't sent, and the new connection has its own.
func TestWillOfASessionTakenOver(t *testing.T) {
	busy, free, gone := make(chan struct{}), make(chan struct{}), make(chan string, 8)
	broker, err := server.NewBroker(func(kind string, payload []byte) {
		switch kind {
		case protocol.KindEvent:
			close(busy)
			<-free
		case protocol.KindPresence:
			gone <- string(payload)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 8)
	defer func() {
		broker.Close()
		for range 3 {
			<-served
		}
	}()
	connect := func(viewer, will string) (*paho.Client, net.Conn) {
		ours, theirs := net.Pipe()
		go func() { served <- broker.Serve(theirs, viewer) }()
		client := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(ours)})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		delay, expiry := uint32(1), uint32(60)
		if _, err := client.Connect(ctx, &paho.Connect{
			ClientID: viewer, KeepAlive: 30, Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry},
			WillMessage:    &paho.WillMessage{Topic: protocol.Topic(viewer, protocol.KindPresence), Payload: []byte(will), QoS: 1},
			WillProperties: &paho.WillProperties{WillDelayInterval: &delay},
		}); err != nil {
			t.Fatal(err)
		}
		return client, ours
	}
	next := func() string {
		select {
		case will := <-gone:
			return will
		case <-time.After(patience):
			t.Fatal("no will is sent")
			return ""
		}
	}

	old, _ := connect("screen", "of the old connection")
	go func() { // it is cut off
		_, _ = old.Publish(t.Context(), &paho.Publish{Topic: protocol.Topic("screen", protocol.KindEvent), QoS: 1})
	}()
	<-busy
	_, fresh := connect("screen", "of the new connection")
	close(free)
	// Wills go in the order of their time: that of another viewer comes after the old one's, if there is any.
	_, other := connect("other", "of another viewer")
	other.Close()
	if will := next(); will != "of another viewer" {
		t.Errorf("the will %s is sent", will)
	}
	fresh.Close()
	if will := next(); will != "of the new connection" {
		t.Errorf("the will %s is sent", will)
	}
}
