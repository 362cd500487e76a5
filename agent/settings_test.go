package agent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"vitrine/agent"
	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/agent/provision"
)

// somePage is a page that hears what is to be on the screen.
func somePage(t *testing.T, addr string) (next func(kind, field string) string) {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/v1/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() }) // at the end nobody listens
	return func(kind, field string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for {
			_, data, err := conn.Read(ctx)
			if err != nil {
				t.Fatalf("the page hears nothing of a kind %q: %v", kind, err)
			}
			var m map[string]any
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if m["type"] == kind {
				text, _ := m[field].(string)
				return text
			}
		}
	}
}

// What is done with a stick is on the screen, over the programme and where the session's state is; what is wrong changes nothing.
func TestSettingsOnTheScreen(t *testing.T) {
	state, anew := t.TempDir(), 0
	a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0", StartAnew: func() { anew++ }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.ServePage(ctx) }()
	<-a.Ready()
	next := somePage(t, a.Page())
	next("hello", "")
	next("status", "")
	stick := t.TempDir()
	put := func(text string) bool {
		t.Helper()
		if err := os.WriteFile(filepath.Join(stick, "vitrine.toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return a.TakeSettings(t.Context(), stick)
	}
	report := func() string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(stick, provision.ReportName))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}

	if put("name = \"Lobby\"\n\nwifi = \"TOPSECRET\"\n") || anew != 0 {
		t.Error("the viewer starts anew with what is wrong")
	}
	// A page that is slow doesn't hear what was true for a moment only.
	const first, last = "Reading the settings on the USB stick", "NOT taken: vitrine.toml, line 3, column 1: there is no setting called \"wifi\""
	for _, m := range []struct{ kind, field string }{{"status", "message"}, {"identify", "name"}} {
		got := next(m.kind, m.field)
		for strings.Contains(got, first) {
			got = next(m.kind, m.field)
		}
		if !strings.Contains(got, last) {
			t.Errorf("the screen's %s says %q, want %q", m.kind, got, last)
		}
	}
	if got := report(); !strings.Contains(got, "NOT DONE") || strings.Contains(got, "TOPSECRET") {
		t.Errorf("report %s", got)
	}
	if provision.Load(state) != nil {
		t.Error("something is kept")
	}

	if !put("name = \"Lobby\"\n") || anew != 1 {
		t.Error("the viewer doesn't start anew")
	}
	if c, damage, err := provision.Settings(nil, state); err != nil || damage != nil || c.Name != "Lobby" {
		t.Errorf("%+v, %v, %v", c, damage, err)
	}
	if put("name = \"Lobby\"\n") || anew != 1 {
		t.Error("the same settings are taken twice")
	}
	for got := ""; !strings.Contains(got, "are in effect"); {
		got = next("identify", "name")
	}
	if got := report(); !strings.Contains(got, "Done. The settings are in effect") {
		t.Errorf("report %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A viewer that can't be started anew, or is to take nothing, says so.
func TestSettingsRefused(t *testing.T) {
	for want, c := range map[string]agent.Config{
		"can't be started anew by itself": {},
		"usb.settings = \"never\"":        {StartAnew: func() {}, Sticks: config.NoSticks},
	} {
		c.State, c.Page = t.TempDir(), "127.0.0.1:0"
		a, err := agent.New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		stick := t.TempDir()
		if err := os.WriteFile(filepath.Join(stick, "vitrine.toml"), []byte("name = \"Lobby\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if a.TakeSettings(t.Context(), stick) {
			t.Errorf("%s: they are taken", want)
		}
		if data, err := os.ReadFile(filepath.Join(stick, provision.ReportName)); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s, %v, want %q", data, err, want)
		}
	}
}

// Two sticks with different settings don't have the viewer start anew for ever: what was put in last counts, until one is pulled out or the power is cut.
func TestTwoSticks(t *testing.T) {
	anew := 0
	a, err := agent.New(agent.Config{State: t.TempDir(), Page: "127.0.0.1:0", StartAnew: func() { anew++ }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	sticks := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	for i, dir := range sticks {
		if err := os.WriteFile(filepath.Join(dir, "vitrine.toml"), fmt.Appendf(nil, "name = \"Stick %d\"\n", i), 0o644); err != nil {
			t.Fatal(err)
		}
		if !a.TakeSettings(t.Context(), dir) {
			t.Errorf("stick %d isn't taken", i)
		}
	}
	for range 2 {
		for i, dir := range sticks {
			if a.TakeSettings(t.Context(), dir) {
				t.Errorf("stick %d is taken again", i)
			}
		}
	}
	if data, err := os.ReadFile(filepath.Join(sticks[1], provision.ReportName)); err != nil || !strings.Contains(string(data), "another stick that is in has other settings") {
		t.Errorf("the report says %s, %v", data, err)
	}
	a.PullOut()
	if !a.TakeSettings(t.Context(), sticks[0]) || anew != len(sticks)+1 {
		t.Errorf("after one was pulled out another isn't taken; %d starts", anew)
	}
}

// belong makes a viewer one of a site with this publishing key, with a certificate of its own.
func belong(t *testing.T, state string, publishing ed25519.PublicKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "v1"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	answer, err := json.Marshal(protocol.EnrollResponse{Viewer: "v1", Site: "shop", Certificate: certificate, CA: certificate,
		PublishingKey: base64.RawURLEncoding.EncodeToString(publishing)})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(state, "identity")
	err = errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "enrolment.json"), answer, 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// What is refused on the card, which stays in, is said of the card, and once: at later starts it would cover the programme.
func TestSettingsOnTheCard(t *testing.T) {
	state, card := t.TempDir(), t.TempDir()
	belong(t, state, make([]byte, ed25519.PublicKeySize))
	said := func(text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(card, "vitrine.toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0", StartAnew: func() {}})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if a.TakeSettingsOfCard(t.Context(), card) {
			t.Error("they are taken")
		}
		return a.Noticed()
	}
	for _, text := range []string{"name = \"Lobby\"\n", "name = \"Entrance\"\n", "nmae = \"Lobby\"\n"} {
		if got := said(text); !strings.HasPrefix(got, "The settings on the card are NOT taken: ") {
			t.Errorf("%s: the screen says %q", text, got)
		}
		if got := said(text); got != "" {
			t.Errorf("%s: at the next start the screen says %q", text, got)
		}
	}
	if err := os.Remove(filepath.Join(state, "identity", "enrolment.json")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := said("nmae = \"Lobby\"\n"); got == "" {
			t.Error("a viewer without a site doesn't say that it takes nothing")
		}
	}
}

// A stick on which nothing is found gets a word on the screen, where that covers no programme, nor what is said of another one.
func TestNoSettingsOnAStick(t *testing.T) {
	state := t.TempDir()
	var before []string
	said := func(t *testing.T, card bool, files ...string) string {
		t.Helper()
		a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0", StartAnew: func() {}})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		dir := t.TempDir()
		for _, name := range files {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		var anew bool
		if card {
			anew = a.TakeSettingsOfCard(t.Context(), dir)
		} else {
			anew = a.TakeSettings(t.Context(), append(slices.Clone(before), dir)...)
		}
		if anew {
			t.Error("the viewer starts anew")
		}
		if _, err := os.Stat(filepath.Join(dir, provision.ReportName)); err == nil {
			t.Error("there is a report on somebody's stick")
		}
		return a.Noticed()
	}
	const want = `Nothing is taken from the USB stick: there is no vitrine.toml at the root of this stick; there is "vitrine (1).toml": rename it to vitrine.toml`
	if got := said(t, false, "vitrine (1).toml"); got != want {
		t.Errorf("the screen says %q", got)
	}
	if got := said(t, false); !strings.HasSuffix(got, "at the root of this stick") {
		t.Errorf("the screen says %q of an empty one", got)
	}
	if got := said(t, false, "vitrine/programme.json"); got != "" {
		t.Errorf("the screen says %q of one with a programme", got)
	}
	if got := said(t, true); got != "" {
		t.Errorf("the screen says %q of the card", got)
	}
	before = []string{t.TempDir()}
	if err := os.WriteFile(filepath.Join(before[0], "vitrine.toml"), []byte("nmae = \"Lobby\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := said(t, false); !strings.Contains(got, "there is no setting called") {
		t.Errorf("over what is said of another stick is said %q", got)
	}
	before = nil
	belong(t, state, make([]byte, ed25519.PublicKeySize))
	if got := said(t, false, "vitrine (1).toml"); got != "" {
		t.Errorf("over the programme is said %q", got)
	}
}

// A stick that can't be used is spoken of on the screen, but not over a programme at each start if it stays in.
func TestStickThatCantBeMounted(t *testing.T) {
	for name, c := range map[string]struct {
		enrolled bool
		after    time.Duration
		want     string
	}{
		"at the start, no site": {false, 0, "The USB stick can't be used: it has no file system"},
		"at the start":          {true, 0, ""},
		"later":                 {true, time.Minute, "The USB stick can't be used: it has no file system"},
	} {
		state := t.TempDir()
		if c.enrolled {
			belong(t, state, make([]byte, ed25519.PublicKeySize))
		}
		a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		a.CannotMount(c.after, errors.New("it has no file system"))
		if got := a.Noticed(); got != c.want {
			t.Errorf("%s: the screen says %q, want %q", name, got, c.want)
		}
	}
}

// Whoever is there to pull the plug may set up a viewer that belongs to a site, if its own file says so; the stick's can't.
func TestPresenceCounts(t *testing.T) {
	for name, c := range map[string]struct {
		policy config.Sticks
		up     time.Duration
		taken  bool
	}{
		"just switched on":  {config.PowerUpSticks, time.Minute, true},
		"long ago":          {config.PowerUpSticks, provision.PresenceTime, false},
		"who knows when":    {config.PowerUpSticks, 0, false},
		"signed ones alone": {config.SignedSticks, time.Minute, false},
	} {
		state, stick, anew := t.TempDir(), t.TempDir(), 0
		belong(t, state, make([]byte, ed25519.PublicKeySize))
		if err := os.WriteFile(filepath.Join(stick, "vitrine.toml"), []byte("location = \"hall\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0", Sticks: c.policy, StartAnew: func() { anew++ }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		if taken := a.TakeSettingsSoon(t.Context(), c.up, stick); taken != c.taken || (anew == 1) != c.taken || (provision.Load(state) != nil) != c.taken {
			t.Errorf("%s: taken %t, started anew %d times; the screen says %q", name, taken, anew, a.Noticed())
		}
		switchOff := strings.Contains(a.Noticed(), "or switch the player off and on")
		if want := c.policy == config.PowerUpSticks && !c.taken; switchOff != want {
			t.Errorf("%s: the screen says %q", name, a.Noticed())
		}
	}
}
