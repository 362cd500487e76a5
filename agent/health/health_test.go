package health

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// began is when all stories begin; the clocks of a story are as many seconds later as it says.
var began = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time {
	return began.Add(time.Duration(seconds * float64(time.Second)))
}

// well is a screen as it should be, seconds after the beginning.
func well(seconds float64) Observation {
	return Observation{Now: after(seconds), Wall: after(seconds), Ours: true, Starts: 1, Page: &Page{
		Opened: began, Heard: after(seconds), Visible: true, Frames: int64(seconds), Changes: int64(seconds / 10), Drawn: int64(25 * seconds), Moved: time.Duration(seconds) * time.Second,
	}}
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s float64, o *Observation) // what differs from a screen that is well, at a second
		kind   Kind
		from   float64 // when it is noticed
	}{
		"all is well": {func(float64, *Observation) {}, Right, 0},
		"no page":     {func(_ float64, o *Observation) { o.Page = nil }, Gone, 95},
		"a browser that's slow": {func(s float64, o *Observation) {
			if s < 80 {
				o.Page = nil
			}
		}, Right, 0},
		"crashes again and again": {func(s float64, o *Observation) { o.Page, o.Starts = nil, int(s) }, Gone, 95},
		"no browser can be run":   {func(_ float64, o *Observation) { o.Page, o.Starts = nil, 0 }, Right, 0},
		"nobody's page is open":   {func(_ float64, o *Observation) { o.Page, o.Ours = nil, false }, Right, 0},
		"a silent page":           {func(s float64, o *Observation) { o.Page.Heard = after(min(s, 100)) }, Silent, 165},
		"one that comes late, and takes its time": {func(s float64, o *Observation) {
			switch {
			case s < 80:
				o.Page = nil
			case s < 120:
				o.Page.Opened, o.Page.Heard = after(80), time.Time{}
			case s < 200:
				o.Page.Opened = after(80)
			case s < 230: // it was told to load itself again
				o.Page.Opened, o.Page.Heard = after(200), time.Time{}
			default:
				o.Page.Opened = after(200)
			}
		}, Right, 0},
		"many that say nothing": {func(s float64, o *Observation) {
			o.Page.Opened, o.Page.Heard = after(float64(int(s)/30*30)), time.Time{}
		}, Silent, 155},
		"one that hangs, and shows what it did": {func(s float64, o *Observation) {
			if o.Page.Heard = after(min(s, 100)); s > 105 {
				o.Page.Wrong = "x"
			}
		}, Silent, 165},
		"somebody's silent page": {func(s float64, o *Observation) { o.Page.Heard, o.Ours = began, false }, Right, 0},
		"the wrong thing":        {func(_ float64, o *Observation) { o.Page.Wrong = "x" }, Wrong, 65},
		"wrong now and then": {func(s float64, o *Observation) {
			if int(s)%50 != 0 {
				o.Page.Wrong = "x"
			}
		}, Right, 0},
		"wrong in a hidden tab":    {func(_ float64, o *Observation) { o.Page.Wrong, o.Page.Visible, o.Ours = "x", false, false }, Right, 0},
		"wrong in somebody's tab":  {func(_ float64, o *Observation) { o.Page.Wrong, o.Ours = "x", false }, Wrong, 65},
		"standby":                  {func(_ float64, o *Observation) { o.Page, o.Nothing = nil, true }, Right, 0},
		"a picture without frames": {func(_ float64, o *Observation) { *o.Page = Page{Opened: began, Heard: o.Now, Visible: true} }, Right, 0},
		"changes without frames":   {func(_ float64, o *Observation) { o.Page.Frames = 7 }, Frozen, 45},
		"hidden without frames":    {func(_ float64, o *Observation) { o.Page.Frames, o.Page.Visible = 7, false }, Right, 0},
		"films without frames":     {func(_ float64, o *Observation) { o.Page.Drawn = 7 }, Frozen, 30},
		"a page that reloads":      {func(s float64, o *Observation) { o.Page.Opened, o.Page.Frames = after(float64(int(s)/30*30)), 3 }, Right, 0},
		"a clock that steps": {func(s float64, o *Observation) {
			if s > 50 {
				o.Wall = o.Wall.Add(time.Hour)
			}
			if s < 100 {
				o.Page.Wrong = "x"
			}
		}, Right, 0},
		"a clock that's slow": {func(s float64, o *Observation) {
			o.Wall, o.Page.Wrong = o.Wall.Add(time.Duration(s)*time.Millisecond), "x"
		}, Wrong, 65},
		"a machine that stood still": {func(s float64, o *Observation) {
			if s > 40 {
				o.Now, o.Wall = o.Now.Add(time.Hour), o.Wall.Add(time.Hour)
			} // and the page is behind, for a moment
			if s > 40 && s < 90 {
				o.Page.Wrong = "x"
			} else {
				o.Page.Heard = o.Now // what it said before is an hour old
			}
			if s > 40 && s < 70 {
				o.Page = nil
			}
		}, Right, 0},
	} {
		j := Judge{Limits: Usual}
		noticed := -1.0
		var kind Kind
		for s := 0.0; s <= 300; s += 5 {
			o := well(s)
			c.change(s, &o)
			if v := j.Look(o); v.Kind != Right && noticed < 0 {
				noticed, kind = s, v.Kind
				if v.Why == "" {
					t.Errorf("%s: there is no reason", name)
				}
			}
		}
		if kind != c.kind || c.kind != Right && (noticed < c.from-5 || noticed > c.from+5) {
			t.Errorf("%s: %d after %v s, want %d after %v s", name, kind, noticed, c.kind, c.from)
		}
	}
}

