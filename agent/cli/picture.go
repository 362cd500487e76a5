package cli

import (
	"bytes"
	"fmt"
	"os"
)

// PictureExtension is what the name of a picture's file ends in.
func PictureExtension(data []byte) string {
	if bytes.HasPrefix(data, []byte("\x89PNG")) {
		return ".png"
	}
	return ".jpg"
}

// WritePicture writes a picture to a file and says so, or, if that is "-", to the standard output.
func WritePicture(env Env, file string, data []byte, asJSON bool) error {
	if file == "-" {
		_, err := env.Stdout.Write(data)
		return err
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return err
	}
	if asJSON {
		return WriteJSON(env.Stdout, map[string]any{"file": file, "bytes": len(data)})
	}
	_, err := fmt.Fprintf(env.Stdout, "%s: %s\n", file, Bytes(int64(len(data))))
	return err
}
