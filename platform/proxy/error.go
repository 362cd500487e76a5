package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
)

// An Error says what went wrong at the proxy, in a technician's words and with what to do. It has no credentials and nothing of
// the proxy's own text in it.
type Error struct {
	// Proxy and Target are "host:port".
	Proxy, Target string
	// Direct is why the target, which is on this machine's own network, could not be reached without the proxy; nil if that
	// was not tried.
	Direct error
	Err    error
}

func (e *Error) Error() string {
	if e.Direct != nil {
		return fmt.Sprintf("%s does not answer on this network, and proxy %s %v", e.Target, e.Proxy, e.Err)
	}
	return fmt.Sprintf("proxy %s %v", e.Proxy, e.Err)
}

// Unwrap gives the causes.
func (e *Error) Unwrap() []error {
	if e.Direct != nil {
		return []error{e.Err, e.Direct}
	}
	return []error{e.Err}
}

// A refusal is one reason why a proxy is of no use: the words that go after its name, and what to do.
type refusal struct {
	reason, advice string
	err            error
}

func (r *refusal) Error() string { return r.reason + ": " + r.advice }
func (r *refusal) Unwrap() error { return r.err }

const (
	adviceUnreachable = "check that the server runs and that the proxy may reach it; a server that is reached without the proxy goes into no_proxy"
	adviceNoProxy     = "check the address of the proxy"
)

// unreached explains why there is no connection with the proxy.
func unreached(err error) error {
	r := &refusal{reason: fmt.Sprintf("can't be reached (%v)", err), advice: adviceNoProxy, err: err}
	dns, unresolved := errors.AsType[*net.DNSError](err)
	switch {
	case unresolved && dns.IsNotFound:
		r.reason, r.advice = "has a name for which no address is known", "check the name, and the DNS server of this network"
	case unresolved:
		r.reason, r.advice = "has a name that can't be looked up", "the DNS server does not answer; check it, or use the proxy's address"
	case errors.Is(err, syscall.ECONNREFUSED):
		r.reason = "refused the connection, since nothing listens on that port"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		r.reason, r.advice = "can't be reached, since there is no route to it", "check the cable and the address"
	case isTimeout(err):
		r.reason = "does not answer"
	}
	return r
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// unanswered explains why there is no answer to CONNECT.
func unanswered(err error, addr string) error {
	switch {
	case isTimeout(err):
		return &refusal{reason: "has not connected to " + addr + " in time", advice: adviceUnreachable, err: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &refusal{
			reason: "closed the connection instead of connecting to " + addr,
			advice: "check its address and port, whether it is to be spoken to by https://, and whether it lets this machine in", err: err,
		}
	case errors.Is(err, errEndless):
		return &refusal{reason: "gives an answer that does not end", advice: adviceNoProxy, err: err}
	}
	// The error would repeat what came, whatever that is.
	return &refusal{reason: "gives an answer that is not HTTP", advice: adviceNoProxy + ", and whether it is to be spoken to by https://", err: errors.New("the answer can't be read")}
}

// A statusError is the status code by which a proxy refused.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("%d %s", int(s), http.StatusText(int(s))) }

// refused explains a refusal.
func refused(answer *http.Response, addr string, authorized bool) error {
	status := statusError(answer.StatusCode)
	r := &refusal{err: status, reason: fmt.Sprintf("did not connect to %s (%v)", addr, status), advice: adviceUnreachable}
	_, port, _ := net.SplitHostPort(addr)
	switch answer.StatusCode {
	case http.StatusProxyAuthRequired, http.StatusUnauthorized: // the latter by tinyproxy, for a wrong password
		r.unauthorized(status, schemes(answer.Header.Values("Proxy-Authenticate")), authorized)
	case http.StatusForbidden:
		r.reason = fmt.Sprintf("refused to connect to %s (%v)", addr, status)
		r.advice = fmt.Sprintf("have port %s allowed there for CONNECT; a server that is reached without the proxy goes into no_proxy", port)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInternalServerError:
		r.reason = fmt.Sprintf("can't reach %s (%v)", addr, status)
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusMisdirectedRequest:
		r.reason = fmt.Sprintf("is not a proxy, or has no CONNECT (%v)", status)
		r.advice = adviceNoProxy
	}
	return r
}

// unauthorized explains a proxy that wants to know who asks.
func (r *refusal) unauthorized(status statusError, offered []string, authorized bool) {
	switch {
	case len(offered) > 0 && !slices.Contains(offered, "Basic"):
		r.reason = fmt.Sprintf("wants authentication by %s, which this viewer can't do (%v)", strings.Join(offered, " or "), status)
		r.advice = "have it take Basic, or let this machine's address in without a password"
	case authorized:
		r.reason = fmt.Sprintf("does not take this user name and password (%v)", status)
		r.advice = "check them in the proxy's address"
	default:
		r.reason = fmt.Sprintf("wants a user name and password (%v)", status)
		r.advice = "put them into its address, as in http://user:password@10.0.0.1:3128"
	}
}

// known are the ways to authenticate that proxies use, by their registered names.
var known = [...]string{"Basic", "Digest", "Negotiate", "NTLM", "Bearer"}

// schemes are the ways that a proxy offers, of those that are known (RFC 9110, section 11.7.1). A challenge begins with its name, and a
// header may have several, separated by the commas that also separate their parameters.
func schemes(headers []string) []string {
	var offered []string
	for _, header := range headers {
		for part := range strings.SplitSeq(header, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(part), " ")
			for _, k := range known {
				if strings.EqualFold(name, k) && !slices.Contains(offered, k) {
					offered = append(offered, k)
				}
			}
		}
	}
	return offered
}
