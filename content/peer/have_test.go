package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vitrine/content/digest"
)

// All viewers come to the same order; each asset has another, evenly spread; and when one goes, the turns of the others stay.
func TestAhead(t *testing.T) {
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("viewer %d", i))
	}
	without := func(name string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
	}
	first := map[string]int{}
	for i := range 1000 {
		d := digest.Of([]byte(fmt.Sprint(i)))
		order := make([]string, len(names))
		for _, name := range names {
			before := ahead(d, name, without(name))
			if order[len(before)] != "" {
				t.Fatalf("%s and %s have the same turn", name, order[len(before)])
			}
			order[len(before)] = name
			for j, n := range before {
				if j > 0 && !slices.Contains(ahead(d, n, names), before[j-1]) {
					t.Fatalf("%s sees another order", n)
				}
			}
		}
		first[order[0]]++
		left := ahead(d, order[5], slices.DeleteFunc(without(order[5]), func(n string) bool { return n == order[2] }))
		if !slices.Equal(left, slices.Concat(order[:2], order[3:5])) {
			t.Fatalf("without %s the order is %v, and with it %v", order[2], left, order)
		}
	}
	for name, n := range first {
		if n < 60 || n > 140 {
			t.Errorf("%s is first for %d of 1000", name, n)
		}
	}
}

func TestParseHave(t *testing.T) {
	var many []digest.Digest
	for i := range maxHave + 1 {
		many = append(many, digest.Of([]byte(fmt.Sprint(i))))
	}
	list := func(ds []digest.Digest) string {
		b, err := json.Marshal(ds)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for text, want := range map[string]int{
		"[]": 0, list(many[:maxHave]): maxHave, list(many): -1, "{}": -1, "": -1, `["x"]`: -1, "[" + strings.Repeat(" ", maxHaveBytes): -1,
	} {
		got, err := parseHave(strings.NewReader(text))
		if (err != nil) != (want < 0) || err == nil && len(got) != want {
			t.Errorf("%.40s: %d, %v", text, len(got), err)
		}
	}
}

func FuzzParseHave(f *testing.F) {
	f.Add(`["` + digest.Of(nil).String() + `"]`)
	f.Add(`[null]`)
	f.Fuzz(func(t *testing.T, text string) {
		if list, err := parseHave(strings.NewReader(text)); err == nil && len(list) > maxHave {
			t.Errorf("%d digests", len(list))
		}
	})
}

// Only so many requests are held.
func TestHeldAreBounded(t *testing.T) {
	x := New(Config{Self: func() string { return "" }})
	for range maxHeld {
		if !x.enter() {
			t.Fatal("too few are held")
		}
	}
	s := x.Share(context.Background(), []digest.Digest{digest.Of(nil)}, func(digest.Digest) {})
	defer s.End()
	if x.hold(context.Background(), digest.Of(nil), longestHold) {
		t.Error("it came")
	}
}
