package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vitrine/agent/protocol"
)

// RenewAt is when the certificate is to be renewed, at two thirds of its life, and Expires when it is worth nothing any more.
// Both are zero before the viewer is enrolled.
func (e Enrolment) RenewAt() time.Time {
	if e.certificate == nil {
		return time.Time{}
	}
	return e.certificate.NotAfter.Add(-e.certificate.NotAfter.Sub(e.certificate.NotBefore) / 3)
}

// Expires is when the certificate is worth nothing any more.
func (e Enrolment) Expires() time.Time {
	if e.certificate == nil {
		return time.Time{}
	}
	return e.certificate.NotAfter
}

// Issued is from when on the certificate is good: from when the site made it, or some hours before, for clocks that differ. It is zero before the viewer is
// enrolled.
func (e Enrolment) Issued() time.Time {
	if e.certificate == nil {
		return time.Time{}
	}
	return e.certificate.NotBefore
}

// Renew has the server at addr ("host:port") make a new certificate, for a new key, and keeps both on disk; connections that
// are made from then on use them. The present certificate says who asks; it may have expired. Nothing changes on an error,
// which is a *TrustError, a *RefusedError or a failure of the network.
func (id *Identity) Renew(ctx context.Context, addr string, device protocol.Device, clock Time) error {
	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	config, err := id.ClientTLS(clock, "http/1.1")
	if err != nil {
		return err
	}
	present, _ := id.Enrolment()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr, err := certificateRequest(key)
	if err != nil {
		return err
	}
	body, err := json.Marshal(protocol.RenewRequest{CSR: csr, Device: device})
	if err != nil {
		return err
	}
	answer, err := id.post(ctx, addr, protocol.PathRenew, config, body)
	if err != nil {
		return err
	}
	if err := present.continues(answer); err != nil {
		return fmt.Errorf("the server's answer to the renewal: %w", err)
	}
	return id.keep(record{answer, present.Token}, key)
}

// continues checks that an answer is for the same viewer of the same site: a renewal changes nothing else.
func (e Enrolment) continues(answer protocol.EnrollResponse) error {
	ca, err := parseCertificate("CA certificate", answer.CA)
	switch {
	case err != nil:
		return err
	case answer.Viewer != e.Viewer || answer.Site != e.Site:
		return fmt.Errorf("it is for viewer %.40q of site %.40q, not for this one", answer.Viewer, answer.Site)
	case len(e.chain) < 2 || string(ca.Raw) != string(e.chain[1]):
		return errors.New("it is of another CA")
	}
	return nil
}
