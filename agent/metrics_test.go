package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// The figures of a viewer that runs: Prometheus' own reader takes them, and the dashboard asks for nothing else.
func TestFigures(t *testing.T) {
	a, err := New(Config{State: t.TempDir(), Page: "127.0.0.1:0", Name: "Lobby"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	// Its page alone: nothing goes out onto the network.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.player.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	<-a.Ready()
	a.fault(faultContent, io.ErrUnexpectedEOF)
	resp, err := http.Get("http://" + a.Page() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("it is of the type %q", got)
	}
	for _, want := range []string{"vitrine_session_up 0\n", `vitrine_session_state{state="offline"} `, `vitrine_fault{code="content"} 1` + "\n", "vitrine_faults 1\n", "vitrine_pages 0\n",
		`vitrine_clock_trust{trust="rtc"} 1` + "\n", "\nvitrine_disk_free_bytes ", "\nvitrine_memory_available_bytes "} {
		if !strings.Contains(string(page), want) {
			t.Errorf("there is no %q:\n%s", want, page)
		}
	}
	known := map[string]bool{"time": true}
	for _, name := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllSubmatch(page, -1) {
		known[string(name[1])] = true
	}
	for _, query := range queries(t) {
		for _, name := range regexp.MustCompile(`\b(?:vitrine|process|go)_[a-z0-9_]+`).FindAllString(query, -1) {
			if !known[name] {
				t.Errorf("the dashboard asks for %s, which isn't there: %s", name, query)
			}
		}
	}

	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is missing")
		}
		t.Skip("promtool is missing")
	}
	c := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	c.Stdin = bytes.NewReader(page)
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	// And its queries, as a rule each: promtool knows the language.
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, query := range queries(t) {
		if strings.HasPrefix(query, "label_values(") {
			continue // Grafana's own
		}
		text, err := json.Marshal(strings.ReplaceAll(query, "$viewer", ".*"))
		if err != nil {
			t.Fatal(err)
		}
		rules.WriteString("  - {record: a, expr: " + string(text) + "}\n")
	}
	file := t.TempDir() + "/rules.yml"
	if err := os.WriteFile(file, []byte(rules.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// queries are what the dashboard in build/ asks Prometheus.
func queries(t *testing.T) []string {
	t.Helper()
	var dashboard struct {
		Templating struct {
			List []struct {
				Query any `json:"query"`
			} `json:"list"`
		} `json:"templating"`
		Panels []struct {
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	data, err := os.ReadFile("../build/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, v := range dashboard.Templating.List {
		if q, ok := v.Query.(map[string]any); ok {
			list = append(list, q["query"].(string))
		}
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			list = append(list, target.Expr)
		}
	}
	if len(list) < 10 {
		t.Fatalf("the dashboard has only %d queries", len(list))
	}
	return list
}
