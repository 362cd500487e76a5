package proxy

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// ReadRoots are the system's authorities and those in files, in PEM form: what a network adds that opens TLS connections on the
// way, or whose proxy has a certificate of its own making; more has such authorities itself. Without any it gives nil, which stands for the
// system's everywhere. The error names the files that can't be used, and the others count nevertheless.
func ReadRoots(files []string, more string) (roots *x509.CertPool, damage error) {
	if len(files) == 0 && more == "" {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a system without any
	}
	roots.AppendCertsFromPEM([]byte(more))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && !roots.AppendCertsFromPEM(data) {
			err = errors.New("there is no certificate in PEM form in it")
		}
		if err != nil {
			damage = errors.Join(damage, fmt.Errorf("CA file %s: %w", file, err))
		}
	}
	return roots, damage
}
