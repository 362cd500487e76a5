package manifest_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"vitrine/content/manifest"
)

// The key of RFC 8037, appendices A.1 and A.2.
const (
	rfcSeed   = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
	rfcPublic = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
)

func rfcKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	seed, err := base64.RawURLEncoding.DecodeString(rfcSeed)
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

// by makes a signature by hand: header and payload as text, joined and signed here.
func by(key ed25519.PrivateKey, header, payload string) (protected, mac string) {
	protected = base64.RawURLEncoding.EncodeToString([]byte(header))
	input := protected + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return protected, base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(input)))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

const ourHeader = `{"alg":"EdDSA","typ":"vitrine-manifest"}`

func TestSignMatchesAHandMadeSignature(t *testing.T) {
	key := rfcKey(t)
	if got := base64.RawURLEncoding.EncodeToString(public(key)); got != rfcPublic {
		t.Fatalf("public key %s, want that of the RFC", got)
	}
	// The hand-made way is right: it gives the signature of appendix A.4.
	const rfcSignature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	if _, mac := by(key, `{"alg":"EdDSA"}`, "Example of Ed25519 signing"); mac != rfcSignature {
		t.Fatalf("signature %s, want that of the RFC", mac)
	}
	protected, mac := by(key, ourHeader, good)
	if got := manifest.Sign(key, []byte(good)); got != protected+".."+mac {
		t.Errorf("signature %s, want %s..%s", got, protected, mac)
	}
}

func TestVerify(t *testing.T) {
	key := rfcKey(t)
	signed := func(header string) string {
		protected, mac := by(key, header, good)
		return protected + ".." + mac
	}
	ours := signed(ourHeader)
	protected, mac, _ := strings.Cut(ours, "..")
	other := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", mac[len(mac)-1])
	loose := mac[:len(mac)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1])

	for _, test := range []struct {
		name, signature, document string
		key                       ed25519.PublicKey
		want                      string
	}{
		{"right", ours, good, public(key), ""},
		{"by another library", signed(`{ "typ":"vitrine-manifest", "kid":"1", "alg":"EdDSA" }`), good, public(key), ""},
		{"wrong key", ours, good, public(other), "publishing key"},
		{"no key", ours, good, nil, "no publishing key"},
		{"changed byte", ours, strings.Replace(good, "lobby", "lobbz", 1), public(key), "changed"},
		{"half a document", ours, good[1:], public(key), "changed"},
		{"alg none", signed(`{"alg":"none","typ":"vitrine-manifest"}`), good, public(key), "algorithm"},
		{"alg none without signature", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"vitrine-manifest"}`)) + "..", good, public(key), "algorithm"},
		{"alg HS256", signed(`{"alg":"HS256","typ":"vitrine-manifest"}`), good, public(key), "algorithm"},
		{"other typ", signed(`{"alg":"EdDSA","typ":"vitrine-release"}`), good, public(key), "vitrine-release"},
		{"no typ", signed(`{"alg":"EdDSA"}`), good, public(key), "not for a"},
		{"crit", signed(`{"alg":"EdDSA","typ":"vitrine-manifest","crit":["b64"],"b64":false}`), good, public(key), "critical"},
		{"crit null", signed(`{"alg":"EdDSA","typ":"vitrine-manifest","crit":null}`), good, public(key), "critical"},
		{"header no JSON", signed(`EdDSA`), good, public(key), "header"},
		{"attached payload", protected + "." + base64.RawURLEncoding.EncodeToString([]byte(good)) + "." + mac, good, public(key), "detached"},
		{"attached short payload", protected + ".e30." + mac, good, public(key), "detached"},
		{"padding", ours + "==", good, public(key), "base64"},
		{"loose last bits", protected + ".." + loose, good, public(key), "base64"},
		{"line break", protected + ".." + mac[:10] + "\n" + mac[10:], good, public(key), "JWS"},
		{"not URL-safe", protected + ".." + "+" + mac[1:], good, public(key), "base64"},
		{"four parts", ours + ".x", good, public(key), "JWS"},
		{"short", protected + ".." + mac[:40], good, public(key), "publishing key"},
		{"empty", "", good, public(key), "JWS"},
		{"dots", "..", good, public(key), "signature"},
		{"very long", protected + ".." + strings.Repeat("A", 2000), good, public(key), "JWS"},
	} {
		err := manifest.Verify(test.key, []byte(test.document), test.signature)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want an error with %q", test.name, err, test.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	key := rfcKey(f)
	right := manifest.Sign(key, []byte(good))
	f.Add(right)
	f.Add("..")
	f.Add("e30..e30")
	f.Add(right + "\n")
	f.Fuzz(func(t *testing.T, signature string) {
		if manifest.Verify(public(key), []byte(good), signature) == nil && signature != right {
			t.Fatalf("a second spelling is taken: %q", signature)
		}
	})
}
