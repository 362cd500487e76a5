package vitrine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Settings of a stick that this release can't use are a fault, are left alone by the doctor, and keep nothing else from changing.
func TestSettingsThatCantBeUsed(t *testing.T) {
	state, file := t.TempDir(), filepath.Join(t.TempDir(), "vitrine.toml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	kept, older := filepath.Join(state, "settings.json"), filepath.Join(state, "settings.previous.json")
	o := runOptions{config: file, state: state}
	write(file, "name = \"Lobby\"")
	write(kept, `{"settings": "hologram = true", "digest": "d"}`)
	write(older, "{")

	if c, mistake := o.lenient(); mistake == nil || c.Name != "Lobby" || !exists(kept) || !exists(older) {
		t.Errorf("the doctor finds %v, and leaves %t, %t", mistake, exists(kept), exists(older))
	}
	c, from, err := o.atStart()
	if err != nil || c.Name != "Lobby" || from.damage == nil || !exists(kept) || exists(older) || !exists(older+".damaged") {
		t.Errorf("%v, %v", from.damage, err)
	}
	if c, from, err = o.atStart(); err != nil || from.damage == nil {
		t.Errorf("at the next start: %v, %v", from.damage, err)
	}
	write(file, "name = \"Entrance\"")
	if c, now, err := o.again(from); err != nil || c.Name != "Entrance" || now.damage == nil {
		t.Errorf("after a change %q, damage %v, %v", c.Name, now.damage, err)
	}
	write(kept, `{"settings": "teleporter = true", "digest": "d"}`)
	if _, _, err := o.again(from); err == nil || !strings.Contains(err.Error(), "teleporter") {
		t.Errorf("what is wrong anew: %v", err)
	}
}
