package jws_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"vitrine/content/jws"
)

// A signature for one thing is none for another; content/manifest has the rest of the tests, with the vectors of RFC 8037.
func TestTypes(t *testing.T) {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte("payload")
	signature := jws.Sign(key, []byte(`{"alg":"EdDSA","typ":"a","more":1}`), payload)
	if err := jws.Verify(public, "a", payload, signature); err != nil {
		t.Error(err)
	}
	if err := jws.Verify(public, "b", payload, signature); err == nil || !strings.Contains(err.Error(), `it is for a "a", not for a b`) {
		t.Errorf("another type: %v", err)
	}
	if header, err := jws.Header("a", signature); err != nil || string(header) != `{"alg":"EdDSA","typ":"a","more":1}` {
		t.Errorf("header %s, %v", header, err)
	}
}
