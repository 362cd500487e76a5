package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// A Token is a join token as the site remembers it: without its secret.
type Token struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// MaxUses is how many viewers may enrol with it; 0 means any number.
	MaxUses int `json:"max_uses"`
	// Uses is how many have; it is counted, not stored.
	Uses int `json:"uses"`
	// SecretHash is the SHA-256 of the secret, in hex. The secret has 160 random bits, so that a slow hash isn't needed.
	SecretHash string `json:"secret_sha256,omitempty"`
}

// CreateToken makes a token that lets maxUses viewers (0 means any number) enrol until it expires after life.
func (s *Site) CreateToken(life time.Duration, maxUses int) (protocol.JoinToken, error) {
	token := protocol.NewJoinToken(s.Pin())
	now := time.Now().UTC().Truncate(time.Second)
	record := Token{ID: token.ID, Created: now, Expires: now.Add(life), MaxUses: maxUses, SecretHash: hashSecret(token.Secret.Reveal())}
	return token, atomicfile.WriteJSON(s.tokenPath(token.ID), record, 0o600)
}

// Tokens lists the tokens, oldest first, without their hashes.
func (s *Site) Tokens() ([]Token, error) {
	ids, err := listIDs(filepath.Join(s.dir, tokenDir))
	if err != nil {
		return nil, err
	}
	viewers, err := s.Viewers()
	if err != nil {
		return nil, err
	}
	tokens := []Token{}
	for _, id := range ids {
		token, err := s.token(id, viewers)
		if err != nil {
			return nil, err
		}
		token.SecretHash = ""
		tokens = append(tokens, token)
	}
	slices.SortFunc(tokens, func(a, b Token) int { return a.Created.Compare(b.Created) })
	return tokens, nil
}

// RevokeToken removes a token. Viewers that enrolled with it stay.
func (s *Site) RevokeToken(id string) error {
	if !isID(id) {
		return fmt.Errorf("token %.40q: no such token", id)
	}
	err := os.Remove(s.tokenPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("token %s: no such token; `vitrine-server token list` shows them", id)
	}
	return err
}

// checkToken says whether a viewer may enrol with this id and secret now. What it tells a stranger is the same for a
// token that doesn't exist and one with another secret.
func (s *Site) checkToken(id, secret string, viewers []Viewer) error {
	unknown := errors.New("the join token is not known here; make a new one with `vitrine-server token create`")
	if !isID(id) {
		return unknown
	}
	token, err := s.token(id, viewers)
	if errors.Is(err, fs.ErrNotExist) {
		return unknown
	}
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(token.SecretHash), []byte(hashSecret(secret))) != 1 {
		return unknown
	}
	if time.Now().After(token.Expires) {
		return fmt.Errorf("the join token expired on %s; make a new one with `vitrine-server token create`", token.Expires.Format(time.DateTime))
	}
	if token.MaxUses > 0 && token.Uses >= token.MaxUses {
		return fmt.Errorf("the join token is used up: it was good for %d; make a new one with `vitrine-server token create`", token.MaxUses)
	}
	return nil
}

func (s *Site) token(id string, viewers []Viewer) (Token, error) {
	var token Token
	if err := readJSON(s.tokenPath(id), &token); err != nil {
		return Token{}, err
	}
	for _, v := range viewers {
		if v.Token == id {
			token.Uses++
		}
	}
	return token, nil
}

func (s *Site) tokenPath(id string) string { return filepath.Join(s.dir, tokenDir, id+".json") }

func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// isID tells whether s is an id as we make them, and so safe as a file name.
func isID(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// listIDs lists the names of the .json files in dir, without the ending.
func listIDs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && isID(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s is damaged: %w", path, err)
	}
	return nil
}
