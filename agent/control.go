package agent

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"vitrine/agent/protocol"
	"vitrine/content/library"
	"vitrine/content/manifest"
	"vitrine/content/store"
)

// controlSocket is a UNIX domain socket in a folder that only the agent's user may enter: what changes something on this machine is asked
// for there, and not on the page's port, which every program on the machine can reach.
const controlSocket = "control/socket"

// Operations of the control socket.
const (
	OpRollback = "rollback"
	OpGC       = "gc"
	OpVerify   = "verify"
	OpPin      = "pin"
	OpUnpin    = "unpin"
	OpImport   = "import"
	// OpScreenshot is answered with a Screenshot.
	OpScreenshot = "screenshot"
	OpDoctor     = "doctor"
)

// maxControl bounds a request, in bytes.
const maxControl = 64 << 10

// A ControlRequest is an operation on this machine's viewer. Name is what is to be pinned, or the folder to import from.
type ControlRequest struct {
	Op   string `json:"op"`
	Name string `json:"name,omitempty"`
}

// control is the task that serves the socket.
type control struct{ *Agent }

// Run serves until ctx ends. A viewer that can't be controlled plays all the same.
func (c control) Run(ctx context.Context) error {
	l, err := c.listen()
	if err != nil {
		c.log.Warn("Commands such as `vitrine content gc` won't reach this viewer", "err", err)
		<-ctx.Done()
		return nil
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(c.serve),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		// What is being done sees the end of ctx; its answer is still written.
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(bye) != nil {
			server.Close()
		}
	})
	err = server.Serve(l)
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// listen takes the place of a socket that a run left which was killed: that no other agent runs, the lock of the store has made sure.
func (c control) listen() (net.Listener, error) {
	path := filepath.Join(c.config.State, controlSocket)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// String names the task.
func (c control) String() string { return "control socket" }

func (c control) serve(w http.ResponseWriter, r *http.Request) {
	var request ControlRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl)).Decode(&request); err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, "the request can't be read: "+err.Error())
		return
	}
	data, err := c.Control(r.Context(), request)
	if err != nil {
		protocol.WriteProblem(w, http.StatusConflict, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(data) // whoever asked has gone, if this fails
}

// Control does one operation on the viewer.
func (a *Agent) Control(ctx context.Context, r ControlRequest) (any, error) {
	switch r.Op {
	case OpRollback:
		outcome, err := a.rollback(ctx, nil)
		return outcome.Data, err
	case OpGC:
		outcome, err := a.purgeCache(ctx, nil)
		return outcome.Data, err
	case OpVerify:
		return a.library.Verify(ctx, true, nil)
	case OpDoctor:
		return a.examination(ctx)
	case OpImport:
		return a.importStick(ctx, r.Name)
	case OpScreenshot:
		picture, err := a.picture(ctx, screenshotWidth, screenshotQuality)
		return Screenshot{picture}, err
	case OpPin, OpUnpin:
		return a.library.Pin(r.Name, r.Op == OpUnpin)
	}
	return nil, fmt.Errorf("this version of the viewer can't do %.40q", r.Op)
}

// ErrNotRunning says that no viewer runs on a state folder.
var ErrNotRunning = errors.New("no viewer is running")

// AskControl has the viewer that runs on a state folder do an operation, and reads what came of it into answer. The error is
// ErrNotRunning if there is none.
func AskControl(ctx context.Context, state string, r ControlRequest, answer any) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", filepath.Join(state, controlSocket))
		if err != nil && !errors.Is(err, os.ErrPermission) {
			err = ErrNotRunning
		}
		return conn, err
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://viewer/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(request)
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
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<26)).Decode(answer)
}

// Offline opens the state of a viewer that isn't running, so that a person can work on its content. It has no page and no network.
// Whoever gets one must close it.
func Offline(c Config) (*Agent, error) {
	if _, err := os.Stat(filepath.Join(c.State, contentFolder)); err != nil {
		return nil, errNoState(c.State)
	}
	a := prepare(c)
	if err := a.openNetwork(); err != nil {
		return nil, err
	}
	a.alone, a.player = true, a.newPlayer()
	if err := a.openState(); err != nil {
		a.Close()
		return nil, err
	}
	a.library.Load(context.Background())
	return a, nil
}

// ReadContent opens the content of a viewer, which may be running or not, for reading alone.
func ReadContent(state string) (*library.Library, error) {
	s, err := store.Open(filepath.Join(state, contentFolder), store.Config{ReadOnly: true})
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoState(state)
	}
	if err != nil {
		return nil, err
	}
	l := library.New(library.Config{
		Store:  s,
		Key:    func() ed25519.PublicKey { return nil }, // nothing is played here
		Accept: acceptable,
		Now:    time.Now,
	})
	w, err := readWish(state)
	if ref := w.wanted(); err == nil && ref != nil && !w.declines() {
		l.Want(library.Ref{Digest: ref.Digest, Size: ref.Size, Signature: ref.Signature})
	}
	return l, nil
}

func errNoState(state string) error {
	return fmt.Errorf("%s: there is no viewer's content here; give the folder of its state with --state", state)
}

// ReadProgramme reads the programme that plays, or would play, from a state folder, whether a viewer runs or not.
func ReadProgramme(state string) (*manifest.Manifest, error) {
	s, err := store.Open(filepath.Join(state, contentFolder), store.Config{ReadOnly: true})
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoState(state)
	}
	if err != nil {
		return nil, err
	}
	current, ok := s.Current()
	if !ok {
		return nil, fmt.Errorf("%s: there is no programme yet", state)
	}
	f, err := s.Open(current.Manifest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, manifest.MaxSize+1))
	if err != nil {
		return nil, err
	}
	return manifest.Parse(data)
}
