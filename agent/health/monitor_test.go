package health

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A world is a screen with what can be done about it, in virtual time.
type world struct {
	screen func() Observation
	cure   Step // what helps
	did    []Step
	fed    int
	fault  error
	told   []string // each fault, but for those that were told just before
	events []string
	file   string
}

// run watches the world for so long.
func (w *world) run(t *testing.T, length time.Duration) {
	t.Helper()
	m := New(Config{
		Observe: func() Observation {
			o := w.screen()
			o.Wall = time.Now()
			return o
		},
		Can: func(Step) error { return nil },
		Act: func(_ context.Context, s Step) error {
			w.did = append(w.did, s)
			return nil
		},
		File: w.file, Fault: w.tell, Event: func(text string) { w.events = append(w.events, text) },
		Feed: func() { w.fed++ }, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	if err := m.Run(ctx); err != nil {
		t.Error(err)
	}
}

func (w *world) tell(err error) {
	w.fault = err
	if err != nil && (len(w.told) == 0 || w.told[len(w.told)-1] != err.Error()) {
		w.told = append(w.told, err.Error())
	}
}

// black is a screen without a page, until a step that cures it.
func (w *world) black() Observation {
	o := Observation{Ours: true, Starts: 1}
	if slices.Contains(w.did, w.cure) {
		o.Page = &Page{Opened: began, Heard: time.Now(), Visible: true}
	}
	return o
}

func TestMonitorClimbs(t *testing.T) {
	for cure, want := range map[Step]string{
		Browser: "[browser]",
		Agent:   "[browser agent]",
		Reboot:  "[browser agent reboot]",
		steps:   "[browser agent reboot]", // nothing helps
	} {
		t.Run(fmt.Sprint(want, cure), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{cure: cure, file: filepath.Join(t.TempDir(), "health.json")}
				w.screen = w.black
				// Each step from the agent on ends the run of a real agent; what was done is known to the next.
				for range 5 {
					w.run(t, 12*time.Minute)
				}
				did := fmt.Sprint(textOf(w.did))
				if cure != steps && did != want || !strings.HasPrefix(did, strings.TrimSuffix(want, "]")) {
					t.Errorf("did %s, want %s", did, want)
				}
				if cure != steps && w.fault != nil {
					t.Errorf("it is still said: %v", w.fault)
				}
				if len(w.events) != len(w.did) || !strings.Contains(w.events[0], "no page has been open for more than 1m30s") {
					t.Errorf("told %q", w.events)
				}
			})
		})
	}
}

func textOf(steps []Step) (list []string) {
	for _, s := range steps {
		list = append(list, names[s])
	}
	return list
}

// On a machine where a browser takes longer to start than it usually may, it is started again, and then has the time.
func TestMonitorHasPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{cure: steps, file: filepath.Join(t.TempDir(), "health.json")}
		started, steps := time.Now(), 0
		w.screen = func() Observation {
			if len(w.did) > steps {
				started, steps = time.Now(), len(w.did)
			}
			if time.Since(started) < 150*time.Second {
				return w.black()
			}
			return Observation{Ours: true, Starts: 1, Page: &Page{Opened: began, Heard: time.Now()}}
		}
		w.run(t, 30*time.Minute)
		if got := fmt.Sprint(textOf(w.did)); got != "[browser]" {
			t.Errorf("did %s", got)
		}
	})
}

// A screen that nothing helps gets its steps, and no more of them, however often the agent starts.
func TestMonitorIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{cure: steps, file: filepath.Join(t.TempDir(), "health.json")}
		w.screen = w.black
		for range 24 * 6 {
			w.run(t, 10*time.Minute)
		}
		for s := range steps {
			n := 0
			for _, did := range w.did {
				if did == s {
					n++
				}
			}
			// One more, where the day's end lets one in.
			if n > daily[s]+1 || s != Reload && n < daily[s] {
				t.Errorf("%s: %d times in a day, want %d", names[s], n, daily[s])
			}
		}
		if w.fault == nil || !strings.Contains(w.fault.Error(), "nothing is done about it") {
			t.Errorf("told %v", w.fault)
		}
	})
}

// Watchdogs are fed while the screen is right, and while something is done about it but to start anew.
func TestMonitorFeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{cure: steps, file: filepath.Join(t.TempDir(), "health.json")}
		w.screen = func() Observation {
			return Observation{Ours: true, Starts: 1, Page: &Page{Opened: began, Heard: time.Now()}}
		}
		w.run(t, 10*time.Minute+time.Second)
		if w.fed != 121 || len(w.did) != 0 {
			t.Errorf("fed %d times in ten minutes, did %v", w.fed, w.did)
		}
		w.screen, w.fed = w.black, 0
		w.run(t, 10*time.Minute)
		if got := fmt.Sprint(textOf(w.did)); got != "[browser agent]" {
			t.Fatalf("did %s", got)
		}
		// The browser after 90 s, the agent when that was given two minutes: nothing more from then on.
		if least, most := 18+24-2, 18+24+20; w.fed < least || w.fed > most {
			t.Errorf("fed %d times, want %d to %d", w.fed, least, most)
		}
	})
}

// What can't be noted on disk isn't done, if it ends the agent, and doesn't count as done: the browser is started again as often as where nothing harder may
// be done.
func TestMonitorWithoutADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{cure: steps, file: filepath.Join(t.TempDir(), "none", "health.json")}
		w.screen = w.black
		w.run(t, 22*time.Minute)
		if got := fmt.Sprint(textOf(w.did)); got != "[browser browser]" {
			t.Errorf("did %s", got)
		}
		// Each step is told, and that nothing harder is done, but for how long not anew at each look.
		if len(w.told) < 3 || len(w.told) > 5 {
			t.Errorf("told %q", w.told)
		}
	})
}

func TestMonitorFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "health.json")
	want := history(Browser, 10, Reboot, 5)
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{File: file, Log: slog.New(slog.DiscardHandler)}
	if got := New(c).taken; !slices.Equal(got, want) {
		t.Errorf("%+v from %s", got, data)
	}
	if err := os.WriteFile(file, []byte(`[{"step":"dance"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := New(c).taken; got != nil {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(file + ".bad"); err != nil {
		t.Error("it isn't set aside")
	}
}
