package provision

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vitrine/agent/config"
	"vitrine/content/jws"
)

// signedAs is the type in a signature's header.
const signedAs = "vitrine-settings"

// signatureMark begins the last line of a signed file, which is a comment to whatever reads TOML.
const signatureMark = "# vitrine-signature: "

// A Signature is that of a site, in the last line of a file. What it says is to be believed only once it was verified.
type Signature struct {
	// Site is whose it is.
	Site string
	// Serial grows from each file of a site to the next, and the file is good until Expires.
	Serial  int64
	Expires time.Time

	payload []byte
	jws     string
}

// header is the protected header of a signature.
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	Site      string `json:"site"`
	Serial    int64  `json:"serial"`
	Expires   int64  `json:"exp"`
}

// signatureOf reads the signature of a file; nil if it has none.
func signatureOf(text []byte) (*Signature, error) {
	at := bytes.LastIndex(text, []byte("\n"+signatureMark)) + 1
	if at == 0 {
		return nil, nil
	}
	line := string(bytes.TrimSpace(text[at+len(signatureMark):]))
	raw, err := jws.Header(signedAs, line)
	if err != nil {
		return nil, fmt.Errorf("its last line: %w; sign the file again", err)
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil || h.Site == "" || h.Serial < 1 || h.Expires < 1 {
		return nil, errors.New("its last line: the signature says no site, serial number or date of expiry; sign the file again")
	}
	return &Signature{Site: h.Site, Serial: h.Serial, Expires: time.Unix(h.Expires, 0), payload: text[:at], jws: line}, nil
}

// verify checks the signature with a site's publishing key.
func (s *Signature) verify(site string, key ed25519.PublicKey) error {
	if s.Site != site {
		return fmt.Errorf("it is signed by the site %.60q, and this viewer belongs to %q", s.Site, site)
	}
	if err := jws.Verify(key, signedAs, s.payload, s.jws); err != nil {
		return fmt.Errorf("it was changed after it was signed, or is signed by another site that is called %q, too (%w); sign the file again", site, err)
	}
	return nil
}

// Signable says why no viewer would take a file, signed or not.
func Signable(data []byte) error {
	c, err := config.ParseStick(data)
	switch {
	case err != nil:
		return err
	case len(config.Names(data)) == 0:
		return errNothing
	case len(c.Network.CAFiles) > 0:
		return ErrCAFiles
	}
	return nil
}

// Sign gives a file, in UTF-8, with the signature of a site in its last line, in place of one that it has.
func Sign(data []byte, key ed25519.PrivateKey, site string, serial int64, expires time.Time) ([]byte, error) {
	if err := Signable(data); err != nil {
		return nil, err
	}
	text, err := config.Text(data)
	if err != nil {
		return nil, err
	}
	if at := bytes.LastIndex(text, []byte("\n"+signatureMark)); at >= 0 {
		text = text[:at]
	}
	text = append(bytes.TrimRight(text, " \r\n"), '\n')
	h, err := json.Marshal(header{"EdDSA", signedAs, site, serial, expires.Unix()})
	if err != nil {
		return nil, err
	}
	return append(text, signatureMark+jws.Sign(key, h, text)+"\n"...), nil
}

// ErrCAFiles says that what is in such files isn't signed.
var ErrCAFiles = errors.New("network.ca_files: a signature doesn't reach into other files; put the certificates into network.ca, between three quotes")
