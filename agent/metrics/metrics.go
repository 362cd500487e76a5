// Package metrics writes figures as Prometheus reads them: its text format, version 0.0.4.
//
// It owns the form alone: names, units and values are the caller's.
package metrics

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Page is a list of figures. Its zero value is empty.
type Page struct{ b bytes.Buffer }

// A Sample is one value of a figure. Labels are names and values by turns.
type Sample struct {
	Value  float64
	Labels []string
}

// Of makes a sample.
func Of(value float64, labels ...string) Sample { return Sample{value, labels} }

// Bool is 1 for true.
func Bool(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Gauge adds a figure that goes up and down. One without samples is there by name: at present it has no value.
func (p *Page) Gauge(name, help string, samples ...Sample) { p.add("gauge", name, help, samples) }

// Counter adds a figure that only grows, whose name ends in _total.
func (p *Page) Counter(name, help string, samples ...Sample) { p.add("counter", name, help, samples) }

// State adds a gauge with a sample for each state, which is 1 for the one that holds.
func (p *Page) State(name, help, label, now string, all ...string) {
	var samples []Sample
	for _, s := range all {
		samples = append(samples, Of(Bool(s == now), label, s))
	}
	p.Gauge(name, help, samples...)
}

func (p *Page) add(kind, name, help string, samples []Sample) {
	fmt.Fprintf(&p.b, "# HELP %s %s\n# TYPE %s %s\n", name, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help), name, kind)
	for _, s := range samples {
		p.b.WriteString(name)
		for i := 0; i+1 < len(s.Labels); i += 2 {
			separator := ","
			if i == 0 {
				separator = "{"
			}
			value := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(strings.ToValidUTF8(s.Labels[i+1], "\uFFFD"))
			fmt.Fprintf(&p.b, `%s%s="%s"`, separator, s.Labels[i], value)
		}
		if len(s.Labels) > 1 {
			p.b.WriteByte('}')
		}
		fmt.Fprintf(&p.b, " %s\n", number(s.Value))
	}
}

func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return fmt.Sprintf("%+f", v)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Bytes is the page as it is sent.
func (p *Page) Bytes() []byte { return p.b.Bytes() }
