package flash

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// A Target is a device that is being written to, and that nobody else has meanwhile.
type Target struct {
	*os.File
	file bool
	// held are volumes of the disk that mustn't be mounted meanwhile.
	held []io.Closer
}

// Open unmounts what is on a device, and takes it for itself.
func (d Device) Open() (*Target, error) {
	if !d.file {
		return d.open()
	}
	f, err := os.OpenFile(d.Path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &Target{File: f, file: true}, nil
}

// Flush has everything on the medium. What was written went past the system's memory, and so does what is read, where the device lets it.
func (t *Target) Flush() error {
	if err := t.Sync(); err != nil {
		return err
	}
	return t.forget()
}

// Release has the system look anew at what is on the device, and gives it back. Known tells whether it has looked: some do only once it is put in again.
func (t *Target) Release() (known bool, err error) {
	known = !t.file && t.look()
	return known, errors.Join(t.letGo(), t.Close())
}

func (t *Target) letGo() (err error) {
	for _, h := range t.held {
		err = errors.Join(err, h.Close())
	}
	return err
}

func errReadOnly(path string) error {
	return fmt.Errorf("%s is write-protected: look for a small switch on the card or its adapter", path)
}

func errSector(path string, size int) error {
	return fmt.Errorf("%s has sectors of %d bytes, and images are for those of %d", path, size, alignment)
}
