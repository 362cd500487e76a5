package flash

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSums bounds a list of digests, in bytes.
const maxSums = 1 << 20

// digestBeside looks for an image's SHA-256 in IMAGE.sha256 and in SHA256SUMS beside it, and gives the file that has it; empty if none does.
func digestBeside(image string) (digest, list string, err error) {
	for _, list := range []string{image + ".sha256", filepath.Join(filepath.Dir(image), "SHA256SUMS")} {
		text, err := readSums(list)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		digest, err := digestIn(text, filepath.Base(image), strings.HasSuffix(list, ".sha256"))
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", list, err)
		}
		if digest != "" {
			return digest, list, nil
		}
	}
	return "", "", nil
}

func readSums(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSums))
	return string(data), err
}

// digestIn finds the digest of a file in what sha256sum(1) writes: digest, space, space or *, name. A file of its own may have the digest alone, and another
// name: the image may have been renamed.
func digestIn(text, name string, own bool) (string, error) {
	var only string
	lines := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		lines++
		digest, rest, _ := strings.Cut(line, " ")
		if raw, err := hex.DecodeString(digest); err != nil || len(raw) != 32 {
			return "", fmt.Errorf("line %.80q has no SHA-256", line)
		}
		only = strings.ToLower(digest)
		if strings.TrimPrefix(strings.TrimLeft(rest, " "), "*") == name {
			return only, nil
		}
	}
	if own && lines == 1 {
		return only, nil
	}
	if own {
		return "", fmt.Errorf("it has no line for %s", name)
	}
	return "", nil
}
