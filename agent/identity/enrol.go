package identity

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vitrine/agent/protocol"
)

// enrolTimeout bounds one enrolment, from dialling to the answer.
const enrolTimeout = 30 * time.Second

// maxAnswer is the largest answer to an enrolment that is read, in bytes.
const maxAnswer = 1 << 20

// A RefusedError is a server's refusal of an enrolment; trying again with the same token is of no use.
type RefusedError struct {
	Reason string
	// Cloned is true if it is because another machine uses this viewer's identity.
	Cloned bool

	status int
}

func (e *RefusedError) Error() string { return e.Reason }

// Enrol asks the server at addr ("host:port") to take this viewer in, with a join token, and keeps the answer on disk.
// The server is believed only if its CA is the one in the token. name is what the viewer would like to be called. Nothing
// changes on an error, which is a *TrustError, a *RefusedError or a failure of the network.
func (id *Identity) Enrol(ctx context.Context, addr string, token protocol.JoinToken, name string, device protocol.Device, clock Time) error {
	ctx, cancel := context.WithTimeout(ctx, enrolTimeout)
	defer cancel()
	key, err := id.own()
	if err != nil {
		return err
	}
	csr, err := certificateRequest(key)
	if err != nil {
		return err
	}
	body, err := json.Marshal(protocol.EnrollRequest{
		TokenID: token.ID,
		Secret:  token.Secret.Reveal(),
		CSR:     csr,
		Name:    name,
		Device:  device,
	})
	if err != nil {
		return err
	}
	answer, err := id.post(ctx, addr, protocol.PathEnroll, pinnedTLS(token.CA, clock), body)
	if err != nil {
		return err
	}
	if ca, err := parseCertificate("CA certificate", answer.CA); err != nil || protocol.PinOf(ca) != token.CA {
		return &TrustError{Site: answer.Site, Reason: "the server answered with another CA than the join token names"}
	}
	return id.save(record{answer, token.ID}, key)
}

func certificateRequest(key crypto.Signer) (string, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})), err
}

// A BusyError says that a server wants to be left alone for a while.
type BusyError struct {
	Reason string
	After  time.Duration
}

func (e *BusyError) Error() string { return e.Reason }

// RetryAfter is After.
func (e *BusyError) RetryAfter() time.Duration { return e.After }

// busyWait is for servers that are busy and don't say for how long.
const busyWait = 30 * time.Second

// post sends a request for a certificate to addr.
func (id *Identity) post(ctx context.Context, addr, path string, config *tls.Config, body []byte) (answer protocol.EnrollResponse, err error) {
	status, data, err := id.send(ctx, addr, path, config, body)
	if err != nil {
		return protocol.EnrollResponse{}, err
	}
	if status != http.StatusOK {
		return protocol.EnrollResponse{}, fmt.Errorf("the server answered with status %d, which is not for this request", status)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return protocol.EnrollResponse{}, fmt.Errorf("the server's answer can't be read: %w", err)
	}
	return answer, nil
}

// send sends a request to addr, and gives its answer if that is one of success.
func (id *Identity) send(ctx context.Context, addr, path string, config *tls.Config, body []byte) (status int, answer []byte, err error) {
	transport := &http.Transport{
		DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return id.dial(ctx, network, addr, config)
		},
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, protocol.ContentURL(addr, path), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	// A redirect would take the token's secret to somebody else.
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(request)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the address is the caller's to name
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted {
		return 0, nil, refusal(resp)
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, err
}

// dial makes a TLS connection to addr.
func (id *Identity) dial(ctx context.Context, network, addr string, config *tls.Config) (net.Conn, error) {
	if id.Dial == nil {
		return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
	}
	conn, err := id.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// refusal tells a refusal of this viewer from a server that can't answer now.
func refusal(resp *http.Response) error {
	err := protocol.ReadProblem(resp)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		after := busyWait
		if seconds, bad := strconv.Atoi(resp.Header.Get("Retry-After")); bad == nil && seconds > 0 {
			after = time.Duration(seconds) * time.Second
		}
		return &BusyError{Reason: err.Error(), After: after}
	case code >= 400 && code < 500:
		problem, _ := errors.AsType[protocol.Problem](err)
		return &RefusedError{Reason: err.Error(), Cloned: problem.Type == protocol.ProblemCloned, status: code}
	}
	return err
}
