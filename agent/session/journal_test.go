package session

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/protocol"
)

func open(t *testing.T, path string) *journal {
	t.Helper()
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.close)
	return j
}

func event(text string) letter {
	payload, _ := json.Marshal(text)
	return letter{Kind: protocol.KindEvent, Payload: payload}
}

func command(id string, until time.Time) noted {
	return noted{Command: protocol.Command{ID: id, Name: "x"}, Until: until}
}

// waiting lists the payloads that wait, in their order.
func waiting(j *journal) string {
	var list []string
	for _, l := range j.letters {
		list = append(list, string(l.Payload))
	}
	return strings.Join(list, " ")
}

// What came, was begun, was finished and waits to be sent is the same after a crash, at every step.
func TestJournalSurvivesCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	later := time.Now().Add(time.Hour)
	j := open(t, path)
	j.post(event("one"))
	j.post(event("two"))
	for _, id := range []string{"waits", "begun", "done"} {
		if fresh, err := j.receive(command(id, later), time.Now()); !fresh || err != nil {
			t.Fatal(fresh, err)
		}
	}
	for _, id := range []string{"begun", "done"} {
		if err := j.begin(id); err != nil {
			t.Fatal(err)
		}
	}
	first, _ := j.first()
	j.sent(first.Seq)
	if err := j.finish(protocol.Result{ID: "done", State: protocol.ResultDone}, event("result")); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"as it was left", "after it was written anew"} {
		j = open(t, path)
		if got := waiting(j); got != `"two" "result"` {
			t.Errorf("%s: %s wait", way, got)
		}
		if n := j.next(); n == nil || n.ID != "waits" || !n.Until.Equal(later) {
			t.Errorf("%s: next is %+v", way, n)
		}
		if cut := j.cut(); len(cut) != 1 || cut[0].ID != "begun" {
			t.Errorf("%s: cut are %+v", way, cut)
		}
		if r := j.resultOf("done"); r == nil || r.State != protocol.ResultDone {
			t.Errorf("%s: result %+v", way, r)
		}
		if fresh, err := j.receive(command("done", later), time.Now()); fresh || err != nil {
			t.Errorf("%s: a repeat is fresh, %v", way, err)
		}
		j.compact()
	}
	j.post(event("three"))
	if last := j.letters[len(j.letters)-1].Seq; last <= first.Seq+2 {
		t.Errorf("numbers begin again: %d", last)
	}
}

// A power cut leaves half a line, which costs what it said and nothing else; damage in the middle is kept for whoever wants to look.
func TestJournalDamage(t *testing.T) {
	whole := `{"letter":{"seq":1,"kind":"event","payload":"one"}}` + "\n"
	for text, aside := range map[string]bool{
		whole + `{"letter":{"seq":2,"ki`:           false,
		`{"command":` + "\n" + whole:               true,
		strings.Repeat("\x00", 100) + "\n" + whole: true,
	} {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, path)
		if got := waiting(j); got != `"one"` {
			t.Errorf("%q: %s wait", text, got)
		}
		if _, err := os.Stat(path + ".damaged"); (err == nil) != aside {
			t.Errorf("%q: set aside: %v", text, err)
		}
		j.post(event("two"))
		if err := j.save(); err != nil {
			t.Fatal(err)
		}
		if got := waiting(open(t, path)); got != `"one" "two"` {
			t.Errorf("%q: afterwards %s wait", text, got)
		}
	}
}

// A journal that can't be read is told of and set aside, and another one begins.
func TestJournalUnreadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	if err := os.Mkdir(path, 0o700); err != nil { // a folder can't be read as a file
		t.Fatal(err)
	}
	j, err := openJournal(path)
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("told %v", err)
	}
	j.post(event("one"))
	if err := j.save(); err != nil {
		t.Fatal(err)
	}
	if got := waiting(open(t, path)); got != `"one"` {
		t.Errorf("afterwards %s wait", got)
	}
}

// When too much waits, events go before results, the oldest first, and never what is on its way; they are counted.
func TestJournalIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := open(t, path)
	j.post(event("on its way"))
	j.first()
	result := event("result")
	result.Priority = priorityResult
	j.post(result)
	for i := range maxLetters + 10 {
		j.post(event(fmt.Sprint(i)))
	}
	if err := j.save(); err != nil {
		t.Fatal(err)
	}
	for _, j := range []*journal{j, open(t, path)} {
		if n, lost := j.waiting(); n != maxLetters || lost != 12 {
			t.Errorf("%d wait, %d are lost", n, lost)
		}
		if got := waiting(j); !strings.HasPrefix(got, `"on its way" "result" "12" "13"`) {
			t.Errorf("what waits begins with %.60s", got)
		}
	}
	big := event(strings.Repeat("x", maxLetterBytes/2))
	j.post(big)
	j.post(big)
	j.post(big)
	if j.bytes > maxLetterBytes {
		t.Errorf("%d bytes wait", j.bytes)
	}
}

// The file doesn't grow with what is over.
func TestJournalIsCompacted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := open(t, path)
	for range 50 {
		j.post(event(strings.Repeat("x", 20<<10)))
		l, _ := j.first()
		j.sent(l.Seq)
		if err := j.save(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > compactAt {
		t.Errorf("it has %d bytes, %v", info.Size(), err)
	}
}

// A command is forgotten only after it has expired; until then there is room for no more.
func TestCommandsAreRemembered(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.jsonl"))
	now := time.Now()
	for i := range maxCommands {
		id := fmt.Sprint(i)
		if _, err := j.receive(command(id, now.Add(time.Duration(i+1)*time.Minute)), now); err != nil {
			t.Fatal(err)
		}
		if err := j.finish(protocol.Result{ID: id, State: protocol.ResultDone}, event(id)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.receive(command("more", now.Add(time.Hour)), now); err == nil {
		t.Error("one more is taken")
	}
	if fresh, err := j.receive(command("more", now.Add(time.Hour)), now.Add(90*time.Second)); !fresh || err != nil {
		t.Errorf("with one expired: %v, %v", fresh, err)
	}
	if j.resultOf("0") != nil || j.resultOf("1") == nil {
		t.Error("the wrong one was forgotten")
	}
}

// A disk that takes no writes: a command is not run, and what waits in memory is on disk as soon as it can be.
func TestJournalWithoutDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "journal.jsonl") // whose folder isn't there
	j := open(t, path)
	j.post(event("one"))
	if j.save() == nil {
		t.Error("it was saved")
	}
	if fresh, err := j.receive(command("a", time.Now()), time.Now()); !fresh || err == nil || j.next() != nil {
		t.Errorf("a command is taken: %v, %v", fresh, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := j.save(); err != nil {
		t.Fatal(err)
	}
	if got := waiting(open(t, path)); got != `"one"` {
		t.Errorf("%s wait", got)
	}
}

// Whatever is in the file, it is read without harm, and what is written afterwards is read again.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"letter":{"seq":1,"kind":"event","payload":"one"}}` + "\n"))
	f.Add([]byte(`{"command":{"id":"a","name":"x","until":"2026-01-01T00:00:00Z"},"begun":"a"}` + "\n" + `{"finished":{"id":"a","state":"done"}}`))
	f.Add([]byte(`{"sent":1}` + "\n" + `{"seq":5,"lost":3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		j.post(event("last"))
		if err := j.save(); err != nil {
			t.Fatal(err)
		}
		j.close()
		again, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		if waiting(again) != waiting(j) || len(again.commands) != len(j.commands) || again.lost != j.lost {
			t.Errorf("written %s, %d commands; read %s, %d", waiting(j), len(j.commands), waiting(again), len(again.commands))
		}
	})
}
