package protocol

import "fmt"

const (
	// MaxScreenshot is the largest picture of a screen that a server takes, in bytes.
	MaxScreenshot = 4 << 20
	// ScreenshotType is what it is.
	ScreenshotType = "image/jpeg"
)

// ScreenshotPath is where a viewer puts a picture of its screen; id is a ULID.
func ScreenshotPath(viewer, id string) string {
	return fmt.Sprintf("/v1/viewers/%s/screenshots/%s", viewer, id)
}

// ScreenshotResult is what comes of the command CommandScreenshot.
type ScreenshotResult struct {
	// Screenshot is the ULID under which the server has the picture.
	Screenshot string `json:"screenshot"`
	Bytes      int    `json:"bytes"`
}
