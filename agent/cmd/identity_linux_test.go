package cmd_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// Viewer is the id that the site gave.
func (i enrolledIdentity) Viewer() (string, bool) {
	e, ok := i.Enrolment()
	return e.Viewer, ok
}

// TLS is the configuration for servers of the site.
func (i enrolledIdentity) TLS(protocols ...string) (*tls.Config, error) {
	return i.ClientTLS(rightNow, protocols...)
}

var errEnrolled = errors.New("this viewer is enrolled already")

// Enrol and Renew are not for viewers that are enrolled for the length of a measurement.
func (enrolledIdentity) Enrol(context.Context, string) error { return errEnrolled }
func (enrolledIdentity) Renew(context.Context, string) error { return errEnrolled }

func tlsDial(ctx context.Context, addr string, config *tls.Config) (net.Conn, error) {
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", addr)
}
