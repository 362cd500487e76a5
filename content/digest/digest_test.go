package digest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"vitrine/content/digest"
)

// The SHA-256 of "abc" is a test vector of FIPS 180-4.
const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestParseAndString(t *testing.T) {
	d, err := digest.Parse(abc)
	if err != nil {
		t.Fatal(err)
	}
	if d != digest.Of([]byte("abc")) || d.String() != abc || d.Short() != "ba7816bf8f01" {
		t.Errorf("got %v (%s)", d, d.Short())
	}
	for _, bad := range []string{"", "sha256:", "sha1:" + abc[7:], abc[:70], abc + "0", strings.ToUpper(abc), "sha256:" + strings.Repeat("g", 64)} {
		if _, err := digest.Parse(bad); err == nil {
			t.Errorf("Parse(%q) gave no error", bad)
		}
	}
}

func TestJSON(t *testing.T) {
	in := map[digest.Digest]digest.Digest{digest.Of([]byte("abc")): {}}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"`+abc+`":""}` {
		t.Fatalf("marshal: %s, %v", b, err)
	}
	var out map[digest.Digest]digest.Digest
	if err := json.Unmarshal(b, &out); err != nil || len(out) != 1 {
		t.Fatalf("unmarshal: %v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"sha256:xyz":""}`), &out); err == nil {
		t.Error("a malformed digest was taken")
	}
}
