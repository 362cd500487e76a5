package agent

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"vitrine/agent/config"
	"vitrine/content/calendar"
	"vitrine/platform/proxy"
)

// The doctor hears from the viewer itself which ports of magic packets it has: another program on one looks the same to everybody else.
func TestPatientKnowsWhatIsHeard(t *testing.T) {
	taken, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := uint16(taken.LocalAddr().(*net.UDPAddr).Port)
	a, err := New(Config{State: t.TempDir(), Page: "127.0.0.1:0", Wake: config.Wake{Ports: []uint16{port}}})
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

// It also hears which time zone the settings have, and what of them goes by it.
func TestPatientKnowsTheTimeZone(t *testing.T) {
	week, err := calendar.ParseWeek([]calendar.Hours{{From: "07:00", To: "22:00"}})
	if err != nil {
		t.Fatal(err)
	}
	hours, morning := week, config.TimeOfDay(4*time.Hour)
	c := Config{Zone: time.UTC, Operating: hours, Content: config.Content{Windows: hours}, Reboot: &morning}
	if p := c.patient(&proxy.Dialer{}, nil); p.Zone != time.UTC || !slices.Equal(p.Timed, []string{"operating_hours (where the programme names no time zone)", "content.windows", "power.reboot"}) {
		t.Errorf("%v, %q", p.Zone, p.Timed)
	}
	if p := (Config{}).patient(&proxy.Dialer{}, nil); p.Zone != nil || p.Timed != nil {
		t.Errorf("without: %v, %q", p.Zone, p.Timed)
	}
}
