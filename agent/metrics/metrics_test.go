package metrics_test

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"testing"

	"vitrine/agent/metrics"
)

func page() []byte {
	var p metrics.Page
	p.Gauge("vitrine_room_bytes", "Room: a \\ and\na new line.", metrics.Of(1.5e12), metrics.Of(-1, "disk", "a \"b\"\\\n\xff"))
	p.Gauge("vitrine_none_celsius", "Nothing at present.")
	p.Counter("vitrine_lost_total", "Lost.", metrics.Of(math.Inf(1), "a", "x", "b", "y"), metrics.Of(math.NaN()))
	p.State("vitrine_state", "State.", "state", "up", "up", "down")
	return p.Bytes()
}

func TestText(t *testing.T) {
	want := `# HELP vitrine_room_bytes Room: a \\ and\na new line.
# TYPE vitrine_room_bytes gauge
vitrine_room_bytes 1.5e+12
vitrine_room_bytes{disk="a \"b\"\\\n` + "\uFFFD" + `"} -1
# HELP vitrine_none_celsius Nothing at present.
# TYPE vitrine_none_celsius gauge
# HELP vitrine_lost_total Lost.
# TYPE vitrine_lost_total counter
vitrine_lost_total{a="x",b="y"} +Inf
vitrine_lost_total NaN
# HELP vitrine_state State.
# TYPE vitrine_state gauge
vitrine_state{state="up"} 1
vitrine_state{state="down"} 0
`
	if got := string(page()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Prometheus' own reader takes it, and finds nothing wrong with the names.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is missing")
		}
		t.Skip("promtool is missing")
	}
	c := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	c.Stdin = bytes.NewReader(page())
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
