// Command enrolment is the enrolment service of a site without vitrine-server, to start one's own from. It owns the site's CA, takes
// viewers in by join token, renews their certificates, and tells RabbitMQ who may do what (rabbitmq.go).
//
// It uses nothing of Vitrine's. It listens on loopback, without TLS, behind a web server that checks client certificates (../nginx.conf);
// that server must not be one that others can go around. What it leaves to its reader is a database: of tokens, with an expiry and a
// number of uses, of viewers, and of those that were turned out.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

type service struct {
	*authority
	token         string // id.secret
	publishingKey string
	life, grace   time.Duration
	server        server
	answers       atomic.Int64
}

// server is one of the site's, as the protocol has it: where its broker is, and where its HTTPS is.
type server struct {
	ID    string   `json:"id"`
	Role  string   `json:"role"`
	Addrs []string `json:"addrs"`
	HTTPS []string `json:"https,omitempty"`
}

func main() {
	dir := flag.String("dir", "/etc/vitrine", "`folder` of CA, certificates and join token")
	site := flag.String("site", "example", "the site's `name`")
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to listen on")
	brokers := flag.String("brokers", "127.0.0.1:7237", "`addresses` of the brokers, with commas between them")
	https := flag.String("https", "", "`addresses` of the web servers, if they aren't the brokers' own")
	hosts := flag.String("hosts", "localhost,127.0.0.1", "`names` for the servers' certificate")
	key := flag.String("publishing-key", "", "base64url of the public Ed25519 `key` that manifests are signed with")
	life := flag.Duration("life", 30*24*time.Hour, "`life` of a viewer's certificate")
	grace := flag.Duration("grace", 90*24*time.Hour, "how `long` after its expiry it can still be renewed")
	flag.Parse()
	s := &service{publishingKey: *key, life: *life, grace: *grace}
	s.server = server{ID: "site", Role: "main", Addrs: strings.Split(*brokers, ",")}
	if *https != "" {
		s.server.HTTPS = strings.Split(*https, ",")
	}
	if err := s.run(*dir, *site, *listen, strings.Split(*hosts, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "enrolment:", err)
		os.Exit(1)
	}
}

// run makes what isn't there yet, and serves.
func (s *service) run(dir, site, listen string, hosts []string) (err error) {
	if s.authority, err = openAuthority(dir, site); err != nil {
		return err
	}
	if err := s.writeOnce("server", s.serverTemplate(hosts)); err != nil {
		return err
	}
	for _, id := range []string{"backend", "backend-2"} { // two connections of the back end, which is one user
		if err := s.writeOnce(id, s.client("backend", id, serverLife)); err != nil {
			return err
		}
	}
	if err := s.openToken(); err != nil {
		return err
	}
	http.HandleFunc("POST /v1/enroll", s.enroll)
	http.HandleFunc("POST /v1/renew", s.renew)
	http.HandleFunc("POST /rabbitmq/{what}", s.rabbitmq)
	return http.ListenAndServe(listen, nil)
}

// openToken reads the join token, or makes one: vitrine1.<hash of the CA's key>.<id>.<secret>.
func (s *service) openToken() error {
	path, pin := filepath.Join(s.dir, "token"), sha256.Sum256(s.cert.RawSubjectPublicKeyInfo)
	prefix := "vitrine1." + base64.RawURLEncoding.EncodeToString(pin[:]) + "."
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		data = []byte(prefix + "first." + rand.Text() + "\n")
		err = os.WriteFile(path, data, 0o600)
	}
	s.token = strings.TrimSpace(strings.TrimPrefix(string(data), prefix))
	return err
}

// enroll takes a viewer in that has a join token.
func (s *service) enroll(w http.ResponseWriter, r *http.Request) {
	var body struct{ Token_ID, Secret, CSR, Name string }
	if err := read(w, r, &body); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if subtle.ConstantTimeCompare([]byte(body.Token_ID+"."+body.Secret), []byte(s.token)) != 1 {
		refuse(w, http.StatusForbidden, errors.New("this join token is unknown here; ask the operator for another"))
		return
	}
	// Letters and digits: it becomes a part of topics, and no viewer can get the back end's name.
	s.answer(w, "v"+strings.ToLower(rand.Text()), body.Name, body.CSR)
}

// renew gives the viewer whose certificate nginx has seen another one.
func (s *service) renew(w http.ResponseWriter, r *http.Request) {
	var body struct{ CSR string }
	err := read(w, r, &body)
	text, _ := url.QueryUnescape(r.Header.Get("X-Client-Cert"))
	old, bad := s.shown(text, s.grace)
	if err = errors.Join(err, bad); err != nil {
		refuse(w, http.StatusForbidden, err)
		return
	}
	if s.isRevoked(old.Subject.CommonName) {
		refuse(w, http.StatusForbidden, errors.New("this viewer was turned out"))
		return
	}
	s.answer(w, old.Subject.CommonName, strings.Join(old.Subject.OrganizationalUnit, ""), body.CSR)
}

// answer signs a certificate. The viewer's own name stands in it too, which spares this program a list.
func (s *service) answer(w http.ResponseWriter, viewer, name, csr string) {
	block, _ := pem.Decode([]byte(csr))
	if block == nil {
		refuse(w, http.StatusBadRequest, errors.New("the certificate request is not PEM"))
		return
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = request.CheckSignature()
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	template := s.client(viewer, viewer, s.life)
	template.Subject.OrganizationalUnit = []string{name}
	der, err := s.issue(template, request.PublicKey, nil)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{ // an error means that the viewer has gone
		"viewer": viewer, "name": name, "site": s.site,
		"certificate": toPEM("CERTIFICATE", der), "ca": toPEM("CERTIFICATE", s.cert.Raw),
		"publishing_key": s.publishingKey, "servers": []server{s.spread()},
	})
}

// spread gives each viewer the brokers in another order, so that they begin spread over them: viewers try them in that order.
func (s *service) spread() server {
	one := s.server
	at := int(s.answers.Add(1)) % len(one.Addrs)
	one.Addrs = slices.Concat(one.Addrs[at:], one.Addrs[:at])
	return one
}

// isRevoked tells whether a viewer was turned out: whether it stands in the file "revoked", one to a line.
func (s *service) isRevoked(viewer string) bool {
	data, _ := os.ReadFile(filepath.Join(s.dir, "revoked")) // there may be none
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == viewer {
			return true
		}
	}
	return false
}

func read(w http.ResponseWriter, r *http.Request, v any) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// refuse says why, for the technician in front of the screen (RFC 9457).
func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": err.Error()})
}
