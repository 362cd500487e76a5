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
)

// api is the HTTPS side of port 7237.
type api struct {
	site *Site
	log  *slog.Logger
	// admit says whether a viewer may have content.
	admit func(viewer string) error
	// manifest gives a manifest's bytes, asset opens an asset.
	manifest func(digest.Digest) ([]byte, bool)
	asset    func(digest.Digest) (*os.File, string, error)
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
	mux.HandleFunc("GET "+protocol.PathManifests+"{digest}", a.viewersOnly(a.getManifest))
	mux.HandleFunc("GET "+protocol.PathAssets+"{digest}", a.viewersOnly(a.getAsset))
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
		if err := a.admit(cert.Subject.CommonName); err != nil {
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
	var refused refusal
	switch {
	case errors.As(err, &refused):
		a.log.Warn("An enrolment was refused", "peer", r.RemoteAddr, "name", request.Name, "err", err)
		protocol.WriteProblem(w, http.StatusForbidden, err.Error())
		return
	case err != nil:
		a.log.Error("An enrolment failed", "peer", r.RemoteAddr, "name", request.Name, "err", err)
		protocol.WriteProblem(w, http.StatusInternalServerError, "the server could not keep the enrolment; its log says why")
		return
	}
	response.Servers = a.servers()
	a.enrolled(Viewer{ID: response.Viewer, Name: response.Name})
	a.log.Info("A viewer was enrolled", "viewer", response.Name, "peer", r.RemoteAddr)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(response); err != nil {
		a.log.Debug("The answer to an enrolment was not taken", "peer", r.RemoteAddr, "err", err)
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
