package release_test

import (
	"crypto/ed25519"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"vitrine/content/digest"
	"vitrine/content/jws"
	"vitrine/content/release"
)

const (
	seven = "sha256:7777777777777777777777777777777777777777777777777777777777777777"
	six   = "sha256:6666666666666666666666666666666666666666666666666666666666666666"
)

// good is a valid document; those below are this one with one thing changed.
const good = `{"format": 1, "version": "1.4.0", "made": "2026-11-29T10:00:00Z", "expires": "2027-11-29T10:00:00Z", "programs": [
 {"os": "linux", "arch": "arm", "arm": 6, "file": "linux-armv6/vitrine", "size": 100, "digest": "` + six + `"},
 {"os": "linux", "arch": "arm", "arm": 7, "file": "linux-armv7/vitrine", "size": 200, "digest": "` + seven + `"},
 {"os": "linux", "arch": "amd64", "file": "linux-amd64/vitrine", "size": 300, "digest": "` + six + `"}]}`

var documents = []struct {
	name, old, new string
	// field must be in the error; "" means that the document is valid. beyond says that a JSON Schema can't express the check.
	field  string
	beyond bool
}{
	{name: "as it is"},
	{name: "unknown fields", old: `"format": 1`, new: `"format": 1, "notes": {"x": []}`},
	{name: "no format", old: `"format": 1, `, field: "format"},
	{name: "format 2", old: `"format": 1`, new: `"format": 2`, field: "format"},
	{name: "no version", old: `"1.4.0"`, new: `""`, field: "version"},
	{name: "version with a path", old: `"1.4.0"`, new: `"../1"`, field: "version"},
	{name: "version with a line break", old: `"1.4.0"`, new: `"1\n"`, field: "version"},
	{name: "version too long", old: `"1.4.0"`, new: `"` + strings.Repeat("1", 65) + `"`, field: "version"},
	{name: "version as a number", old: `"1.4.0"`, new: `1`, field: "version"},
	{name: "made never", old: `"made": "2026-11-29T10:00:00Z", `, field: "made"},
	{name: "made in words", old: `"2026-11-29T10:00:00Z"`, new: `"yesterday"`, field: "time"},
	{name: "expires before it is made", old: `2027-11-29`, new: `2026-11-28`, field: "expires", beyond: true},
	{name: "no programs", old: `"programs"`, new: `"program"`, field: "programs"},
	{name: "no os", old: `"os": "linux", "arch": "amd64"`, new: `"arch": "amd64"`, field: "programs[2].os"},
	{name: "arm of no version", old: `"arm": 7, `, field: "programs[1].arm"},
	{name: "arm 8", old: `"arm": 7`, new: `"arm": 8`, field: "programs[1].arm"},
	{name: "arm on amd64", old: `"arch": "amd64"`, new: `"arch": "amd64", "arm": 7`, field: "programs[2].arm"},
	{name: "twice", old: `"arm": 7`, new: `"arm": 6`, field: "programs[1]: there is another for linux/arm v6", beyond: true},
	{name: "file outside", old: `linux-amd64/vitrine`, new: `../vitrine`, field: "programs[2].file", beyond: true},
	{name: "file from the root", old: `linux-amd64/vitrine`, new: `/vitrine`, field: "programs[2].file"},
	{name: "no size", old: `"size": 300, `, field: "programs[2].size"},
	{name: "too large", old: `"size": 300`, new: `"size": 268435457`, field: "programs[2].size"},
	{name: "no digest", old: `"size": 300, "digest": "` + six + `"`, new: `"size": 300`, field: "programs[2].digest"},
	{name: "digest in capitals", old: seven, new: strings.ToUpper(seven), field: "digest"},
	{name: "not an object", old: good, new: `[]`, field: "release"},
	{name: "cut off", old: `]}`, new: ``, field: "release"},
}

func TestParse(t *testing.T) {
	schema := compile(t)
	for _, d := range documents {
		text := strings.Replace(good, d.old, d.new, 1)
		_, err := release.Parse([]byte(text))
		switch {
		case d.field == "" && err != nil:
			t.Errorf("%s: %v", d.name, err)
		case d.field != "" && (err == nil || !strings.Contains(err.Error(), d.field)):
			t.Errorf("%s: %v; want an error with %q", d.name, err, d.field)
		}
		v, malformed := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if malformed != nil || d.beyond {
			continue
		}
		if invalid := schema.Validate(v); (invalid == nil) != (err == nil) {
			t.Errorf("%s: the schema says %v, and the parser %v", d.name, invalid, err)
		}
	}
	if _, err := release.Parse([]byte(good + strings.Repeat(" ", release.MaxSize))); err == nil {
		t.Error("a document that is too long was read")
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("schema.json")
}

func TestFor(t *testing.T) {
	r, err := release.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[release.Platform]int64{
		{OS: "linux", Arch: "arm", ARM: 7}: 200, {OS: "linux", Arch: "arm", ARM: 6}: 100, {OS: "linux", Arch: "arm", ARM: 5}: 0,
		{OS: "linux", Arch: "amd64"}: 300, {OS: "windows", Arch: "amd64"}: 0, {OS: "linux", Arch: "arm64"}: 0,
	} {
		if got, ok := r.For(p); got.Size != want || ok != (want > 0) {
			t.Errorf("%v: %+v, %v; want %d bytes", p, got, ok, want)
		}
	}
}

func TestSignature(t *testing.T) {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signature := release.Sign(key, []byte(good))
	both := []ed25519.PublicKey{other, public}
	if err := release.Verify(both, []byte(good), signature); err != nil {
		t.Error(err)
	}
	// What the same key has signed as something else, such as a manifest, is not a release.
	manifest := jws.Sign(key, []byte(`{"alg":"EdDSA","typ":"vitrine-manifest"}`), []byte(good))
	for name, err := range map[string]error{
		"another key": release.Verify(both[:1], []byte(good), signature), "no key": release.Verify(nil, []byte(good), signature),
		"changed": release.Verify(both, []byte(good+" "), signature), "a manifest": release.Verify(both, []byte(good), manifest),
		"nothing": release.Verify(both, []byte(good), ""),
	} {
		if err == nil {
			t.Errorf("%s: the signature is taken", name)
		}
	}
	if again, err := release.ParseKey(release.FormatKey(public)); err != nil || !again.Equal(public) {
		t.Errorf("%v, %v", again, err)
	}
	for _, bad := range []string{"", "x", release.FormatKey(public) + "=", strings.Repeat("A", 44)} {
		if _, err := release.ParseKey(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

// What is read, and written again, is the same, and nothing that anybody sends ends the program.
func FuzzParse(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(strings.Replace(good, d.old, d.new, 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := release.Parse(data)
		if err != nil {
			return
		}
		written, err := release.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := release.Parse(written)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		twice, err := release.Marshal(again)
		if err != nil || digest.Of(twice) != digest.Of(written) {
			t.Errorf("%v\n%s\n%s", err, written, twice)
		}
	})
}
