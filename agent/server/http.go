package server

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// Limits of the HTTPS API.
const (
	maxEnrollBody     = 64 << 10
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// busyRetry is how long a viewer is sent away when too many wait for approval.
	busyRetry = time.Minute
)

// api is the HTTPS side of port 7237.
type api struct {
	site *Site
	log  *slog.Logger
	// admit says whether a viewer may have content.
	admit func(shown *x509.Certificate) error
	// sameMachine says why a renewal is asked for by a copy of the viewer.
	sameMachine func(caller) error
	// grace is how long after its expiry a certificate can be renewed.
	grace time.Duration
	// manifest gives a manifest's bytes, asset opens an asset.
	manifest func(digest.Digest) ([]byte, bool)
	asset    func(digest.Digest) (*os.File, string, error)
	// shelves keep what viewers upload.
	shelves []*shelf
	// servers is what an enrolled viewer is told about the site's servers.
	servers func() []protocol.Server
	// enrolled is called with every viewer that has been taken in.
	enrolled func(Viewer)
}

// peerKey is the context key of the certificate that a connection's client showed.
type peerKey struct{}

func (a *api) server() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+protocol.PathEnroll, a.enroll)
	mux.HandleFunc("POST "+protocol.PathPair, a.pair)
	mux.HandleFunc("POST "+protocol.PathRenew, a.renew)
	mux.HandleFunc("GET "+protocol.PathManifests+"{digest}", a.viewersOnly(a.getManifest))
	mux.HandleFunc("GET "+protocol.PathAssets+"{digest}", a.viewersOnly(a.getAsset))
	for _, s := range a.shelves {
		mux.HandleFunc("PUT "+s.Path("{viewer}", "{id}"), a.viewersOnly(a.putUpload(s)))
	}
	return &http.Server{
		Handler:           mux,
		TLSConfig:         a.site.TLSConfig(), // read for its protocols only: the handshake is made by then
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, peerCertificate(conn))
		},
	}
}

// viewersOnly lets only viewers of the site through.
func (a *api) viewersOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cert, _ := r.Context().Value(peerKey{}).(*x509.Certificate)
		if cert == nil {
			protocol.WriteProblem(w, http.StatusUnauthorized, "this needs a viewer's certificate; enrol first")
			return
		}
		if err := a.admit(cert); err != nil {
			protocol.WriteProblem(w, http.StatusForbidden, err.Error())
			return
		}
		next(w, r)
	}
}

func (a *api) enroll(w http.ResponseWriter, r *http.Request) {
	var request protocol.EnrollRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEnrollBody)).Decode(&request); err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, "the enrolment request can't be read: "+err.Error())
		return
	}
	response, err := a.site.Enrol(request)
	if !a.granted(w, r, "enrolment", request.Name, err) {
		return
	}
	a.enrolled(Viewer{ID: response.Viewer, Name: response.Name})
	a.log.Info("A viewer was enrolled", "viewer", response.Name, "peer", r.RemoteAddr)
	a.take(w, r, response)
}

// pair takes the request of a viewer without a join token, and gives it a certificate once a person has approved it.
func (a *api) pair(w http.ResponseWriter, r *http.Request) {
	var request protocol.PairRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEnrollBody)).Decode(&request); err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, "the request for pairing can't be read: "+err.Error())
		return
	}
	waits, response, err := a.site.Pair(request, host(r.RemoteAddr))
	switch {
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", strconv.Itoa(int(busyRetry.Seconds())))
		protocol.WriteProblem(w, http.StatusServiceUnavailable, err.Error())
	case errors.Is(err, errBeginAgain):
		protocol.WriteProblem(w, http.StatusConflict, err.Error())
	case !a.granted(w, r, "pairing", request.Name, err):
	case waits != nil:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusAccepted)
		// An error means that the viewer has gone.
		_ = json.NewEncoder(w).Encode(waits)
	default:
		a.enrolled(Viewer{ID: response.Viewer, Name: response.Name})
		a.log.Info("A viewer was enrolled by its pairing code", "viewer", response.Name, "peer", r.RemoteAddr)
		a.take(w, r, response)
	}
}

// renew gives a viewer a new certificate.
func (a *api) renew(w http.ResponseWriter, r *http.Request) {
	cert, _ := r.Context().Value(peerKey{}).(*x509.Certificate)
	if cert == nil {
		protocol.WriteProblem(w, http.StatusUnauthorized, "this needs a viewer's certificate; enrol first")
		return
	}
	var request protocol.RenewRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEnrollBody)).Decode(&request); err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, "the request for a renewal can't be read: "+err.Error())
		return
	}
	if err, cloned := errors.AsType[*cloneError](a.sameMachine(caller{cert, request.Device.Fingerprint, r.RemoteAddr})); cloned {
		protocol.Problem{Type: protocol.ProblemCloned, Status: http.StatusForbidden, Detail: err.Error()}.Write(w)
		return
	}
	response, err := a.site.Renew(cert, a.grace, request)
	if !a.granted(w, r, "renewal", cert.Subject.CommonName, err) {
		return
	}
	a.log.Info("A viewer's certificate was renewed", "viewer", response.Name, "peer", r.RemoteAddr)
	a.take(w, r, response)
}

// granted answers a request that isn't.
func (a *api) granted(w http.ResponseWriter, r *http.Request, what, name string, err error) bool {
	var refused refusal
	switch {
	case errors.As(err, &refused):
		a.log.Warn("A request for "+what+" was refused", "peer", r.RemoteAddr, "viewer", name, "err", err)
		protocol.WriteProblem(w, http.StatusForbidden, err.Error())
	case err != nil:
		a.log.Error("A request for "+what+" failed", "peer", r.RemoteAddr, "viewer", name, "err", err)
		protocol.WriteProblem(w, http.StatusInternalServerError, "the server could not keep the "+what+"; its log says why")
	}
	return err == nil
}

// take sends a viewer its certificate.
func (a *api) take(w http.ResponseWriter, r *http.Request, response protocol.EnrollResponse) {
	response.Servers = a.servers()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(response); err != nil {
		a.log.Debug("A certificate was not taken", "peer", r.RemoteAddr, "err", err)
	}
}

// immutable marks an answer whose name is its hash: it may be kept for ever.
func immutable(w http.ResponseWriter, d digest.Digest, contentType string) {
	w.Header().Set("ETag", `"`+d.String()+`"`)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", contentType)
}

func (a *api) getManifest(w http.ResponseWriter, r *http.Request) {
	d, err := digest.Parse(r.PathValue("digest"))
	if err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	data, ok := a.manifest(d)
	if !ok {
		protocol.WriteProblem(w, http.StatusNotFound, "there is no manifest "+d.String())
		return
	}
	immutable(w, d, manifest.ContentType)
	w.Write(data)
}

func (a *api) getAsset(w http.ResponseWriter, r *http.Request) {
	d, err := digest.Parse(r.PathValue("digest"))
	if err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	f, contentType, err := a.asset(d)
	if err != nil {
		protocol.WriteProblem(w, http.StatusNotFound, err.Error())
		return
	}
	defer f.Close()
	immutable(w, d, contentType)
	http.ServeContent(w, r, "", time.Time{}, f)
}
