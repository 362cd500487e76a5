package server

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// Bounds of pairings.
const (
	pairingDir = "pairings"
	// maxPairings is how many wait at a time, and maxFromPeer how many of them at one address: anybody may ask.
	maxPairings = 100
	maxFromPeer = 20
	// pairingLife is how long one waits, and how long a decision is remembered.
	pairingLife = 24 * time.Hour
	// pairingRetry is how often a viewer asks, in seconds, and rejectedFor how long it is told that it was rejected.
	pairingRetry = 5
	rejectedFor  = time.Hour
)

// A Pairing is the request of a viewer without a join token, which a person is to decide on.
type Pairing struct {
	// ID is made of the viewer's public key.
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Device protocol.Device `json:"device"`
	// Peer is the address that it asks from.
	Peer string `json:"peer,omitempty"`
	// Code is what the viewer shows too; empty until both ends know it.
	Code       string         `json:"code,omitempty"`
	Since      time.Time      `json:"since"`
	Commitment string         `json:"commitment,omitempty"`
	Nonce      protocol.Nonce `json:"nonce"`
	// Approved is when it was taken in, with Viewer, and Rejected when it was turned down.
	Approved time.Time `json:"approved,omitzero"`
	Viewer   string    `json:"viewer,omitempty"`
	Rejected time.Time `json:"rejected,omitzero"`
}

// errBusy says that more viewers ask than a person could look at.
var errBusy = errors.New("too many viewers wait for approval at this site; approve or reject some with `vitrine-server viewers`")

// errBeginAgain says that a viewer's request isn't known any more.
var errBeginAgain = errors.New("this request isn't known here any more; the viewer begins again")

