package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"vitrine/platform/proxy"
)

// explain puts a failure in a technician's words. Errors that others made for people go through as they are.
func explain(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*proxy.Error](err); ok {
		return e.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return fmt.Sprintf("no address is known for the name %s; check the name, and the DNS server of this network", dns.Name)
		}
		return fmt.Sprintf("the name %s can't be looked up: the DNS server does not answer", dns.Name)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && op.Addr != nil {
		switch addr := op.Addr.String(); {
		case errors.Is(err, syscall.ECONNREFUSED):
			return addr + " refused the connection: nothing listens on that port"
		case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
			return addr + " can't be reached: no route; check the cable and the address"
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
			return addr + " does not answer"
		}
	}
	server, _, named := strings.Cut(err.Error(), ": ")
	if _, _, split := net.SplitHostPort(server); !named || split != nil {
		server = "the server"
	}
	switch {
	case errors.Is(err, errSilent):
		return server + " doesn't answer any more"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return server + " closed the connection"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return server + " took the connection, but does not answer"
	}
	return err.Error()
}
