package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The form of a bill of materials (CycloneDX 1.6, as JSON), as far as it is used here.
type (
	bill struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp time.Time `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type     string    `json:"type"`
		Ref      string    `json:"bom-ref"`
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		PURL     string    `json:"purl,omitempty"`
		Hashes   []hash    `json:"hashes,omitempty"`
		Licenses []license `json:"licenses,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	license struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	dependency struct {
		Ref  string   `json:"ref"`
		Onto []string `json:"dependsOn,omitempty"`
	}
)

// materials is the bill of all programs: each for each platform is a component, and depends on the modules in it.
func materials(programs []program, version string, made time.Time) ([]byte, error) {
	whole := component{Type: "application", Ref: "vitrine", Name: "vitrine", Version: version, Licenses: licenses("Apache-2.0")}
	b := bill{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{made, whole}}
	ours := dependency{Ref: whole.Ref}
	for _, p := range programs {
		c := component{
			Type: "application", Ref: p.target() + "/" + p.name(), Name: p.name() + " (" + p.target() + ")", Version: version,
			Hashes: []hash{{"SHA-256", p.sum}}, Licenses: licenses("Apache-2.0"),
		}
		d := dependency{Ref: c.Ref}
		for _, m := range p.modules {
			d.Onto = append(d.Onto, m.url())
		}
		b.Components = append(b.Components, c)
		b.Dependencies = append(b.Dependencies, d)
		ours.Onto = append(ours.Onto, c.Ref)
	}
	b.Dependencies = append([]dependency{ours}, b.Dependencies...)
	for _, m := range modulesOf(programs) {
		b.Components = append(b.Components, component{Type: "library", Ref: m.url(), Name: m.path, Version: m.version, PURL: m.url(), Licenses: licenses(m.licences...)})
		b.Dependencies = append(b.Dependencies, dependency{Ref: m.url()})
	}
	data, err := json.MarshalIndent(b, "", " ")
	return append(data, '\n'), err
}

// url names a module as a package URL.
func (m module) url() string { return "pkg:golang/" + m.path + "@" + m.version }

func licenses(ids ...string) []license {
	list := make([]license, len(ids))
	for i, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		list[i].License.ID = id
	}
	return slices.DeleteFunc(list, func(l license) bool { return l.License.ID == "" })
}

// notices are the licences of all that is in a program, on any platform. Apache's, which is our own, goes along by itself.
func notices(name string, programs []program) string {
	programs = slices.DeleteFunc(slices.Clone(programs), func(p program) bool { return p.name() != name })
	var b strings.Builder
	fmt.Fprintf(&b, `%s is part of Vitrine.
Copyright: the authors of Vitrine.
Licence: Apache 2.0. Its text is in the file LICENSE, and on Debian systems in /usr/share/common-licenses/Apache-2.0.

What others have made, and is in it, has these licences.
`, name)
	seen := map[string]string{}
	for _, m := range modulesOf(programs) {
		fmt.Fprintf(&b, "\n%s\n%s %s: %s\n\n", strings.Repeat("=", 78), m.path, m.version, strings.Join(m.licences, ", "))
		for _, text := range m.texts {
			switch where := seen[text]; {
			case identify(text) == "Apache-2.0":
				b.WriteString("The same text as that of Vitrine.\n")
			case where != "":
				fmt.Fprintf(&b, "The same text as that of %s.\n", where)
			default:
				seen[text] = m.path
				b.WriteString(text + "\n")
			}
		}
	}
	return b.String()
}
