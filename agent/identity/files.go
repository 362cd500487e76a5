package identity

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// Files of the identity. The key of a renewed certificate has a name of its own, so that the enrolment, which is replaced as
// a whole, always has its key beside it.
const (
	keyFile       = "key.pem"
	renewedKeys   = "key-*.pem"
	enrolmentFile = "enrolment.json"
)

// read reads the files.
func (id *Identity) read() (k kept) {
	id.openKey(&k)
	id.load(&k)
	return k
}

// setAside takes a damaged file away from its name.
func (id *Identity) setAside(file string, reason error) {
	path := filepath.Join(id.dir, file)
	id.log.Error("The viewer's identity is damaged and is set aside; enrol this viewer again", "file", path, "err", reason)
	if err := os.Rename(path, path+".damaged"); err != nil {
		id.log.Warn("A damaged file can't be set aside", "err", err)
	}
}

// openKey reads the private key, or makes one.
func (id *Identity) openKey(k *kept) {
	path := filepath.Join(id.dir, keyFile)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.unread = err
		return
	}
	if err == nil {
		if k.key, err = parseKey(data); err == nil {
			return
		}
		id.setAside(keyFile, err)
	}
	k.key, k.unkept = newKey(path)
}

// own is the viewer's first key. An enrolment begins with it: none takes the place of one that can't be read, nor is for a key that the next start wouldn't
// find.
func (id *Identity) own() (crypto.Signer, error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.unread != nil {
		return nil, fmt.Errorf("this viewer's identity can't be read, and none takes its place; replace the disk or card: %w", id.unread)
	}
	if id.unkept != nil {
		err := os.MkdirAll(id.dir, 0o700)
		if err == nil {
			err = writeKey(filepath.Join(id.dir, keyFile), id.key)
		}
		if err != nil {
			return nil, fmt.Errorf("this viewer's key can't be kept on disk, and so it isn't enrolled: %w", err)
		}
		id.unkept = nil
	}
	return id.key, nil
}

func parseKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the key is not in PEM form")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not an ECDSA key")
	}
	return signer, nil
}

func newKey(path string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return key, writeKey(path, key)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// record is the form of the enrolment on disk: the site's answer, and what it was had for.
type record struct {
	protocol.EnrollResponse
	Token string `json:"token,omitempty"`
}

// load reads the enrolment; there may be none, or none that is of use.
func (id *Identity) load(k *kept) {
	data, err := os.ReadFile(filepath.Join(id.dir, enrolmentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		k.unread = cmp.Or(k.unread, err)
		return
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		id.setAside(enrolmentFile, err)
		return
	}
	keys, unread := id.renewed()
	if k.key != nil {
		keys = append(keys, k.key)
	}
	e, err := check(r, keys)
	switch {
	case err == nil:
		k.enrolment = e
		id.forgetKeys(e.key)
	case k.unread != nil || unread != nil:
		k.unread = cmp.Or(k.unread, unread) // it may be for a key that can't be read
	default:
		id.setAside(enrolmentFile, err)
	}
}

// renewed are the keys of certificates that were renewed. The error says which can't be read.
func (id *Identity) renewed() (keys []crypto.Signer, unread error) {
	entries, unread := os.ReadDir(id.dir)
	for _, entry := range entries {
		if ours, _ := filepath.Match(renewedKeys, entry.Name()); !ours { // the pattern is a good one
			continue
		}
		data, err := os.ReadFile(filepath.Join(id.dir, entry.Name()))
		if err != nil {
			unread = cmp.Or(unread, err)
		} else if key, err := parseKey(data); err == nil {
			keys = append(keys, key)
		}
	}
	return keys, unread
}

// renewedKey is the name of the file of a renewed certificate's key.
func renewedKey(key crypto.Signer) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return fmt.Sprintf("key-%x.pem", sum[:8]), nil
}

// forgetKeys removes the renewed keys but one: those of certificates that were replaced, or never came.
func (id *Identity) forgetKeys(but crypto.Signer) {
	keep, err := renewedKey(but)
	if err != nil {
		return
	}
	files, _ := filepath.Glob(filepath.Join(id.dir, renewedKeys))
	for _, file := range files {
		if filepath.Base(file) == keep {
			continue
		}
		if err := os.Remove(file); err != nil {
			id.log.Debug("An old key can't be removed", "file", file, "err", err)
		}
	}
}
