package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent/protocol"
	"vitrine/agent/server"
	"vitrine/agent/server/view"
)

// answer is the answer to a link.
func answer(t *testing.T, link string) int {
	t.Helper()
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// A link makes a viewer, a second one ends the first, and revoking it ends that; the key is nowhere on the server's disk.
func TestLinksOfBrowsers(t *testing.T) {
	c := config(t, t.TempDir())
	c.Browsers = view.Ports{HTTP: "127.0.0.1:0"}
	s, _ := start(t, c)
	enrolled(t, s, "device")
	control := server.NewControl(c.State)
	if _, err := control.Link(t.Context(), "device", ""); err == nil || !strings.Contains(err.Error(), "a device with an agent") {
		t.Errorf("a link for a device: %v", err)
	}
	if _, err := control.Link(t.Context(), " ", ""); err == nil {
		t.Error("a link without a name")
	}
	first, err := control.Link(t.Context(), "Lobby TV", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(t, first.Link); got != 200 || !first.Plain || first.CA != "" {
		t.Errorf("first link: %d, %+v", got, first)
	}
	second, err := control.Link(t.Context(), "Lobby TV", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(t, second.Link); got != 200 || second.Viewer.ID != first.Viewer.ID || !strings.HasPrefix(second.Link, "http://localhost:") {
		t.Errorf("second link: %d, %+v", got, second)
	}
	if got := answer(t, first.Link); got != 410 {
		t.Errorf("first link after the second: %d", got)
	}
	if _, err := control.Rename(t.Context(), "Lobby TV", "Foyer TV"); err != nil {
		t.Fatal(err)
	}
	if got := answer(t, second.Link); got != 200 {
		t.Errorf("after a new name: %d", got)
	}
	if result, err := control.Command(t.Context(), "Foyer TV", protocol.CommandIdentify, nil); err != nil || result.State != protocol.ResultFailed {
		t.Errorf("identify without a page: %+v, %v", result, err)
	}
	if _, err := control.Revoke(t.Context(), "Foyer TV"); err != nil {
		t.Fatal(err)
	}
	if got := answer(t, second.Link); got != 410 {
		t.Errorf("after its end: %d", got)
	}
	third, err := control.Link(t.Context(), "Foyer TV", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := answer(t, third.Link); got != 200 || third.Viewer.ID != first.Viewer.ID {
		t.Errorf("third link: %d, %+v", got, third)
	}

	parts := strings.Split(strings.TrimSuffix(third.Link, "/"), "/")
	err = filepath.WalkDir(c.State, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), parts[len(parts)-1]) {
			t.Errorf("%s has the key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Without a port for browsers there is no link, and the server says how to get one.
func TestNoPortForBrowsers(t *testing.T) {
	c := config(t, t.TempDir())
	start(t, c)
	if _, err := server.NewControl(c.State).Link(t.Context(), "Lobby TV", ""); err == nil || !strings.Contains(err.Error(), "--view") {
		t.Errorf("error %v", err)
	}
}
