package removable

import "os"

// Mounts gives the folders at which each device is mounted, in their order, by its number as major:minor.
func Mounts() (map[string][]string, error) {
	table, err := os.ReadFile(mountTable)
	if err != nil {
		return nil, err
	}
	mounts := map[string][]string{}
	for _, l := range mountLines(string(table)) {
		mounts[l.device] = append(mounts[l.device], l.point)
	}
	return mounts, nil
}
