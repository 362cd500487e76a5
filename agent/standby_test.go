package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/agent/schedule"
	"vitrine/content/calendar"
	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/manifest"
	"vitrine/platform/display"
	"vitrine/platform/power"
)

// A box is a machine that notes what was done to it.
type box struct {
	did     []string
	noAlarm error
	deaf    bool // it agrees to sleep, and doesn't
	// fails is how the program that is asked ends, and stop what happens meanwhile.
	fails  error
	stop   func()
	asleep time.Duration
	up     time.Duration
}

func (b *box) machine() machine {
	return machine{
		check: func(power.Action) error { return nil },
		alarm: func(d time.Duration) error {
			b.did = append(b.did, "alarm in "+d.Round(time.Minute).String())
			return b.noAlarm
		},
		clear: func() error { b.did = append(b.did, "no alarm"); return nil },
		arm:   func() ([]string, error) { b.did = append(b.did, "arm"); return nil, nil },
		do: func(_ context.Context, a power.Action) error {
			b.did = append(b.did, fmt.Sprintf("do %d", a))
			if b.stop != nil {
				b.stop()
			}
			if !b.deaf {
				b.asleep += time.Hour
			}
			return b.fails
		},
		slept: func() time.Duration { return b.asleep },
		up:    func() time.Duration { return b.up },
	}
}

