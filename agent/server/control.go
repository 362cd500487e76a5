package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"vitrine/agent/protocol"
)

// controlFile is the socket by which the commands of `vitrine-server` reach the running server. Whoever may open it may
// control the site: the state folder is the owner's only.
const controlFile = "control.sock"

// commandTimeout is how long a viewer may take over a command that somebody waits for.
const commandTimeout = 10 * time.Second

// uploadTimeout is how long one may take that uploads something.
const uploadTimeout = 30 * time.Second

func timeoutOf(command string) time.Duration {
	switch command {
	case protocol.CommandScreenshot, protocol.CommandDoctor:
		return uploadTimeout
	}
	return commandTimeout
}

// ErrNotRunning says that no server runs on a state folder.
var ErrNotRunning = errors.New("the server is not running")

// listenControl opens the control socket. What a crashed server left is replaced; what a living one has is not. The socket
// is thus also what keeps a second server off the folder.
func listenControl(dir string) (net.Listener, error) {
	path := filepath.Join(dir, controlFile)
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another server is running on %s; stop it first", dir)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("%s is too long for a socket's path; use a state folder with a shorter one", path)
	}
	return l, err
}

// ViewerStatus is a viewer with what is known of it at present.
type ViewerStatus struct {
	Viewer
	// Code and Since are of one that waits for approval; it has no id yet.
	Code  string    `json:"code,omitempty"`
	Since time.Time `json:"since,omitzero"`

	Online bool `json:"online"`
	// Heard is when the running server last heard from it.
	Heard    time.Time         `json:"heard,omitzero"`
	Reported protocol.Reported `json:"reported,omitzero"`
	// Pages is how many pages a viewer that is a browser has open.
	Pages int `json:"pages,omitempty"`
	// Fault is what the server has to say against the viewer.
	Fault *protocol.Fault `json:"fault,omitempty"`
}

func (s *Server) controlServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /viewers", s.getViewers)
	mux.HandleFunc("GET /update", s.getUpdate)
	mux.HandleFunc("POST /update", s.postUpdate)
	mux.HandleFunc("POST /viewers/{viewer}/command", s.postCommand)
	mux.HandleFunc("POST /viewers/{viewer}/wake", s.postWake)
	mux.HandleFunc("POST /viewers/{viewer}/revoke", s.postRevoke)
	mux.HandleFunc("POST /viewers/{viewer}/rename", s.postRename)
	mux.HandleFunc("POST /viewers/{viewer}/link", s.postLink)
	return &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
}

func (s *Server) getViewers(w http.ResponseWriter, _ *http.Request) {
	viewers, err := s.site.Viewers()
	if err != nil {
		protocol.WriteProblem(w, http.StatusInternalServerError, err.Error())
		return
	}
	statuses := make([]ViewerStatus, len(viewers))
	for i, v := range viewers {
		if v.Browser() {
			statuses[i] = s.browserStatus(v)
			continue
		}
		l := s.fleet.get(v.ID)
		statuses[i] = ViewerStatus{Viewer: v, Online: l.Presence.Online, Heard: l.Heard, Reported: l.Reported}
		if f, ok := s.machines.of(v.ID, time.Now()); ok {
			statuses[i].Fault = &f
		}
	}
	writeJSON(w, statuses)
}

// postRevoke turns a viewer out, and ends its session.
func (s *Server) postRevoke(w http.ResponseWriter, r *http.Request) {
	v, err := s.site.Revoke(r.PathValue("viewer"))
	if err != nil {
		protocol.WriteProblem(w, http.StatusNotFound, err.Error())
		return
	}
	s.broker.drop(v.ID)
	s.refreshBrowsers()
	s.log.Warn("A viewer was revoked", "viewer", v.Name)
	writeJSON(w, v)
}

// postRename gives a viewer the name that stands in the body.
func (s *Server) postRename(w http.ResponseWriter, r *http.Request) {
	var name string
	if err := json.NewDecoder(io.LimitReader(r.Body, protocol.MaxMessage)).Decode(&name); err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	v, err := s.site.Rename(r.PathValue("viewer"), name)
	if err != nil {
		protocol.WriteProblem(w, http.StatusConflict, err.Error())
		return
	}
	s.refreshBrowsers()
	writeJSON(w, v)
}

// postCommand sends a command and answers with the viewer's last word on it.
func (s *Server) postCommand(w http.ResponseWriter, r *http.Request) {
	var command protocol.Command
	if err := json.NewDecoder(io.LimitReader(r.Body, protocol.MaxMessage)).Decode(&command); err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	v, err := s.site.Viewer(r.PathValue("viewer"))
	if err != nil {
		protocol.WriteProblem(w, http.StatusNotFound, err.Error())
		return
	}
	if v.Browser() {
		s.commandBrowser(w, v, command)
		return
	}
	result, err := s.command(r.Context(), v, command)
	var refused *commandError
	switch {
	case errors.As(err, &refused):
		protocol.WriteProblem(w, refused.status, refused.Error())
	case err == nil:
		writeJSON(w, result)
	}
}

