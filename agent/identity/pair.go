package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"vitrine/agent/protocol"
)

// A PendingError says that a person at the site must approve this viewer.
type PendingError struct {
	// Site is what the server says it belongs to, and Code what both ends show.
	Site, Code string
	// After is when to ask again.
	After time.Duration
}

func (e *PendingError) Error() string {
	return fmt.Sprintf("site %q must approve this viewer: compare the code %s with the one there, `vitrine-server viewers list` shows it, and approve it", e.Site, e.Code)
}

// RetryAfter is After.
func (e *PendingError) RetryAfter() time.Duration { return e.After }

// pairingPatience is how long a viewer stays with a site that it has asked to take it in and that it can't reach any more.
const pairingPatience = 5 * time.Minute

// A pairing is the request of this viewer to be taken in without a join token.
type pairing struct {
	key         crypto.Signer
	own, theirs protocol.Nonce
	// ca is the site's CA, as the first connection showed it. Nobody has vouched for it yet; the code does.
	ca   protocol.Pin
	code string
	// heard is when the site last answered.
	heard time.Time
}

// Pair asks the server at addr ("host:port") to take this viewer in, without a join token: a person compares the code that both ends show. It is
// called again and again, until the error isn't a *PendingError any more. The code stays the same for as long as it is the same site that
// answers; what is with another one meanwhile is refused. No secret is sent. It is for one caller at a time.
func (id *Identity) Pair(ctx context.Context, addr, name string, device protocol.Device, clock Time) error {
	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	if p := id.pairing; p != nil && time.Since(p.heard) > pairingPatience {
		id.pairing = nil
	}
	err := id.pairOnce(ctx, addr, name, device, clock)
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.status == http.StatusConflict {
		// The site has forgotten it: with another code, from the beginning.
		err = id.pairOnce(ctx, addr, name, device, clock)
	}
	return err
}

func (id *Identity) pairOnce(ctx context.Context, addr, name string, device protocol.Device, clock Time) error {
	if id.pairing == nil {
		if err := id.beginPairing(ctx, addr, name, device, clock); err != nil {
			return err
		}
	}
	err := id.askAgain(ctx, addr, name, device, clock)
	if _, refused := errors.AsType[*RefusedError](err); refused {
		id.pairing = nil
	}
	return err
}

// beginPairing makes the first request: it commits this end to a nonce, and learns the other's.
func (id *Identity) beginPairing(ctx context.Context, addr, name string, device protocol.Device, clock Time) error {
	p := &pairing{own: protocol.NewNonce()}
	var err error
	if _, enrolled := id.Enrolment(); enrolled {
		// What the old key was good for is over.
		p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		p.key, err = id.own()
	}
	if err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		return err
	}
	status, answer, err := id.pairRequest(ctx, addr, p, nil, name, device, anyTLS(&p.ca, clock))
	if err != nil {
		return err
	}
	if status != http.StatusAccepted {
		return errors.New("the server took this viewer in before anybody could compare a code; that is not believed")
	}
	var waits protocol.PairResponse
	if err := json.Unmarshal(answer, &waits); err != nil {
		return fmt.Errorf("the server's answer can't be read: %w", err)
	}
	p.theirs, p.heard = waits.Nonce, time.Now()
	if p.code, err = protocol.PairingCode(spki, p.ca, p.own, p.theirs); err != nil {
		return err
	}
	id.pairing = p
	return nil
}

// askAgain shows the server this end's nonce, and asks what has been decided.
func (id *Identity) askAgain(ctx context.Context, addr, name string, device protocol.Device, clock Time) error {
	p := id.pairing
	status, answer, err := id.pairRequest(ctx, addr, p, &p.own, name, device, pinnedTLS(p.ca, clock))
	if err != nil {
		return err
	}
	p.heard = time.Now()
	if status == http.StatusAccepted {
		var waits protocol.PairResponse
		if err := json.Unmarshal(answer, &waits); err != nil {
			return fmt.Errorf("the server's answer can't be read: %w", err)
		}
		if waits.Nonce != p.theirs {
			id.pairing = nil
			return errors.New("the server changed its mind about the code; the pairing begins again")
		}
		return &PendingError{Site: waits.Site, Code: p.code, After: time.Duration(waits.RetryAfter) * time.Second}
	}
	var response protocol.EnrollResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		return fmt.Errorf("the server's answer can't be read: %w", err)
	}
	if ca, err := parseCertificate("CA certificate", response.CA); err != nil || protocol.PinOf(ca) != p.ca {
		return &TrustError{Site: response.Site, Reason: "the server answered with another CA than the one that the code is for"}
	}
	if err := id.keep(record{EnrollResponse: response}, p.key); err != nil {
		return err
	}
	id.pairing = nil
	return nil
}

// pairRequest sends one request for pairing.
func (id *Identity) pairRequest(ctx context.Context, addr string, p *pairing, nonce *protocol.Nonce, name string, device protocol.Device, config *tls.Config) (int, []byte, error) {
	csr, err := certificateRequest(p.key)
	if err != nil {
		return 0, nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		return 0, nil, err
	}
	body, err := json.Marshal(protocol.PairRequest{CSR: csr, Name: name, Device: device, Commitment: protocol.Commit(spki, p.own), Nonce: nonce})
	if err != nil {
		return 0, nil, err
	}
	return id.send(ctx, addr, protocol.PathPair, config, body)
}

// keep saves an enrolment and, before that, its key, if that isn't the viewer's first: an enrolment without its key would be worth nothing.
func (id *Identity) keep(r record, key crypto.Signer) error {
	id.mu.Lock()
	first := id.key
	id.mu.Unlock()
	if key != first {
		name, err := renewedKey(key)
		if err != nil {
			return err
		}
		if err := writeKey(filepath.Join(id.dir, name), key); err != nil {
			return err
		}
	}
	return id.save(r, key)
}

// anyTLS is the configuration of the first connection of a pairing: whatever CA the server shows is noted in ca, to be in the code.
func anyTLS(ca *protocol.Pin, clock Time) *tls.Config {
	return serverTLS([]string{"http/1.1"}, func(certs []*x509.Certificate) error {
		top := certs[len(certs)-1]
		if len(certs) < 2 || !top.IsCA {
			return &TrustError{Site: siteOf(certs[0]), Reason: "the server doesn't show the CA of its site, so that this viewer can't be paired with it; use a join token"}
		}
		*ca = protocol.PinOf(top)
		roots := x509.NewCertPool()
		roots.AddCert(top)
		return checkServer(certs, roots, siteOf(top), clock)
	})
}
