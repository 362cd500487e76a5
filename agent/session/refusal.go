package session

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"vitrine/agent/protocol"
)

var (
	// errRefused says that the server doesn't let this viewer in.
	errRefused = errors.New("the server refused the session")
	// errTakenOver says that somebody else connected as this viewer.
	errTakenOver = errors.New("another machine connected with this viewer's identity: was its disk cloned? Enrol one of them again")
)

// A busyError says that a server wants to be left alone for a while.
type busyError struct {
	reason string
	after  time.Duration
}

func (e *busyError) Error() string { return e.reason }

// RetryAfter is how long.
func (e *busyError) RetryAfter() time.Duration { return e.after }

// Waits for servers that are busy.
const (
	// defaultRetryAfter is for those that don't say how long.
	defaultRetryAfter = 30 * time.Second
	// maxRetryAfter bounds what is obeyed: a wrong word of a server must not take a screen off for a day.
	maxRetryAfter = 15 * time.Minute
)

// retryAfter is how long the server wants to be left alone for that reason; 0 if it doesn't say so.
func retryAfter(err error) time.Duration {
	var busy interface{ RetryAfter() time.Duration }
	if !errors.As(err, &busy) || errors.Is(err, ErrPending) {
		return 0
	}
	return min(busy.RetryAfter(), maxRetryAfter)
}

// refusal puts a CONNACK that isn't one of success into words (MQTT 5, section 3.2.2.2), and remembers what the broker doesn't take.
func (s *Session) refusal(addr string, ack *paho.Connack) error {
	said := fmt.Sprintf("reason 0x%02x", ack.ReasonCode)
	var user paho.UserProperties
	if ack.Properties != nil {
		user = ack.Properties.User
		if ack.Properties.ReasonString != "" {
			said = ack.Properties.ReasonString
		}
	}
	switch ack.ReasonCode {
	case packets.ConnackServerUnavailable, packets.ConnackServerBusy, packets.ConnackQuotaExceeded, packets.ConnackConnectionRateExceeded:
		return &busyError{"the server is busy: " + said, askedWait(user)}
	case packets.ConnackRetainNotSupported:
		s.paths.noRetain(addr)
		return errors.New("the server keeps no retained messages; trying again without")
	case packets.ConnackInvalidClientID, packets.ConnackBadUsernameOrPassword, packets.ConnackNotAuthorized, packets.ConnackBanned,
		packets.ConnackBadAuthenticationMethod:
		return fmt.Errorf("%w: %s", errRefused, said)
	}
	return fmt.Errorf("the server can't carry the session: %s", said)
}

// certificateRefused makes a refusal of a TLS alert about this viewer's certificate (RFC 8446, section 6.2), which comes only after the handshake. Some
// brokers look at certificates in TLS alone.
func certificateRefused(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || !strings.Contains(op.Err.Error(), "certificate") && !strings.Contains(op.Err.Error(), "access denied") {
		return err
	}
	return fmt.Errorf("%w: it doesn't take this viewer's certificate (%w)", errRefused, op.Err)
}

// askedWait is how long a server asks to be left alone.
func askedWait(user paho.UserProperties) time.Duration {
	seconds, err := strconv.Atoi(user.Get(protocol.PropertyRetryAfter))
	if err != nil || seconds < 1 {
		return defaultRetryAfter
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// disconnected puts the server's DISCONNECT in words (MQTT 5, section 3.14.2.1).
func disconnected(d *paho.Disconnect) error {
	said := fmt.Sprintf("reason 0x%02x", d.ReasonCode)
	var user paho.UserProperties
	if d.Properties != nil {
		user = d.Properties.User
		if d.Properties.ReasonString != "" {
			said = d.Properties.ReasonString
		}
	}
	switch d.ReasonCode {
	case packets.DisconnectSessionTakenOver:
		return errTakenOver
	case packets.DisconnectServerShuttingDown:
		return errors.New("the server is shutting down")
	case packets.DisconnectServerBusy, packets.DisconnectQuotaExceeded, packets.DisconnectConnectionRateExceeded:
		return &busyError{"the server ended the session, since it is busy: " + said, askedWait(user)}
	}
	return fmt.Errorf("the server ended the session: %s", said)
}