// newResting is a viewer that knows the time, with a programme that is on in these hours of every day, a fake display and a fake machine. Nothing of it runs.
func newResting(t *testing.T, operating ...calendar.Hours) (*Agent, *box, *strings.Builder) {
	t.Helper()
	var log strings.Builder
	a, err := New(Config{
		State: t.TempDir(), Page: "127.0.0.1:0", Name: "Lobby", Log: slog.New(slog.NewTextHandler(&log, nil)), Standby: config.Standby{Mode: config.StandbySuspend},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	b := &box{}
	a.machine, a.screen = b.machine(), newScreen(&lamp{state: display.On}, a.screenChanged)
	a.clock.ServerTime(time.Now(), "test")
	m := &manifest.Manifest{
		Version: 1, ID: "hours", Timezone: "UTC",
		Presentations: map[string]manifest.Presentation{"day": {}},
		Schedule:      manifest.Schedule{Default: "day", Operating: operating},
	}
	if err := a.player.Show(player.Programme{Generation: digest.Of([]byte("hours")), Manifest: m}); err != nil {
		t.Fatal(err)
	}
	return a, b, &log
}

// closed are operating hours that are over now, and begin in about so long.
func closed(in time.Duration) calendar.Hours {
	from := time.Now().UTC().Add(in)
	return calendar.Hours{From: from.Format("15:04"), To: from.Add(time.Minute).Format("15:04")}
}

// shows is what the page has: the schedule's answer.
func shows(t *testing.T, a *Agent) schedule.State {
	t.Helper()
	on, ok := a.player.On()
	if !ok {
		t.Fatal("there is no programme")
	}
	return on
}

// Page, display and report follow what is decided: the hours, a wake outside them, a command.
func TestStandbyIsFollowed(t *testing.T) {
	a, _, log := newResting(t, closed(8*time.Hour))
	a.decide()
	status := a.Status()
	if s := status.Standby; !a.screen.off || !shows(t, a).Standby || s == nil || !s.Active || s.Why != protocol.StandbyHours || s.Until.IsZero() {
		t.Errorf("outside the hours: %+v", status.Standby)
	}
	a.rouse("a magic packet from 10.0.0.1:9")
	status = a.Status()
	if s := status.Standby; a.screen.off || shows(t, a).Presentation != "day" || s == nil || s.Active || s.Why != protocol.StandbyWoken || s.By != "a magic packet from 10.0.0.1:9" {
		t.Errorf("woken: %+v, on is %+v", status.Standby, shows(t, a))
	}
	outcome, err := a.standBy(t.Context(), nil)
	if data, ok := outcome.Data.(map[string]any); err != nil || !ok || data["until"] != status.Schedule.Until && data["until"] == nil {
		t.Errorf("the command answers %+v, %v", outcome, err)
	}
	if s := a.Status().Standby; !a.screen.off || !shows(t, a).Standby || s == nil || s.Why != protocol.StandbyAsked || s.By != "the server" {
		t.Errorf("asked: %+v", s)
	}
	if n := status.Session.Waiting; n != 1 || a.session.Status().Waiting != 2 {
		t.Errorf("%d events wait", n)
	}
	for _, want := range []string{"on standby, outside the operating hours", "awake outside the operating hours, woken by a magic packet from 10.0.0.1:9", "on standby, as the server wants it"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log doesn't say %q", want)
		}
	}
}

func TestStandbyByCommandInTheHours(t *testing.T) {
	a, _, _ := newResting(t)
	a.decide()
	if a.screen.off || a.Status().Standby != nil {
		t.Errorf("always open: %+v", a.Status().Standby)
	}
	if _, err := a.standBy(t.Context(), nil); err != nil || !a.screen.off || !shows(t, a).Standby {
		t.Errorf("asked: %v, on is %+v", err, shows(t, a))
	}
	if _, err := a.wakeUp(t.Context(), nil); err != nil || a.screen.off || shows(t, a).Presentation != "day" || a.Status().Standby != nil {
		t.Errorf("woken: %v, on is %+v", err, shows(t, a))
	}
}

// shut are settings like those that an agent has, with operating hours that are over now, and begin in about so long.
func shut(t *testing.T, a *Agent, in time.Duration) Config {
	t.Helper()
	from := time.Now().In(a.zone()).Add(in)
	read, err := config.Parse([]byte(fmt.Sprintf("operating_hours = [\"%s-%s\"]", from.Format("15:04"), from.Add(time.Minute).Format("15:04"))))
	if err != nil {
		t.Fatal(err)
	}
	c := a.config
	c.Operating = read.Operating
	return c
}

// Operating hours of the settings count at once, beside the programme's; whose they are is said.
func TestOwnOperatingHours(t *testing.T) {
	a, b, log := newResting(t)
	a.Reconfigure(shut(t, a, 8*time.Hour), nil)
	s := a.Status().Standby
	if !a.screen.off || !shows(t, a).Standby || s == nil || !s.Active || s.Why != protocol.StandbyHours || s.By != protocol.OwnHours || s.Until.IsZero() {
		t.Errorf("outside them: %+v, on is %+v", s, shows(t, a))
	}
	if want := "on standby, outside the operating hours of the viewer's own settings, until "; !strings.Contains(log.String(), want) {
		t.Errorf("the log doesn't say %q", want)
	}
	sleep(t, a)
	if got := strings.Join(b.did, " "); !strings.HasPrefix(got, "alarm in 7h5") {
		t.Errorf("the machine did %q", got)
	}
	a.rouse("the server")
	if s := a.Status().Standby; a.screen.off || shows(t, a).Presentation != "day" || s == nil || s.Why != protocol.StandbyWoken {
		t.Errorf("woken: %+v", s)
	}
	back := a.config
	back.Operating = nil
	if a.Reconfigure(back, nil); a.screen.off || a.Status().Standby != nil || len(a.Status().Later) > 0 || len(a.faults.list()) > 0 {
		t.Errorf("taken back: %+v, later %v", a.Status().Standby, a.Status().Later)
	}

	never := shut(t, a, 8*time.Hour)
	err := a.player.Show(player.Programme{Generation: next, Manifest: &manifest.Manifest{
		Version: 1, ID: "never", Timezone: "UTC", Presentations: map[string]manifest.Presentation{"day": {}},
		Schedule: manifest.Schedule{Default: "day", Operating: []calendar.Hours{closed(4 * time.Hour)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	a.Reconfigure(never, nil)
	if faults := a.faults.list(); !slices.ContainsFunc(faults, func(f protocol.Fault) bool { return f.Code == faultHours }) {
		t.Errorf("hours that never meet: %+v", faults)
	}
	if a.Reconfigure(back, nil); len(a.faults.list()) > 0 {
		t.Errorf("taken back: %+v", a.faults.list())
	}

	a, _, _ = newResting(t, closed(8*time.Hour))
	a.Reconfigure(shut(t, a, 9*time.Hour), nil)
	if s := a.Status().Standby; s == nil || s.By != "" {
		t.Errorf("outside both: %+v", s)
	}
}

// A viewer that has nothing to show yet, or doesn't know what time it is, is lit whatever its settings say: whoever sets it up must see something.
func TestOwnOperatingHoursWhileNothingIsKnown(t *testing.T) {
	programme, _, _ := newResting(t)
	c := shut(t, programme, 8*time.Hour)
	c.State = t.TempDir()
	blank, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(blank.Close)
	blank.screen = newScreen(&lamp{state: display.On}, blank.screenChanged)
	if blank.clock.ServerTime(time.Now(), "test"); blank.decide().Standby {
		t.Error("on standby without a programme")
	}
	if err := blank.player.Show(player.Programme{Generation: next, Manifest: &manifest.Manifest{
		Version: 1, ID: "any", Timezone: "UTC", Presentations: map[string]manifest.Presentation{"day": {}}, Schedule: manifest.Schedule{Default: "day"},
	}}); err != nil {
		t.Fatal(err)
	}
	if !blank.decide().Standby || !shows(t, blank).Standby {
		t.Error("awake with a programme, outside the hours")
	}
}

// Whoever puts a stick in at night sees what becomes of it.
func TestStickIsAWake(t *testing.T) {
	a, _, _ := newResting(t, closed(8*time.Hour))
	a.decide()
	stickReader{Agent: a, began: time.Now()}.attend()
	if s := a.Status().Standby; s == nil || !s.Active {
		t.Errorf("one that was there at the start: %+v", s)
	}
	stickReader{Agent: a, began: time.Now().Add(-time.Minute)}.attend()
	if s := a.Status().Standby; a.screen.off || shows(t, a).Standby || s == nil || s.Active || s.By != "a USB stick" {
		t.Errorf("%+v", s)
	}
}

// sleep has the machine sleep, if it may, having run for an hour.
func sleep(t *testing.T, a *Agent) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { sleeper{a}.sleepToo(t.Context(), a.decide()) })
}

func TestMachineSleeps(t *testing.T) {
	a, b, _ := newResting(t, closed(8*time.Hour))
	sleep(t, a)
	want := fmt.Sprintf("alarm in 7h5%dm0s arm do %d no alarm", 6, power.Suspend)
	got := strings.Join(b.did, " ")
	if got != want && got != strings.Replace(want, "7h56m", "7h57m", 1) {
		t.Errorf("it did %q, want %q", got, want)
	}
	// It slept, and nobody waited for its alarm.
	if s := a.Status().Standby; s == nil || s.Active || !strings.Contains(s.By, "magic packet or a key") || a.screen.off {
		t.Errorf("after it: %+v", s)
	}
}

// Without an alarm that works, or without anything to wake for, a machine stays on.
func TestMachineStaysOn(t *testing.T) {
	a, b, _ := newResting(t, closed(8*time.Hour))
	b.noAlarm = errors.New("the clock has no alarm")
	sleep(t, a)
	if got := strings.Join(b.did, " "); strings.Contains(got, "do") {
		t.Errorf("it did %q", got)
	}
	if faults := a.faults.list(); len(faults) != 1 || !strings.Contains(faults[0].Message, "nothing would switch it on again") {
		t.Errorf("faults %+v", faults)
	}
	b.did = nil
	sleep(t, a)
	if len(b.did) > 0 {
		t.Errorf("it tries again at once: %q", b.did)
	}

	a, b, _ = newResting(t, closed(8*time.Hour))
	b.deaf = true
	sleep(t, a)
	if got := strings.Join(b.did, " "); !strings.HasSuffix(got, "no alarm") || len(a.faults.list()) != 1 {
		t.Errorf("one that agrees to sleep and doesn't did %q, %+v", got, a.faults.list())
	}

	a, b, _ = newResting(t)
	if _, err := a.standBy(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	sleep(t, a)
	if len(b.did) > 0 {
		t.Errorf("without operating hours: %q", b.did)
	}
}

// next is a programme that is fetched.
var next = digest.Of([]byte("next"))

// A programme that is fetched keeps the machine awake for as long as that gets on, and no longer.
func TestMachineStaysOnForAProgramme(t *testing.T) {
	for name, c := range map[string]struct {
		then func(a *Agent, left int64) // what happens every 9 minutes
		off  bool
	}{
		"it comes": {func(a *Agent, left int64) {
			a.contentFault(errors.New("the server is gone"))
			a.progress(library.Progress{Manifest: next, Bytes: 500 + left, BytesDone: 500})
		}, false},
		"it is stuck": {func(a *Agent, left int64) {
			a.contentFault(errors.New("the server is gone"))
			a.progress(library.Progress{Manifest: next, Bytes: 1000})               // what had come is damaged
			a.progress(library.Progress{Manifest: next, Bytes: 1000, BytesDone: 1}) // and comes again
			a.contentFault(errors.New("the server is gone once more"))              // but not all of it
		}, true},
		"another one was refused":                 {func(a *Agent, _ int64) { a.contentFault(errors.New("the signature is wrong")) }, true},
		"the one that plays is wanted again":      {func(a *Agent, _ int64) { a.contentFault(nil) }, true},
		"it waits for the hours of the downloads": {func(*Agent, int64) {}, true},
	} {
		a, b, _ := newResting(t, closed(8*time.Hour))
		a.progress(library.Progress{Manifest: next, Bytes: 1000})
		if a.Status().Content.Sync == nil {
			t.Errorf("%s: nothing is said of it", name)
		}
		synctest.Test(t, func(t *testing.T) {
			a.progress(library.Progress{Manifest: next, Bytes: 1000, BytesDone: 100})
			for left := int64(899); left > 896; left-- {
				time.Sleep(9 * time.Minute)
				c.then(a, left)
				sleeper{a}.sleepToo(t.Context(), a.decide())
			}
		})
		if off := len(b.did) > 0; off != c.off {
			t.Errorf("%s: the machine sleeps: %v", name, off)
		}
	}
}

// What is said of a fetch ends with it, however it ends.
func TestFetchThatEnds(t *testing.T) {
	for _, err := range []error{nil, errors.New("the signature is wrong")} {
		a, _, _ := newResting(t)
		a.progress(library.Progress{Manifest: next, Bytes: 1000})
		if a.contentFault(err); a.Status().Content.Sync != nil || a.fetching() == (err == nil) {
			t.Errorf("ended with %v: %+v, fetching: %v", err, a.Status().Content.Sync, a.fetching())
		}
	}
}

// What stops the agent when the machine goes off stops the program, too, that was asked for it, and either may end first. The alarm stays, and the display dark.
func TestMachineGoesOff(t *testing.T) {
	for name, order := range map[string]struct {
		fails error
		first bool // the agent is told to end before the program has
	}{"the program ends": {nil, true}, "it is stopped after the agent": {errors.New("signal: terminated"), true}, "it is stopped before it": {errors.New("signal: terminated"), false}} {
		t.Run(name, func(t *testing.T) {
			a, b, _ := newResting(t, closed(8*time.Hour))
			a.config.Standby.Mode = config.StandbyPowerOff
			l := &lamp{state: display.Off}
			a.screen = newScreen(l, a.screenChanged)
			b.deaf, b.fails = true, order.fails
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if order.first {
					b.stop = cancel
				}
				sleeper{a}.sleepToo(ctx, a.decide())
				a.screen.farewell(ctx)
			})
			if got, lamp := strings.Join(b.did, " "), l.did(); !strings.HasSuffix(got, fmt.Sprintf("arm do %d", power.Off)) || lamp != "" {
				t.Errorf("it did %q, and to the display %q", got, lamp)
			}
		})
	}
	a, b, _ := newResting(t, closed(8*time.Hour))
	l := &lamp{state: display.Off}
	a.screen, b.fails = newScreen(l, a.screenChanged), errors.New("signal: terminated")
	synctest.Test(t, func(t *testing.T) {
		a.decide()
		a.goDown(power.Off)
		a.screen.farewell(t.Context())
	})
	if did := l.did(); did != "" {
		t.Errorf("told to go off by the server, it did to the display %q", did)
	}
}

// begin has the agent begin with standby, as it does so long after the machine, and go on for a while.
func begin(t *testing.T, a *Agent, b *box, up, while time.Duration) {
	t.Helper()
	b.up, a.rest = up, rest{}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), while)
		defer cancel()
		if err := (sleeper{a}).Run(ctx); err != nil {
			t.Error(err)
		}
	})
}

