package agent

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"vitrine/agent/protocol"
)

// upload gives the server of the session what is too large for a result, and says under which ULID.
func (a *Agent) upload(ctx context.Context, kind protocol.Upload, data []byte) (id string, err error) {
	if int64(len(data)) > kind.Max {
		return "", fmt.Errorf("%d bytes are more than the limit of %d", len(data), kind.Max)
	}
	e, _ := a.identity.Enrolment()
	id = protocol.NewULID(a.clock.Now())
	return id, a.overHTTPS(a.session.Status().Server, func(addr string) error {
		return a.put(ctx, protocol.ContentURL(addr, kind.Path(e.Viewer, id)), mediaType(kind, data), data)
	})
}

// mediaType is that of an upload: a picture may be of another one than usual.
func mediaType(kind protocol.Upload, data []byte) string {
	if found := http.DetectContentType(data); kind.Lossless != "" && found == kind.Lossless {
		return found
	}
	return kind.Type
}

// put makes the request to a server of the site, and nowhere else: redirects aren't followed.
func (a *Agent) put(ctx context.Context, url, mediaType string, data []byte) error {
	transport := &http.Transport{DialTLSContext: a.dialContent}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", mediaType)
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return protocol.ReadProblem(resp)
	}
	return nil
}
