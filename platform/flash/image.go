package flash

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
)

// chunk is how much is read, written and compared at once, in bytes.
const chunk = 1 << 20

// A Step is what is being done with an image.
type Step string

// The steps, in their order.
const (
	Examining Step = "Reading the image"
	Writing   Step = "Writing"
	Verifying Step = "Reading back"
)

// A Report is told how far a step is, in bytes.
type Report func(step Step, done, total int64)

// An Image is the image of a disk that was read once from its first byte to its last. It is known to be whole, so that nothing of it fails half-way.
type Image struct {
	Path string
	// Size is its length in bytes, unpacked.
	Size int64
	// SHA256 is the digest of the file as it is, packed or not, and List the file beside it that has the same; empty if there is none.
	SHA256, List string

	finder finder
}

// Examine reads an image, and compares it with the digest beside it, if there is one.
func Examine(ctx context.Context, path string, report Report) (*Image, error) {
	want, list, err := digestBeside(path)
	if err != nil {
		return nil, err
	}
	source, err := open(path)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	i := &Image{Path: path, List: list}
	buffer := make([]byte, chunk)
	for {
		if ctx.Err() != nil {
			return nil, errors.New("interrupted; nothing was written")
		}
		n, err := io.ReadFull(source, buffer)
		if i.Size == 0 && err != io.EOF {
			if err := checkHead(buffer[:n]); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
		i.finder.look(i.Size, buffer[:n])
		i.Size += int64(n)
		report(Examining, source.read, source.length)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case i.Size == 0:
		return nil, fmt.Errorf("%s is empty", path)
	case i.Size%alignment != 0:
		return nil, fmt.Errorf("%s ends within a sector, so it is cut short: get it again", path)
	}
	if i.SHA256, err = source.digest(); err != nil {
		return nil, err
	}
	if list != "" && want != i.SHA256 {
		return nil, fmt.Errorf("%s is damaged, or another one than %s says: its SHA-256 is %s, and should be %s; get both again", path, list, i.SHA256, want)
	}
	return i, nil
}

// A source gives the unpacked bytes of an image.
type source struct {
	io.Reader
	file *os.File
	sum  hash.Hash
	// read is how much of the file was read, of its length.
	read, length int64
	packed       *bufio.Reader
}

// Look says why a path is no file that may have an image in it, of which nothing is read; size is the file's length in bytes.
func Look(path string) (size int64, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("there is no %s: want a file with an image, an .img or .img.gz", path)
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is not a file with an image", path)
	}
	return info.Size(), nil
}

func open(path string) (*source, error) {
	length, err := Look(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &source{file: f, sum: sha256.New(), length: length}
	s.packed = bufio.NewReaderSize(counted{s}, 1<<20)
	s.Reader = s.packed
	head, _ := s.packed.Peek(6) // an error comes again with the next reading
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(s.packed)
		if err != nil {
			f.Close()
			return nil, unpackError(path, err)
		}
		s.Reader = gunzip{unpacked, path}
		return s, nil
	}
	for _, p := range packers {
		if bytes.HasPrefix(head, []byte(p.magic)) {
			f.Close()
			return nil, fmt.Errorf("%s is packed by %s, which can't be unpacked here: unpack it first, with `%s`", path, p.name, p.unpack)
		}
	}
	return s, nil
}

// packers are those that images come in, and that would each cost the viewer more than a player of them has room for.
var packers = []struct{ magic, name, unpack string }{
	{"\xfd7zXZ\x00", "xz", "xz -d"},
	{"\x28\xb5\x2f\xfd", "zstd", "zstd -d"},
	{"BZh", "bzip2", "bzip2 -d"},
	{"PK\x03\x04", "zip", "unzip"},
}

func (s *source) Close() error { return s.file.Close() }

// digest is that of the whole file.
func (s *source) digest() (string, error) {
	if _, err := io.Copy(io.Discard, s.packed); err != nil {
		return "", err
	}
	return hex.EncodeToString(s.sum.Sum(nil)), nil
}

// counted reads the file, and counts and hashes what it reads.
type counted struct{ *source }

func (c counted) Read(b []byte) (int, error) {
	n, err := c.file.Read(b)
	c.sum.Write(b[:n])
	c.source.read += int64(n)
	return n, err
}

// gunzip says what the errors of unpacking mean.
type gunzip struct {
	io.Reader
	path string
}

func (g gunzip) Read(b []byte) (int, error) {
	n, err := g.Reader.Read(b)
	if err != nil && err != io.EOF {
		err = unpackError(g.path, err)
	}
	return n, err
}

// An unpackError must not be io.ErrUnexpectedEOF, which only means that an image isn't a multiple of what is read at once.
func unpackError(path string, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%s is cut short: get it again", path)
	}
	return fmt.Errorf("%s is damaged: get it again (%w)", path, err)
}

// checkHead tells the image of a disk from other files: it has a table of partitions (MBR, which GPT has, too), or a boot sector.
func checkHead(head []byte) error {
	if len(head) < alignment || head[510] != 0x55 || head[511] != 0xaa {
		return errors.New("this isn't the image of a disk: it has no table of partitions")
	}
	return nil
}
