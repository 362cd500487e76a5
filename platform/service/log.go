package service

import (
	"context"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/kardianos/service"

	"vitrine/platform/child"
)

// Bounds of a log that is read.
const (
	logLines   = 2000
	logSize    = 2 << 20
	logTimeout = 10 * time.Second
)

// Log is the end of what the service has logged, as far as this user may read it: from the journal of systemd, or the file of other managers.
func Log(ctx context.Context, c Config) (string, error) {
	if service.Platform() == systemd {
		ctx, cancel := context.WithTimeout(ctx, logTimeout)
		defer cancel()
		out, err := child.Command(ctx, "journalctl", "--unit", c.Name, "--lines", strconv.Itoa(logLines), "--no-pager", "--quiet", "--output", "short-iso").Output()
		return end(out), err
	}
	var text []byte
	var err error
	for _, path := range logs(c.Name) {
		var more []byte
		more, err = tail(path, logSize) // the last one counts, which a service that has ever run has
		text = append(text, more...)
	}
	return end(text), err
}

// tail reads the end of a file, which may be very long.
func tail(path string, size int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-size), size))
}

// end is the last of it.
func end(text []byte) string { return string(text[max(0, len(text)-logSize):]) }
