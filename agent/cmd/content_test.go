package cmd_test

import (
	"encoding/json"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/content/library"
)

// contentOf is `vitrine content list --json`.
func contentOf(t *testing.T, state string) library.Inventory {
	t.Helper()
	var v library.Inventory
	if err := json.Unmarshal([]byte(mustRun(t, "vitrine", "content", "list", "--json", "--state", state)), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// item finds a file by its name.
func item(t *testing.T, v library.Inventory, name string) library.Item {
	t.Helper()
	i, err := v.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// damage flips a bit in the middle of an asset.
func damage(t *testing.T, state string, i library.Item) {
	t.Helper()
	path := filepath.Join(state, "content", "assets", i.Digest.Hex()[:1], i.Digest.Hex())
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// says runs a command that fails, and checks what it says.
func says(t *testing.T, want string, args ...string) {
	t.Helper()
	out, errs, code := run(t, "vitrine", args...)
	if code != 1 || !strings.Contains(errs, want) {
		t.Errorf("vitrine %s: exit code %d, %s%s; want %q", strings.Join(args, " "), code, out, errs, want)
	}
}

// twoProgrammes is a viewer that has had a first programme, of two pictures, and plays a second one, of three.
func twoProgrammes(t *testing.T) (s site, state, page string, viewer *process, first agent.Status) {
	t.Helper()
	s, state = newSite(t), shortDir(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	viewer, page = view(t, state, s.token(t), "--server", addr)
	first = awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) })
	s.add(t, "3-blue.png", color.RGBA{0, 0, 200, 255})
	awaitStatus(t, page, "playing the second programme", func(s agent.Status) bool {
		return playing(s) && s.Content.Generation != first.Content.Generation
	})
	return s, state, page, viewer, first
}

// What a technician does with the content of a viewer that runs.
func TestContentOfARunningViewer(t *testing.T) {
	_, state, page, viewer, first := twoProgrammes(t)
	v := contentOf(t, state)
	if uses := item(t, v, "1-red.png").Uses; !slices.Equal(uses, []string{"current", "previous"}) || v.Current == nil || v.Previous == nil || v.Used == 0 || v.Total == 0 {
		t.Errorf("inventory %+v", v)
	}
	blue := item(t, v, "3-blue.png")
	if out := mustRun(t, "vitrine", "content", "verify", "--state", state); !strings.Contains(out, "5 files") {
		t.Errorf("verify says %s", out)
	}
	damage(t, state, blue)
	says(t, "1 damaged: "+blue.Digest.Short(), "content", "verify", "--state", state)
	viewer.await("A file on disk was damaged and is set aside")
	awaitTrue(t, "file in place of the damaged one", func() bool {
		i, err := contentOf(t, state).Find("3-blue.png")
		return err == nil && i.Here == i.Size
	})
	awaitStatus(t, page, "told of the failing disk", func(s agent.Status) bool { return faulty(s, "disk-failing") })

	mustRun(t, "vitrine", "content", "pin", "--state", state, "3-blue.png")
	mustRun(t, "vitrine", "content", "rollback", "--state", state)
	awaitStatus(t, page, "back", func(s agent.Status) bool {
		return s.Content.Generation == first.Content.Generation && faulty(s, "rolled-back")
	})
	mustRun(t, "vitrine", "content", "gc", "--state", state)
	if i := item(t, contentOf(t, state), "3-blue.png"); !slices.Equal(i.Uses, []string{"pinned"}) || i.Here != i.Size {
		t.Errorf("what was pinned is %+v", i)
	}
	mustRun(t, "vitrine", "content", "pin", "--off", "--state", state, blue.Digest.Short())
	if out := mustRun(t, "vitrine", "content", "gc", "--state", state); !strings.HasPrefix(out, "1 files") {
		t.Errorf("gc says %s", out)
	}
	says(t, "no earlier programme", "content", "rollback", "--state", state)
}

func faulty(s agent.Status, code string) bool {
	for _, f := range s.Faults {
		if f.Code == code {
			return true
		}
	}
	return false
}

// The same with one that doesn't run, on its disk alone.
func TestContentOfAStoppedViewer(t *testing.T) {
	_, state, _, viewer, first := twoProgrammes(t)
	viewer.kill()
	blue := item(t, contentOf(t, state), "3-blue.png")
	damage(t, state, blue)
	says(t, "1 damaged", "content", "verify", "--state", state)
	says(t, "1 missing", "content", "verify", "--state", state) // it was set aside
	mustRun(t, "vitrine", "content", "pin", "--state", state, "2-green.png")
	mustRun(t, "vitrine", "content", "rollback", "--state", state)
	mustRun(t, "vitrine", "content", "gc", "--state", state)
	if v := contentOf(t, state); v.Current.Manifest != first.Content.Generation || len(v.Items) != 3 {
		t.Errorf("inventory %+v", v)
	}
	_, page := view(t, state, "")
	awaitStatus(t, page, "playing the first programme", func(s agent.Status) bool {
		return playing(s) && s.Content.Generation == first.Content.Generation
	})
}

// A programme goes from one viewer to another in a folder, and only to one of the same site.
func TestExportAndImport(t *testing.T) {
	s, state, page, viewer, _ := twoProgrammes(t)
	second := status(t, page).Content.Generation
	dir := t.TempDir()
	if out := mustRun(t, "vitrine", "content", "export", "--state", state, dir); !strings.Contains(out, "4 files") {
		t.Errorf("export says %s", out)
	}
	if out := mustRun(t, "vitrine", "content", "export", "--state", state, dir); !strings.Contains(out, "0 files") {
		t.Errorf("a second export says %s", out)
	}
	mustRun(t, "vitrine", "content", "rollback", "--state", state)
	if out := mustRun(t, "vitrine", "content", "import", "--json", "--state", state, dir); !strings.Contains(out, `"playing"`) {
		t.Errorf("import says %s", out)
	}
	if got := status(t, page); got.Content.Generation != second || faulty(got, "rolled-back") {
		t.Errorf("after the import: %+v", got)
	}
	viewer.kill()

	// A viewer without a network, that knows its site and nothing else.
	other := shortDir(t)
	if err := os.CopyFS(filepath.Join(other, "identity"), os.DirFS(filepath.Join(state, "identity"))); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(other, "content"), 0o755); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "vitrine", "content", "import", "--state", other, dir)
	if v := contentOf(t, other); v.Current == nil || v.Current.Manifest != second {
		t.Errorf("inventory %+v", v)
	}

	// Another site's viewer doesn't take it.
	foreign := site{state: shortDir(t), media: s.media}
	server := start(t, nil, "vitrine-server", "run", "--state", foreign.state, "--media", foreign.media, "--site", "other", "--listen", "127.0.0.1:0", "--ntp", "127.0.0.1:0")
	addr, _ := server.await("Serving viewers")["server"].(string)
	server.await("The programme is up to date")
	theirs := shortDir(t)
	_, page = view(t, theirs, foreign.token(t), "--server", addr)
	awaitStatus(t, page, "playing", playing)
	says(t, `is of site "e2e", and this viewer belongs to "other"`, "content", "import", "--state", theirs, dir)
	says(t, "there is no programme on this stick", "content", "import", "--state", theirs, t.TempDir())
	says(t, "no viewer's content", "content", "list", "--state", t.TempDir())
}
