package manifest

import (
	"errors"
	"fmt"
	"time"

	"vitrine/content/calendar"
)

// A Schedule says which presentation is on when: the event with the highest priority that covers the moment, the later
// in the list where two are equal, else the default. Where the one that wins has a share, it takes turns with the others of its priority that
// have one.
type Schedule struct {
	Default string  `json:"default"`
	Events  []Event `json:"events,omitempty"`
	// Rotation is how long it takes until all that share the screen have had their turn, 10 to 86,400 seconds; 0 means 600. Rotations count
	// from 1970, so that all viewers turn together.
	Rotation float64 `json:"rotation,omitempty"`
	// Operating are the hours in which anything is shown at all; none means always. At other times the screen is on standby.
	Operating []calendar.Hours `json:"operating,omitempty"`
	// Closed are dates, such as 2026-12-25, on which the screen is on standby from midnight to midnight, and on which no operating hours
	// begin.
	Closed []string `json:"closed,omitempty"`
}

// DefaultRotation is how long a rotation is if Schedule.Rotation is 0.
const DefaultRotation = 600 * time.Second

// An Event puts a presentation on from Start until just before End, and again as its rule says.
type Event struct {
	Presentation string `json:"presentation"`
	// Start and End are RFC 3339 times, with a zone ("2026-11-23T11:30:00Z") or without one, in the manifest's time zone. Without a start it
	// has been on since ever, without an end it stays; with a rule both are needed.
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
	// Priority is between -1000 and 1000; the highest wins.
	Priority int `json:"priority,omitempty"`
	// RRule is a recurrence rule (RFC 5545, section 3.3.10), such as FREQ=WEEKLY;BYDAY=MO,FR. Each occurrence begins and ends at the local
	// times of Start and End, whatever daylight saving does between them, and ends when the next one begins. What calendar.Rule says of rules
	// holds.
	RRule string `json:"rrule,omitempty"`
	// ExDates are starts of occurrences that are left out, or dates ("2026-12-25") on which none begins, be it one of the rule or of Dayparts.
	ExDates []string `json:"exdates,omitempty"`
	// Dayparts are the hours in which it is on, of the time that the fields above give; none means all of it.
	Dayparts []calendar.Hours `json:"dayparts,omitempty"`
	// Share is how much of the screen's time it gets beside other events of the same priority, in proportion to theirs; 1 to 1000, or 0 to have
	// it all.
	Share int `json:"share,omitempty"`
	// Interrupt lets it break in for a moment, again and again, instead of staying on.
	Interrupt *Interrupt `json:"interrupt,omitempty"`
}

// An Interrupt is on for Seconds at a time, 1 or more, and again each Every seconds, at most 86,400, counted from 1970.
type Interrupt struct {
	Every   float64 `json:"every"`
	Seconds float64 `json:"seconds"`
}

// Times are the times of an event, read.
type Times struct {
	// Start and End are zero where the event has none. If it has a rule they are those of the first occurrence that there might be.
	Start, End time.Time
	// Location is the zone of the rule's wall times; Rule is nil if it has none. Length is an occurrence's, by the wall clock.
	Location *time.Location
	Rule     *calendar.Rule
	Length   time.Duration
	Except   calendar.Exceptions
	// Dayparts are in the manifest's zone; nil if it has none.
	Dayparts *calendar.Week
}

// Times reads an event's times; an error names the field. Times without a zone are in loc; calendar.Resolve has the rule for those that
// don't exist, or exist twice.
func (e Event) Times(loc *time.Location) (t Times, err error) {
	t.Location = loc
	var start, end calendar.Time
	if e.Start != "" {
		if start, err = calendar.ParseTime(e.Start, loc); err != nil {
			return t, fmt.Errorf("start: %w", err)
		}
	}
	if e.End != "" {
		if end, err = calendar.ParseTime(e.End, loc); err != nil {
			return t, fmt.Errorf("end: %w", err)
		}
	}
	t.Start, t.End = start.Moment, end.Moment
	if e.Start != "" && e.End != "" && !t.End.After(t.Start) {
		return t, errors.New("end: must be after the start")
	}
	if t.Except, err = calendar.ParseExceptions(e.ExDates, loc); err != nil {
		return t, fmt.Errorf("exdates%w", err)
	}
	if len(e.Dayparts) > 0 {
		if t.Dayparts, err = calendar.ParseWeek(e.Dayparts); err != nil {
			return t, fmt.Errorf("dayparts%w", err)
		}
	}
	if len(e.ExDates) > 0 && e.RRule == "" && t.Dayparts == nil {
		return t, errors.New("exdates: are for an event with an rrule or dayparts")
	}
	if e.RRule == "" {
		return t, nil
	}
	if e.Start == "" || e.End == "" {
		return t, errors.New("rrule: needs a start and an end, those of the first occurrence")
	}
	return t, t.readRule(e.RRule, start, end)
}

