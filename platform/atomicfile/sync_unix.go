//go:build !windows

package atomicfile

import "os"

// SyncDir makes the names in dir durable: without it a renamed file may be gone after a power cut although its bytes
// were synced.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
