package removable

import (
	"context"

	"golang.org/x/sys/windows"
)

// mounted lists the drives with removable media; Windows has them at letters, so that the folders don't matter.
func mounted([]string) (map[string]bool, error) {
	letters, err := windows.GetLogicalDrives()
	if err != nil {
		return nil, err
	}
	return drives(letters, func(root string) uint32 {
		name, err := windows.UTF16PtrFromString(root)
		if err != nil {
			return windows.DRIVE_UNKNOWN
		}
		return windows.GetDriveType(name)
	}), nil
}

func watch(ctx context.Context, look func()) error { return poll(ctx, look) }