// maxLength is the longest occurrence of a rule: longer ones would reach over so many others that nobody could follow.
const maxLength = 366 * 24 * time.Hour

func (t *Times) readRule(rule string, start, end calendar.Time) (err error) {
	if !start.Floats {
		// It comes back in the zone that is written, of which RFC 5545 knows UTC only.
		t.Location = start.Moment.Location()
	}
	if !end.Floats || !start.Floats {
		end.Wall = calendar.Wall(end.Moment, t.Location)
	}
	t.Length = end.Wall.Sub(start.Wall)
	switch {
	case t.Length <= 0 || t.Length > maxLength:
		return fmt.Errorf("end: an occurrence of a rule can't be longer than %d days", maxLength/(24*time.Hour))
	case start.Wall.Nanosecond() != 0:
		return errors.New("start: with a rule, want whole seconds")
	}
	if t.Rule, err = calendar.ParseRule(rule, start.Wall, t.Location); err != nil {
		return fmt.Errorf("rrule: %w", err)
	}
	return nil
}

// Opening reads the operating hours, nil if there are none, and the closed days; an error names the field.
func (s Schedule) Opening() (*calendar.Week, []calendar.Day, error) {
	closed, err := calendar.ParseDays(s.Closed)
	if err != nil {
		return nil, nil, fmt.Errorf("closed%w", err)
	}
	if len(s.Operating) == 0 {
		return nil, closed, nil
	}
	week, err := calendar.ParseWeek(s.Operating)
	if err != nil {
		return nil, nil, fmt.Errorf("operating%w", err)
	}
	return week, closed, nil
}

func (m *Manifest) validateSchedule(loc *time.Location) error {
	s := m.Schedule
	if _, ok := m.Presentations[s.Default]; !ok {
		return fmt.Errorf("schedule.default: there is no presentation %.60q", s.Default)
	}
	if s.Rotation != 0 && !(s.Rotation >= minRotation && s.Rotation <= maxSeconds) {
		return fmt.Errorf("schedule.rotation: %v is not between %v and %v", s.Rotation, minRotation, maxSeconds)
	}
	if _, _, err := s.Opening(); err != nil {
		return fmt.Errorf("schedule.%w", err)
	}
	if len(s.Events) > maxEvents {
		return fmt.Errorf("schedule.events: %d are more than the limit of %d", len(s.Events), maxEvents)
	}
	for i, e := range s.Events {
		if err := m.validateEvent(e, loc); err != nil {
			return fmt.Errorf("schedule.events[%d].%w", i, err)
		}
	}
	return nil
}

func (m *Manifest) validateEvent(e Event, loc *time.Location) error {
	if _, ok := m.Presentations[e.Presentation]; !ok {
		return fmt.Errorf("presentation: there is no presentation %.60q", e.Presentation)
	}
	if e.Priority < -maxPriority || e.Priority > maxPriority {
		return fmt.Errorf("priority: %d is not between -%d and %d", e.Priority, maxPriority, maxPriority)
	}
	if e.Share < 0 || e.Share > maxShare {
		return fmt.Errorf("share: %d is not between 1 and %d", e.Share, maxShare)
	}
	if i := e.Interrupt; i != nil {
		switch {
		case e.Share != 0:
			return errors.New("interrupt: an event with a share has its turns already")
		case !(i.Every >= minRotation && i.Every <= maxSeconds):
			return fmt.Errorf("interrupt.every: %v is not between %v and %v", i.Every, minRotation, maxSeconds)
		case !(i.Seconds >= 1 && i.Seconds < i.Every):
			return fmt.Errorf("interrupt.seconds: %v is not between 1 and interrupt.every", i.Seconds)
		}
	}
	_, err := e.Times(loc)
	return err
}