// Pair takes a viewer's request, or says what has become of it: a viewer that was approved gets its certificate, as often as it asks within the
// pairing's life. peer is the address that it asks from. Nobody is taken in who hasn't been approved by a person.
func (s *Site) Pair(r protocol.PairRequest, peer string) (waits *protocol.PairResponse, response protocol.EnrollResponse, err error) {
	public, err := parseCSR(r.CSR)
	if err != nil {
		return nil, response, refusal{"certificate request: " + err.Error()}
	}
	if err := protocol.CheckName(r.Name); err != nil {
		return nil, response, refusal{err.Error()}
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, response, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.pairing(r, pairingID(spki), peer)
	if err != nil {
		return nil, response, err
	}
	switch {
	case !p.Rejected.IsZero():
		return nil, response, refusal{fmt.Sprintf("this viewer was rejected at the site on %s", p.Rejected.Format(time.DateTime))}
	case !p.Approved.IsZero():
		response, err = s.takeIn(p, public)
		return nil, response, err
	case r.Nonce != nil && p.Code == "":
		if subtle.ConstantTimeCompare([]byte(protocol.Commit(spki, *r.Nonce)), []byte(p.Commitment)) != 1 {
			return nil, response, refusal{"the nonce isn't the one that the viewer committed itself to"}
		}
		if p.Code, err = protocol.PairingCode(spki, s.Pin(), *r.Nonce, p.Nonce); err != nil {
			return nil, response, err
		}
		if err := s.keep(p); err != nil {
			return nil, response, err
		}
	}
	return &protocol.PairResponse{Site: s.record.Name, Nonce: p.Nonce, RetryAfter: pairingRetry}, response, nil
}

// pairing finds the pairing of a request, or begins one. With another commitment a viewer begins again.
func (s *Site) pairing(r protocol.PairRequest, id, peer string) (Pairing, error) {
	all, err := s.Pairings()
	if err != nil {
		return Pairing{}, err
	}
	at := slices.IndexFunc(all, func(p Pairing) bool { return p.ID == id })
	if at >= 0 && (all[at].Commitment == r.Commitment || !all[at].Rejected.IsZero()) {
		return all[at], nil
	}
	if r.Nonce != nil {
		return Pairing{}, errBeginAgain
	}
	fromPeer := 0
	for _, p := range all {
		if p.Peer == peer && p.Approved.IsZero() && p.ID != id {
			fromPeer++
		}
	}
	if at < 0 && len(all) >= maxPairings || fromPeer >= maxFromPeer {
		return Pairing{}, errBusy
	}
	if len(r.Commitment) > 64 {
		return Pairing{}, refusal{"the commitment is too long"}
	}
	p := Pairing{
		ID: id, Name: r.Name, Device: r.Device, Peer: peer, Since: time.Now().UTC().Truncate(time.Second),
		Commitment: r.Commitment, Nonce: protocol.NewNonce(),
	}
	return p, s.keep(p)
}

// takeIn gives an approved viewer its certificate.
func (s *Site) takeIn(p Pairing, public *ecdsa.PublicKey) (protocol.EnrollResponse, error) {
	v, err := s.Viewer(p.Viewer)
	if err != nil {
		return protocol.EnrollResponse{}, err
	}
	if err := v.admitted(); err != nil {
		return protocol.EnrollResponse{}, refusal{err.Error()}
	}
	if v.Keys, err = keysOf(public); err != nil {
		return protocol.EnrollResponse{}, err
	}
	der, err := s.issue(v.ID, public, s.viewerLife, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return protocol.EnrollResponse{}, err
	}
	return s.response(v, der), atomicfile.WriteJSON(s.viewerPath(v.ID), v, 0o600)
}

func pairingID(spki []byte) string {
	sum := sha256.Sum256(spki)
	return fmt.Sprintf("%x", sum[:10])
}

func (s *Site) pairingPath(id string) string { return filepath.Join(s.dir, pairingDir, id+".json") }

func (s *Site) keep(p Pairing) error { return atomicfile.WriteJSON(s.pairingPath(p.ID), p, 0o600) }

// Pairings lists the pairings, oldest first, and forgets those that are over. A viewer that was approved or rejected is among them for a
// while.
func (s *Site) Pairings() ([]Pairing, error) {
	ids, err := listIDs(filepath.Join(s.dir, pairingDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Pairing
	for _, id := range ids {
		var p Pairing
		if err := readJSON(s.pairingPath(id), &p); err != nil {
			return nil, err
		}
		if time.Since(p.Since) > pairingLife || !p.Rejected.IsZero() && time.Since(p.Rejected) > rejectedFor {
			if err := os.Remove(s.pairingPath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			continue
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Pairing) int { return a.Since.Compare(b.Since) })
	return list, nil
}

// Waiting lists the pairings that a person is to decide on: those of which both ends know the code.
func (s *Site) Waiting() ([]Pairing, error) {
	all, err := s.Pairings()
	return slices.DeleteFunc(all, func(p Pairing) bool {
		return p.Code == "" || !p.Approved.IsZero() || !p.Rejected.IsZero()
	}), err
}

// find gives the one pairing that waits and has that code or name.
func (s *Site) find(codeOrName string) (Pairing, error) {
	waiting, err := s.Waiting()
	if err != nil {
		return Pairing{}, err
	}
	code, isCode := protocol.ParsePairingCode(codeOrName)
	var found []Pairing
	for _, p := range waiting {
		if isCode && p.Code == code || p.Name == codeOrName {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return Pairing{}, fmt.Errorf("no viewer with the code or name %.80q waits for approval; `vitrine-server viewers list` shows those that do", codeOrName)
	case 1:
		return found[0], nil
	}
	return Pairing{}, fmt.Errorf("%d viewers called %.80q wait for approval; say which by its code", len(found), codeOrName)
}

// Approve takes in the viewer that waits with that code or name. It gets the given name, or the one that it would like; or, with as, it takes
// the place of a viewer of the site, by id or name, with its id and name: that one's certificate is worth nothing any more.
func (s *Site) Approve(codeOrName, name, as string) (Viewer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.find(codeOrName)
	if err != nil {
		return Viewer{}, err
	}
	if name != "" {
		if err := protocol.CheckName(name); err != nil {
			return Viewer{}, err
		}
	}
	viewers, err := s.Viewers()
	if err != nil {
		return Viewer{}, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	v := Viewer{ID: newID(), Name: freeName(first(name, p.Name), viewers), Enrolled: now, Paired: p.Code, Device: p.Device}
	if as != "" {
		old, err := s.Viewer(as)
		if err != nil {
			return Viewer{}, err
		}
		if old.Browser() {
			return Viewer{}, fmt.Errorf("viewer %s is a browser; a device can't take its place", old.Name)
		}
		v.ID, v.Name, v.Keys = old.ID, old.Name, []string{noKey}
	}
	if err := atomicfile.WriteJSON(s.viewerPath(v.ID), v, 0o600); err != nil {
		return Viewer{}, err
	}
	p.Approved, p.Viewer = now, v.ID
	return v, s.keep(p)
}

// Reject turns down the viewer that waits with that code or name.
func (s *Site) Reject(codeOrName string) (Pairing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.find(codeOrName)
	if err != nil {
		return Pairing{}, err
	}
	p.Rejected = time.Now().UTC().Truncate(time.Second)
	return p, s.keep(p)
}

// withdraw forgets what a machine, by its fingerprint, waits for: the site has taken it for a viewer that it knows, and approval would make it a second one.
func (s *Site) withdraw(fingerprint string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting, err := s.Waiting()
	for _, p := range waiting {
		if p.Device.Fingerprint == fingerprint {
			err = errors.Join(err, os.Remove(s.pairingPath(p.ID)))
		}
	}
	return err
}

// noKey is in place of a key until the viewer has fetched its certificate.
const noKey = "none"

func first(values ...string) string {
	for _, v := range values {
		if strings.TrimSpace(v) != "" {
			return v
		}
	}
	return ""
}
