package doctor

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"time"
)

// A File is one of an archive for support.
type File struct{ Name, Text string }

// WriteBundle writes an archive for support, tar and gzip, of files from which secrets were taken.
func WriteBundle(w io.Writer, at time.Time, files []File) error {
	packed := gzip.NewWriter(w)
	archive := tar.NewWriter(packed)
	for _, f := range files {
		header := &tar.Header{Name: "vitrine-support/" + f.Name, Mode: 0o644, Size: int64(len(f.Text)), ModTime: at.Truncate(time.Second), Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := io.WriteString(archive, f.Text); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), packed.Close())
}
