package server

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"net"
	"time"

	"vitrine/agent/protocol"
)

// A Broker is a broker for tests, which admits everybody.
type Broker struct{ *broker }

// NewBroker makes one that hands messages to receive.
func NewBroker(receive func(kind string, payload []byte)) (*Broker, error) {
	b, err := newBroker(slog.New(slog.DiscardHandler), func(caller) error { return nil }, func(m message) error {
		receive(m.kind, m.payload)
		return nil
	})
	return &Broker{b}, err
}

// Serve carries a connection of a viewer, as if its certificate had been seen.
func (b *Broker) Serve(conn net.Conn, viewer string) error {
	return b.serve(certified{conn, viewer})
}

// Close ends it.
func (b *Broker) Close() error { return b.close() }

type certified struct {
	net.Conn
	viewer string
}

func (c certified) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Subject: pkix.Name{CommonName: c.viewer}}}}
}

// Machines are machines for tests.
type Machines struct{ *machines }

// Connect is connect.
func (m *Machines) Connect(v Viewer, fingerprint, peer string, online bool, now time.Time) error {
	if m.machines == nil {
		m.machines = newMachines()
	}
	_, err := m.connect(v, fingerprint, peer, online, now)
	return err
}

// Alive is alive.
func (m *Machines) Alive(viewer string, now time.Time) { m.alive(viewer, now) }

// Of is of.
func (m *Machines) Of(viewer string, now time.Time) (protocol.Fault, bool) { return m.of(viewer, now) }

// SetAhead has certificates made by a clock that is ahead.
func (s *Site) SetAhead(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = d
}
