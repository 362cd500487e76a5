package view

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// How often an operator's certificate is looked at for a newer one, and for how long one of the site's CA must still be good.
const (
	lookAgain = 10 * time.Second
	goodFor   = 14 * 24 * time.Hour
)

// certificates are what the server shows to browsers: the operator's certificate, read again when its files change, or else one of the site's CA
// for all names and addresses of the machine. It is safe for concurrent use.
type certificates struct {
	ports  Ports
	log    *slog.Logger
	issuer func(names []string, addresses []net.IP) (*tls.Certificate, error)
	// own are the names under which the server knows itself.
	own []string

	mu      sync.Mutex
	cert    *tls.Certificate
	looked  time.Time
	stamp   string // of the operator's files
	covered string // addresses of the one of the site's CA
}

func newCertificates(c Ports, log *slog.Logger) (*certificates, error) {
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, fmt.Errorf("a certificate needs its key: give both, --view-cert and --view-key")
	}
	s := &certificates{ports: c, log: log}
	for _, name := range c.Names {
		s.own = append(s.own, strings.ToLower(name))
	}
	s.own = append(s.own, "localhost")
	if name, err := os.Hostname(); err == nil && name != "" {
		name = strings.ToLower(name)
		s.own = append(s.own, name)
		if !strings.Contains(name, ".") {
			s.own = append(s.own, name+".local")
		}
	}
	if !s.operators() {
		return s, nil
	}
	_, err := s.get(nil)
	return s, err
}

// operators tells whether the certificate is the operator's.
func (s *certificates) operators() bool { return s.ports.CertFile != "" }

// get is tls.Config.GetCertificate.
func (s *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cert != nil && time.Since(s.looked) < lookAgain {
		return s.cert, nil
	}
	s.looked = time.Now()
	renew := s.issue
	if s.operators() {
		renew = s.read
	}
	if err := renew(); err != nil {
		if s.cert == nil {
			return nil, err
		}
		s.log.Error("The certificate for browsers can't be renewed; the one before stays", "err", err)
	}
	return s.cert, nil
}

// read reads the operator's certificate, if its files have changed. s.mu is held.
func (s *certificates) read() error {
	stamp := ""
	for _, file := range []string{s.ports.CertFile, s.ports.KeyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return fmt.Errorf("certificate for browsers: %w", err)
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), " ")
	}
	if stamp == s.stamp {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(s.ports.CertFile, s.ports.KeyFile)
	if err != nil {
		return fmt.Errorf("certificate for browsers, %s with %s: %w", s.ports.CertFile, s.ports.KeyFile, err)
	}
	s.cert, s.stamp = &cert, stamp
	return nil
}

// issue has one made by the site's CA, when the machine has got another address or the one before runs out. s.mu is held.
func (s *certificates) issue() error {
	addresses := localAddresses()
	covered := fmt.Sprint(addresses)
	if s.cert != nil && covered == s.covered && time.Until(s.cert.Leaf.NotAfter) > goodFor {
		return nil
	}
	cert, err := s.issuer(s.own, addresses)
	if err != nil {
		return err
	}
	s.cert, s.covered = cert, covered
	return nil
}

// names tells whether the server goes by a name.
func (s *certificates) names(host string) bool {
	if slices.Contains(s.own, host) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.operators() && s.cert != nil && s.cert.Leaf.VerifyHostname(host) == nil
}

// best is the host that a link is best made with: a name that was given, or is in the operator's certificate, else an address.
func (s *certificates) best() string {
	if len(s.ports.Names) > 0 {
		return s.ports.Names[0]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operators() && s.cert != nil {
		for _, name := range s.cert.Leaf.DNSNames {
			if !strings.Contains(name, "*") {
				return name
			}
		}
	}
	listen := s.ports.TLS
	if listen == "" {
		listen = s.ports.HTTP
	}
	if host, _, err := net.SplitHostPort(listen); err == nil && host != "" && !net.ParseIP(host).IsUnspecified() {
		return host
	}
	for _, ip := range localAddresses() {
		if !ip.IsLoopback() {
			return ip.String()
		}
	}
	return "localhost"
}

// localAddresses are those of this machine, with the loopback ones last.
func localAddresses() []net.IP {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var others, loopback []net.IP
	for _, a := range addrs {
		switch network, ok := a.(*net.IPNet); {
		case !ok:
		case network.IP.IsLoopback():
			loopback = append(loopback, network.IP)
		case network.IP.IsGlobalUnicast():
			others = append(others, network.IP)
		}
	}
	return append(others, loopback...)
}
