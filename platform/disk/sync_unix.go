//go:build !windows

package disk

import "os"

// syncDir makes the names in dir durable: without it a renamed file may be gone after a power cut although its bytes
// were synced.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
