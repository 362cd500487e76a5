package protocol

import "fmt"

// An Upload is a kind of what viewers put on their server because it is too large for a result.
type Upload struct {
	// Kind is its name in paths.
	Kind string
	// Type is its media type, and Ending that of files with it.
	Type, Ending string
	// Lossless is another media type that is taken; empty for none.
	Lossless string
	// Max is the largest one that a server takes, in bytes.
	Max int64
}

// The kinds of uploads.
var (
	// Screenshot is a picture of a viewer's screen.
	Screenshot = Upload{"screenshots", "image/jpeg", ".jpg", "image/png", 4 << 20}
	// SupportBundle is an archive for support.
	SupportBundle = Upload{"logs", "application/gzip", ".tar.gz", "", 8 << 20}
)

// Path is where a viewer puts one; id is a ULID.
func (u Upload) Path(viewer, id string) string {
	return fmt.Sprintf("/v1/viewers/%s/%s/%s", viewer, u.Kind, id)
}

// ScreenshotResult is what comes of the command CommandScreenshot.
type ScreenshotResult struct {
	// Screenshot is the ULID under which the server has the picture.
	Screenshot string `json:"screenshot"`
	Bytes      int    `json:"bytes"`
}
