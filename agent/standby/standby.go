// Package standby decides whether a viewer is awake.
//
// It is pure: what happened and the time are given to it, and it owns nothing but the rules between them. What standby means for page, display and
// machine is the caller's business.
//
// The rules: outside the operating hours a viewer is on standby. A standby that somebody asked for lasts until a wake, or until operating hours
// begin. A wake outside the hours lasts for a time, counted from the last one. While the hours aren't known, for want of a programme or of a clock
// to trust, a viewer is awake unless it was asked not to be.
package standby

import "time"

// Why a viewer is on standby, or awake outside the operating hours.
const (
	// Hours is that it is outside the operating hours.
	Hours = "hours"
	// Asked is that somebody asked for standby.
	Asked = "asked"
	// Woken is that it was woken outside the operating hours.
	Woken = "woken"
)

// DefaultWakeTime is how long a wake outside the operating hours lasts.
const DefaultWakeTime = 30 * time.Minute

// Opening is what is known of the operating hours.
type Opening struct {
	// Known is false without a programme, and while the clock can't be trusted. Then the rest means nothing.
	Known  bool
	Closed bool
	// By is who has closed; it may be empty.
	By string
	// Since is when they began or ended; zero if they have been so for as long as the schedule knows.
	Since time.Time
	// Next is when they next begin; zero if that isn't known.
	Next time.Time
}

// A State is whether the viewer is awake, and why.
type State struct {
	Standby bool
	// Why is one of the constants; empty within the operating hours.
	Why string
	// By is who asked for it or woke the viewer, or who has closed.
	By string
	// Since is when it began, and Until when it ends by itself; zero if unknown.
	Since, Until time.Time
}

// A mark is something that somebody did.
type mark struct {
	at time.Time
	by string
}

// A Policy remembers what was asked for. Its zero value is a viewer that nobody has asked for anything. It isn't safe for concurrent use.
type Policy struct {
	// WakeTime is how long a wake outside the operating hours lasts; 0 means DefaultWakeTime.
	WakeTime time.Duration

	asked, woken mark
}

// Sleep asks for standby.
func (p *Policy) Sleep(now time.Time, by string) { p.asked, p.woken = mark{now, by}, mark{} }

// Wake ends a standby.
func (p *Policy) Wake(now time.Time, by string) { p.asked, p.woken = mark{}, mark{now, by} }

// At is the state at a time, which may step but for that doesn't go backwards.
func (p *Policy) At(now time.Time, o Opening) State {
	if now.Before(p.asked.at) {
		p.asked.at = now // the clock was ahead: by its time hours would begin before they do
	}
	if o.Known && !o.Closed && o.Since.After(p.asked.at) {
		p.asked = mark{} // hours have begun since
	}
	if !p.asked.at.IsZero() {
		s := State{Standby: true, Why: Asked, By: p.asked.by, Since: p.asked.at}
		if o.Known {
			s.Until = o.Next
		}
		return s
	}
	if p.woken.at.IsZero() {
		return within(o)
	}
	switch {
	case !o.Known, now.Before(p.woken.at):
		p.woken.at = now // its time counts from when the hours mean something, and by a clock that doesn't step
	case !o.Closed:
		p.woken = mark{}
	}
	if !o.Known || !o.Closed {
		return within(o)
	}
	over := p.woken.at.Add(p.wakeTime())
	if !now.Before(over) {
		s := within(o)
		s.Since = over
		return s
	}
	s := State{Why: Woken, By: p.woken.by, Since: p.woken.at, Until: over}
	if !o.Next.IsZero() && o.Next.Before(over) {
		s.Until = o.Next
	}
	return s
}

// within is what the hours alone say.
func within(o Opening) State {
	if !o.Known || !o.Closed {
		return State{}
	}
	return State{Standby: true, Why: Hours, By: o.By, Since: o.Since, Until: o.Next}
}

func (p *Policy) wakeTime() time.Duration {
	if p.WakeTime == 0 {
		return DefaultWakeTime
	}
	return p.WakeTime
}

// Times of a machine that sleeps as well.
const (
	// settle is how long standby must last before the machine goes: what happened is told to the server first, and who wants something can say so.
	settle = 2 * time.Minute
	// lead is how long before the next start the machine is woken: it must boot.
	lead = 3 * time.Minute
	// worthwhile is the least time to sleep.
	worthwhile = 10 * time.Minute
)

// Alarm says whether the machine itself may sleep now, and when it must wake. Without a start to wake for it never may. awake is when it last began to
// run: it gets its time to settle then, too.
func Alarm(now, awake time.Time, s State) (wake time.Time, ok bool) {
	begin := s.Since
	if awake.After(begin) {
		begin = awake
	}
	wake = s.Until.Add(-lead)
	return wake, s.Standby && !s.Until.IsZero() && !now.Before(begin.Add(settle)) && wake.Sub(now) >= worthwhile
}

// Reboot is when a machine is next started anew that is to be so every day at a time since midnight, by the clock on the wall of zone. jitter keeps a
// site's machines from going all at once. After a start it isn't due again within an hour, whatever the clock did.
func Reboot(started time.Time, at, jitter time.Duration, zone *time.Location) time.Time {
	earliest := started.Add(time.Hour).In(zone)
	for day := 0; ; day++ {
		t := time.Date(earliest.Year(), earliest.Month(), earliest.Day()+day, int(at/time.Hour), int(at%time.Hour/time.Minute), 0, 0, zone).Add(jitter)
		if !t.Before(earliest) {
			return t
		}
	}
}
