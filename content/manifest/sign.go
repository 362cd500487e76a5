package manifest

import (
	"crypto/ed25519"

	"vitrine/content/jws"
)

// signedAs is the type in a signature's header.
const signedAs = "vitrine-manifest"

// Sign makes the signature of a manifest's bytes.
func Sign(key ed25519.PrivateKey, manifest []byte) string {
	return jws.Sign(key, []byte(`{"alg":"EdDSA","typ":"`+signedAs+`"}`), manifest)
}

// Verify checks a signature that Sign, or any JOSE library, made. The signature may be any text; only one that is right, of
// key and of exactly these bytes gives nil.
func Verify(key ed25519.PublicKey, manifest []byte, signature string) error {
	return jws.Verify(key, signedAs, manifest, signature)
}
