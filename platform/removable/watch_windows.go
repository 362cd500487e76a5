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
	list := map[string]bool{}
	for i := range 26 {
		root := string(rune('A'+i)) + `:\`
		name, err := windows.UTF16PtrFromString(root)
		if err == nil && letters&(1<<i) != 0 && windows.GetDriveType(name) == windows.DRIVE_REMOVABLE {
			list[root] = true
		}
	}
	return list, nil
}

func watch(ctx context.Context, look func()) error { return poll(ctx, look) }
