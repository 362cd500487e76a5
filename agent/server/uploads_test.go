package server_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
)

// put uploads as a viewer, and gives the status.
func put(t *testing.T, id *identity.Identity, addr, path, contentType string, data []byte) int {
	t.Helper()
	config, err := id.ClientTLS(now, "http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+addr+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// What a viewer uploads is its own, what it should be, and not much.
func TestUploads(t *testing.T) {
	c := config(t, t.TempDir())
	s, _ := start(t, c)
	addr := s.Addr().String()
	lobby, stairs := enrolled(t, s, "lobby"), enrolled(t, s, "stairs")
	e, _ := lobby.Enrolment()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 36)), nil); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	id := protocol.NewULID(begin)
	path := protocol.Screenshot.Path(e.Viewer, id)
	for name, c := range map[string]struct {
		who        *identity.Identity
		path, kind string
		data       []byte
		want       int
	}{
		"another's":        {stairs, path, protocol.Screenshot.Type, b.Bytes(), http.StatusForbidden},
		"empty":            {lobby, path, protocol.Screenshot.Type, nil, http.StatusUnprocessableEntity},
		"no picture":       {lobby, path, protocol.Screenshot.Type, []byte("<html>"), http.StatusUnprocessableEntity},
		"too large":        {lobby, path, protocol.Screenshot.Type, make([]byte, protocol.Screenshot.Max+1), http.StatusRequestEntityTooLarge},
		"of another type":  {lobby, path, "text/html", b.Bytes(), http.StatusBadRequest},
		"under a bad name": {lobby, protocol.Screenshot.Path(e.Viewer, "..%2f..%2fsite.json"), protocol.Screenshot.Type, b.Bytes(), http.StatusBadRequest},
	} {
		if got := put(t, c.who, addr, c.path, c.kind, c.data); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(c.State, "screenshots")); err == nil {
		t.Error("something was kept of that")
	}
	if got := put(t, lobby, addr, path, protocol.Screenshot.Type, b.Bytes()); got != http.StatusNoContent {
		t.Fatalf("status %d", got)
	}
	if data, err := s.Site().Upload("lobby", protocol.Screenshot, id); err != nil || !bytes.Equal(data, b.Bytes()) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	for _, bad := range []string{protocol.NewULID(begin), "../../site"} {
		if _, err := s.Site().Upload("lobby", protocol.Screenshot, bad); err == nil {
			t.Errorf("there is a picture %q", bad)
		}
	}
	bundle := protocol.SupportBundle.Path(e.Viewer, id)
	if got := put(t, lobby, addr, bundle, protocol.SupportBundle.Type, b.Bytes()); got != http.StatusUnprocessableEntity {
		t.Errorf("a picture in place of an archive: status %d", got)
	}
	if got := put(t, lobby, addr, bundle, protocol.SupportBundle.Type, []byte("\x1f\x8b\x08 and more")); got != http.StatusNoContent {
		t.Errorf("an archive: status %d", got)
	}
	if data, err := s.Site().Upload("lobby", protocol.SupportBundle, id); err != nil || len(data) < 3 {
		t.Errorf("an archive: %d bytes, %v", len(data), err)
	}
	for i := range 25 {
		put(t, lobby, addr, protocol.Screenshot.Path(e.Viewer, protocol.NewULID(begin.Add(time.Duration(i+1)*time.Second))), protocol.Screenshot.Type, b.Bytes())
	}
	kept, err := filepath.Glob(filepath.Join(c.State, "screenshots", e.Viewer, "*"))
	if err != nil || len(kept) != 20 || strings.Contains(strings.Join(kept, " "), id) {
		t.Errorf("%d pictures, %v", len(kept), err)
	}
}
