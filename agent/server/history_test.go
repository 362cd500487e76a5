package server

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"vitrine/agent/protocol"
)

// What a viewer says is kept once, also after the server was started again in between, and not without end.
func TestHistory(t *testing.T) {
	site := t.TempDir()
	open := func() *history {
		t.Helper()
		h, err := newHistory(site)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	add := func(h *history, id string) bool {
		t.Helper()
		fresh, err := h.add("v1", protocol.Event{ID: id, Name: "x", Message: id})
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	h := open()
	if !add(h, "a") || add(h, "a") {
		t.Error("it was kept twice, or not at all")
	}
	// A power cut in the middle of a line.
	f, err := os.OpenFile(filepath.Join(site, eventDir, "v1.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":"torn` + "\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	h = open()
	if add(h, "a") || !add(h, "b") {
		t.Error("after a restart it isn't known any more")
	}
	for i := range 2*maxEvents + 1 {
		add(h, fmt.Sprint("many", i))
	}
	events, err := h.read("v1")
	if err != nil || len(events) > 2*maxEvents || events[len(events)-1].ID != fmt.Sprint("many", 2*maxEvents) || add(h, events[0].ID) {
		t.Errorf("%d events, %v", len(events), err)
	}
	if _, err := h.add("../v1", protocol.Event{ID: "a"}); err == nil {
		t.Error("a path was taken for a viewer")
	}
	if _, err := h.add("v1", protocol.Event{}); err == nil {
		t.Error("an event without an id was kept")
	}
}
