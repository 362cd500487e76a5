package agent

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"vitrine/agent/config"
)

// The doctor hears from the viewer itself which ports of magic packets it has: another program on one looks the same to everybody else.
func TestPatientKnowsWhatIsHeard(t *testing.T) {
	taken, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := uint16(taken.LocalAddr().(*net.UDPAddr).Port)
	a, err := New(Config{State: t.TempDir(), Page: "127.0.0.1:0", Name: "Lobby", Wake: config.Wake{Ports: []uint16{port}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.wake.Run(ctx) }()
	<-a.wake.Ready()
	if p := a.patient(); p.Hears == nil || !errors.Is(p.Hears.Ports[port], syscall.EADDRINUSE) || len(p.WakePorts) != 1 {
		t.Errorf("%+v on %v", p.Hears, p.WakePorts)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
