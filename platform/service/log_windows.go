package service

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/windows"
)

// Output is where the service's log goes. Windows keeps nothing of what a service writes to its standard error, so that here it is a file.
func Output(c Config, stderr io.Writer) io.Writer {
	if !isService() {
		return stderr
	}
	output.path = logPath(c.Name)
	if err := output.open(); err != nil {
		return stderr
	}
	return &output
}

// output is the service's log; before Output it has no file.
var output logFile

// logPath is where the log of a service of this name is.
func logPath(name string) string {
	settings, _ := Folders(name)
	return filepath.Join(settings, name+".log")
}

// logs are the files of the log, the older one first.
func logs(name string) []string { return []string{logPath(name) + ".1", logPath(name)} }

// A logFile is a log whose lines begin with the date, and that is put aside when it has grown long: there is one older file beside it.
type logFile struct {
	mu   sync.Mutex
	path string
	f    *os.File
	size int64
}

// Write writes one line.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > logSize/2 {
		l.turn()
	}
	n, err := l.f.Write(append(time.Now().AppendFormat(nil, "2006-01-02 "), line...))
	l.size += int64(n)
	if err != nil {
		return 0, err
	}
	return len(line), nil
}

// turn puts the file aside. Where that can't be, since somebody has it open, it is tried again when as much has been written again.
func (l *logFile) turn() {
	_ = l.f.Close()
	err := os.Rename(l.path, l.path+".1")
	if l.open() == nil && err != nil {
		l.size = 0
	}
}

// open opens it, also for what Go itself says when the program crashes.
func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	l.f, l.size = f, info.Size()
	_ = windows.SetStdHandle(windows.STD_ERROR_HANDLE, windows.Handle(f.Fd())) // the log itself doesn't need it
	return nil
}

// close closes it, so that whoever removes the service can remove the file.
func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.f.Close() // there is no place left to tell
}
