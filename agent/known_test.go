package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"vitrine/agent/protocol"
)

// What is remembered of viewers survives, is bounded, and is only what can wake one.
func TestKnownViewers(t *testing.T) {
	path := filepath.Join(t.TempDir(), KnownFile)
	k := ReadKnown(path)
	for says, want := range map[*protocol.Announced]bool{
		{Name: "lobby", MACs: []string{"02:00:00:00:00:01"}}: true,
		{Name: "lobby"}:                       false,
		{MACs: []string{"02:00:00:00:00:02"}}: false,
	} {
		if got := k.Add(*says); got != want {
			t.Errorf("%+v: %v", says, got)
		}
	}
	if k.Add(protocol.Announced{Name: "lobby", MACs: k["lobby"]}) {
		t.Error("what is known is news")
	}
	if err := k.Write(path); err != nil || len(ReadKnown(path)["lobby"]) != 1 {
		t.Errorf("read again: %v, %v", ReadKnown(path), err)
	}
	for n := range 2 * maxKnown {
		k.Add(protocol.Announced{Name: fmt.Sprint(n), MACs: []string{"02:00:00:00:00:03"}})
	}
	if len(k) != maxKnown || !k.Add(protocol.Announced{Name: "lobby", MACs: []string{"02:00:00:00:00:04"}}) {
		t.Errorf("%d are known", len(k))
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil || len(ReadKnown(path)) != 0 {
		t.Errorf("a damaged file: %v, %v", ReadKnown(path), err)
	}
}