// able can do everything but some steps.
func able(not ...Step) func(Step) error {
	return func(s Step) error {
		if slices.Contains(not, s) {
			return errors.New("it can't be done here")
		}
		return nil
	}
}

// history makes steps, by how many minutes ago they were taken.
func history(steps ...any) (taken []Taken) {
	for i := 0; i < len(steps); i += 2 {
		taken = append(taken, Taken{Step: steps[i].(Step), At: began.Add(-time.Duration(steps[i+1].(int)) * time.Minute)})
	}
	return taken
}

func TestNext(t *testing.T) {
	many := func(s Step, n int, rest ...any) []Taken {
		var all []any
		for i := range n {
			all = append(all, s, 1000-10*i)
		}
		return history(append(all, rest...)...)
	}
	for name, c := range map[string]struct {
		kind  Kind
		ours  bool
		taken []Taken
		can   func(Step) error
		want  Step
		fails string
	}{
		"the first":                       {Wrong, true, nil, able(), Reload, ""},
		"the first that may help":         {Silent, true, nil, able(), Browser, ""},
		"too early":                       {Wrong, true, history(Reload, 0), able(), 0, "time to help"},
		"the second":                      {Wrong, true, history(Reload, 2), able(), Browser, ""},
		"the third":                       {Wrong, true, history(Reload, 6, Browser, 3), able(), Agent, ""},
		"no machine for a picture":        {Wrong, true, history(Browser, 6, Agent, 4), able(), 0, "nothing harder"},
		"the machine for a black screen":  {Gone, true, history(Browser, 6, Agent, 4), able(), Reboot, ""},
		"after an hour from the start":    {Gone, true, history(Browser, 70, Agent, 61), able(), Browser, ""},
		"the machine once":                {Gone, true, history(Reboot, 600, Browser, 6, Agent, 4), able(), 0, "1 times within a day"},
		"reloaded too often":              {Wrong, true, many(Reload, 12), able(), Browser, ""},
		"all too often":                   {Frozen, true, append(many(Reload, 12), many(Browser, 8)...), able(), 0, "8 times within a day"},
		"no service":                      {Gone, true, history(Browser, 3), able(Agent), Reboot, ""},
		"no service and no right":         {Gone, true, history(Browser, 3), able(Agent, Reboot), 0, "can't be done here"},
		"somebody else's page":            {Wrong, false, nil, able(), Reload, ""},
		"somebody else's page once more":  {Wrong, false, history(Reload, 2), able(), 0, "nothing harder"},
		"nothing is done for the display": {Frozen, true, history(Browser, 3), able(), 0, "nothing harder"},
	} {
		got, err := next(c.kind, c.ours, c.taken, began, time.Minute, c.can)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, %v; want an error with %q", name, got, err, c.fails)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}

// A day is over after a day, whatever the clock said meanwhile.
func TestRecent(t *testing.T) {
	got := recent(history(Reload, 1500, Browser, 1439, Agent, -60*24*365), began)
	if len(got) != 2 || got[0].Step != Browser || got[1].Step != Agent || got[1].At != began {
		t.Errorf("%+v", got)
	}
}