// Whoever switches the machine on at night wants to see something. Nobody does when it is started anew by itself, or by the server.
func TestStartOfTheMachineIsAWake(t *testing.T) {
	a, b, _ := newResting(t, closed(8*time.Hour))
	a.config.Standby.Mode = ""
	why := func() string { return a.Status().Standby.Why }
	if begin(t, a, b, time.Minute, time.Second); why() != protocol.StandbyWoken {
		t.Errorf("switched on: %s", why())
	}
	begin(t, a, b, time.Hour, time.Second)
	a.goDown(power.Reboot)
	for _, up := range []time.Duration{time.Minute, 2 * time.Minute} { // the agent may start again soon, as for an update
		if begin(t, a, b, up, time.Second); why() != protocol.StandbyHours {
			t.Errorf("started anew on standby, %v ago: %s", up, why())
		}
	}
	begin(t, a, b, 3*time.Minute, freshBoot+standbyLook)
	if begin(t, a, b, time.Minute, time.Second); why() != protocol.StandbyWoken {
		t.Errorf("switched on some time after that: %s", why())
	}
	a.goDown(power.Reboot)
	if begin(t, a, b, time.Minute, time.Second); why() != protocol.StandbyWoken {
		t.Errorf("started anew while it was awake: %s", why())
	}
	begin(t, a, b, time.Hour, time.Second)
	a.goDown(power.Off)
	if begin(t, a, b, time.Minute, time.Second); why() != protocol.StandbyWoken {
		t.Errorf("switched off, and on: %s", why())
	}
}

func TestDailyReboot(t *testing.T) {
	at := config.TimeOfDay(4 * time.Hour)
	a, _, _ := newResting(t)
	a.config.Reboot, a.config.Zone = &at, time.UTC
	a.started = time.Now().Add(-100 * 24 * time.Hour)
	for clock, want := range map[string]bool{"03:59": false, "04:06": false, "04:07": true, "06:06": true, "06:07": false, "12:00": false, "23:59": false} {
		now, err := time.Parse("2006-01-02 15:04", "2026-11-02 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		if got := (rebooter{a}).due(now, 7*time.Minute); got != want {
			t.Errorf("at %s: %v", clock, got)
		}
	}
}