// A commandError is why a command has no result, with the status for whoever asked.
type commandError struct {
	status int
	error
}

// command has a viewer do something, and gives its last word on it.
func (s *Server) command(ctx context.Context, v Viewer, command protocol.Command) (protocol.Result, error) {
	if !s.fleet.get(v.ID).Presence.Online {
		return protocol.Result{}, &commandError{http.StatusConflict, fmt.Errorf("viewer %s is offline", v.Name)}
	}
	limit := timeoutOf(command.Name)
	command.ID, command.Expires = newID(), time.Now().Add(limit).UTC()
	results := s.fleet.expect(command.ID)
	defer s.fleet.forget(command.ID)
	payload, err := json.Marshal(command)
	if err == nil {
		err = s.broker.command(v.ID, command.ID, payload, limit)
	}
	if err != nil {
		return protocol.Result{}, &commandError{http.StatusInternalServerError, err}
	}
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		select {
		case result := <-results:
			if result.State != protocol.ResultAccepted {
				return result, nil
			}
		case <-timeout.C:
			return protocol.Result{}, &commandError{http.StatusGatewayTimeout, fmt.Errorf("viewer %s has not answered within %v", v.Name, limit)}
		case <-ctx.Done():
			return protocol.Result{}, ctx.Err()
		}
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// An error means that the client has gone.
	_ = json.NewEncoder(w).Encode(v)
}

// A Control talks to the server that runs on a state folder.
type Control struct{ client *http.Client }

// NewControl makes a control for the server on dir; it connects only when asked something.
func NewControl(dir string) *Control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, controlFile))
		if err != nil {
			return nil, ErrNotRunning
		}
		return conn, nil
	}
	return &Control{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Viewers lists the viewers with what the server knows of them now. The error is ErrNotRunning if there is no server.
func (c *Control) Viewers(ctx context.Context) ([]ViewerStatus, error) {
	var viewers []ViewerStatus
	err := c.do(ctx, http.MethodGet, "/viewers", nil, &viewers)
	return viewers, err
}

// Command has a viewer, by id or name, do something, and waits for the result.
func (c *Control) Command(ctx context.Context, viewer, name string, args json.RawMessage) (protocol.Result, error) {
	body, err := json.Marshal(protocol.Command{Name: name, Args: args})
	if err != nil {
		return protocol.Result{}, err
	}
	var result protocol.Result
	err = c.do(ctx, http.MethodPost, "/viewers/"+url.PathEscape(viewer)+"/command", body, &result)
	return result, err
}

// Revoke turns a viewer out, by id or name, and ends its session.
func (c *Control) Revoke(ctx context.Context, viewer string) (Viewer, error) {
	var v Viewer
	err := c.do(ctx, http.MethodPost, "/viewers/"+url.PathEscape(viewer)+"/revoke", nil, &v)
	return v, err
}

// Rename gives a viewer, by id or name, another name.
func (c *Control) Rename(ctx context.Context, viewer, name string) (Viewer, error) {
	body, err := json.Marshal(name)
	if err != nil {
		return Viewer{}, err
	}
	var v Viewer
	err = c.do(ctx, http.MethodPost, "/viewers/"+url.PathEscape(viewer)+"/rename", body, &v)
	return v, err
}

// MadeLink is a link for a browser, with what a person must know to open it.
type MadeLink struct {
	Viewer Viewer `json:"viewer"`
	Link   string `json:"link"`
	// CA is the SHA-256 of the site's CA, where browsers must be told to believe it; empty where they needn't.
	CA string `json:"ca_sha256,omitempty"`
	// Plain tells that the link is over HTTP without TLS.
	Plain bool `json:"plain,omitempty"`
}

// Link makes the link by which a browser is a viewer of that name, with the server's name or address host in it; empty for the best one. One
// that it had before ends.
func (c *Control) Link(ctx context.Context, name, host string) (MadeLink, error) {
	body, err := json.Marshal(host)
	if err != nil {
		return MadeLink{}, err
	}
	var made MadeLink
	err = c.do(ctx, http.MethodPost, "/viewers/"+url.PathEscape(name)+"/link", body, &made)
	return made, err
}

func (c *Control) do(ctx context.Context, method, path string, body []byte, v any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://server"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.client.Do(request)
	if errors.Is(err, ErrNotRunning) {
		return ErrNotRunning
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return protocol.ReadProblem(resp)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
