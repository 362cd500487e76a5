package removable

// driveRemovable is what Windows calls a drive whose medium can be taken out, such as a stick (GetDriveTypeW).
const driveRemovable = 2

// drives are the roots of the drives with removable media. letters has a bit for each letter that is in use, A being the lowest; only those are asked
// for their kind.
func drives(letters uint32, kind func(root string) uint32) map[string]bool {
	list := map[string]bool{}
	for i := range 26 {
		if root := string(rune('A'+i)) + `:\`; letters&(1<<i) != 0 && kind(root) == driveRemovable {
			list[root] = true
		}
	}
	return list
}
