package flash

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"unsafe"
)

// A Medium is what an image is written to.
type Medium interface {
	io.ReaderAt
	io.WriterAt
	// Flush returns once what was written is on the medium, and what is read next comes from there.
	Flush() error
}

// page is what buffers are aligned to, in bytes: what goes past the system's cache must be.
const page = 4096

// aligned makes a buffer.
func aligned(size int) []byte {
	b := make([]byte, size+page)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (page - 1)
	return b[skip : skip+size : skip+size]
}

// Takes says why settings can't be put into the image: for use before anything is written.
func (i *Image) Takes(settings []byte) error {
	_, err := i.patch(settings)
	return err
}

// A patch are bytes that come in place of others.
type patch struct {
	at    int64
	bytes []byte
}

func (i *Image) patch(settings []byte) (patch, error) {
	if settings == nil {
		return patch{}, nil
	}
	text, err := room(settings)
	if err != nil {
		return patch{}, err
	}
	at, err := i.finder.place()
	return patch{at, text}, err
}

// apply puts what of the patch is in data, which is at a place in the image.
func (p patch) apply(at int64, data []byte) {
	if from := p.at - at; from >= 0 && from < int64(len(data)) {
		copy(data[from:], p.bytes)
	} else if from < 0 && -from < int64(len(p.bytes)) {
		copy(data, p.bytes[-from:])
	}
}

// Write writes an image, with settings in it unless they are nil, to a medium of a size, which is 0 if it grows, and reads it back. If it fails or ctx ends
// in between, the medium has no table of partitions, so that nothing takes it for whole.
func (i *Image) Write(ctx context.Context, m Medium, size int64, settings []byte, report Report) error {
	put, err := i.patch(settings)
	if err != nil {
		return err
	}
	if err := i.write(ctx, m, size, put, report); err != nil {
		_ = errors.Join(write(m, aligned(int(min(chunk, i.Size))), 0), m.Flush()) // what has failed may well fail at this, too
		return err
	}
	return nil
}

func (i *Image) write(ctx context.Context, m Medium, size int64, put patch, report Report) error {
	stamps := newStamps(i.Size, size)
	if err := stamps.write(m); err != nil {
		return err
	}
	sums, err := i.copy(ctx, m, put, report)
	if err != nil {
		return err
	}
	if err := m.Flush(); err != nil {
		return fmt.Errorf("writing fails: %w", err)
	}
	if err := i.verify(ctx, m, sums, report); err != nil {
		return err
	}
	return stamps.check(m)
}

// copy writes the first chunk last, and gives the digests of all.
func (i *Image) copy(ctx context.Context, m Medium, put patch, report Report) ([][32]byte, error) {
	source, err := open(i.Path)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	var sums [][32]byte
	head, buffer := aligned(chunk), aligned(chunk)
	if err := write(m, head[:min(chunk, i.Size)], 0); err != nil { // zeros
		return nil, err
	}
	for at := int64(0); at < i.Size; at += chunk {
		if ctx.Err() != nil {
			return nil, errInterrupted
		}
		data := buffer
		if at == 0 {
			data = head
		}
		data = data[:min(chunk, i.Size-at)]
		if _, err := io.ReadFull(source, data); err != nil {
			return nil, fmt.Errorf("%s has changed while it was written: %w", i.Path, err)
		}
		put.apply(at, data)
		sums = append(sums, sha256.Sum256(data))
		if at > 0 {
			if err := write(m, data, at); err != nil {
				return nil, err
			}
		}
		report(Writing, at+int64(len(data)), i.Size)
	}
	if err := m.Flush(); err != nil {
		return nil, fmt.Errorf("writing fails: %w", err)
	}
	return sums, write(m, head[:min(chunk, i.Size)], 0)
}

var errInterrupted = errors.New("interrupted")

func write(m Medium, data []byte, at int64) error {
	if _, err := m.WriteAt(data, at); err != nil {
		return fmt.Errorf("writing fails at %d MB: %w; it is broken, or was pulled out", at/1e6, err)
	}
	return nil
}

// verify compares what is on the medium with what was written.
func (i *Image) verify(ctx context.Context, m Medium, sums [][32]byte, report Report) error {
	buffer := aligned(chunk)
	for n, sum := range sums {
		if ctx.Err() != nil {
			return errInterrupted
		}
		at := int64(n) * chunk
		data := buffer[:min(chunk, i.Size-at)]
		if _, err := m.ReadAt(data, at); err != nil {
			return fmt.Errorf("reading back fails at %d MB: %w; it is broken, or was pulled out", at/1e6, err)
		}
		if sha256.Sum256(data) != sum {
			return fmt.Errorf("what was written at %d MB reads back as something else: it is broken, or has less room than it says, as forged cards do; use another one", at/1e6)
		}
		report(Verifying, at+int64(len(data)), i.Size)
	}
	return nil
}
