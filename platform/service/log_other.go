//go:build !windows

package service

import (
	"io"
	"os"
	"sync"

	"github.com/kardianos/service"
)

// Output is where the service's log goes: the service manager keeps what is written to the standard error. Those without a journal keep it in a file, for ever; that
// is kept short, with what is older in another one.
func Output(c Config, stderr io.Writer) io.Writer {
	given, ok := stderr.(*os.File)
	if !ok {
		return stderr
	}
	files := logs(c.Name)
	old, path := files[len(files)-2], files[len(files)-1]
	ours, err := given.Stat()
	if err != nil {
		return stderr
	}
	if its, err := os.Stat(path); err != nil || !os.SameFile(ours, its) {
		return stderr
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return stderr
	}
	return &shortFile{f: f, path: path, old: old}
}

// logs are the files that service managers without a journal keep, the older one first: what the service prints, and then its log.
func logs(name string) []string {
	base := "/var/log/" + name
	if service.Platform() == launchd {
		return []string{base + ".out.log", base + ".err.log.1", base + ".err.log"}
	}
	return []string{base + ".log", base + ".err.1", base + ".err"}
}

// A shortFile is a log that others have open, too, the manager for one. When it has grown long it is copied, and begins anew.
type shortFile struct {
	mu        sync.Mutex
	f         *os.File
	path, old string
}

// Write writes one line.
func (s *shortFile) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if info, err := s.f.Stat(); err == nil && info.Size() > logSize/2 {
		s.turn()
	}
	return s.f.Write(line)
}

// turn copies its end. On a disk that is full what is older goes.
func (s *shortFile) turn() {
	text, err := tail(s.path, logSize/2)
	if err == nil {
		err = os.WriteFile(s.old, text, 0o640)
	}
	if err != nil {
		_ = os.Remove(s.old)
	}
	_ = s.f.Truncate(0) // where it can't be, it goes on growing
}
