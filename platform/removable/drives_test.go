package removable

import (
	"maps"
	"slices"
	"testing"
)

// Windows' drives: none but those in use are asked for, the first and the last letter count, and fixed, network and optical drives are no sticks.
func TestDrives(t *testing.T) {
	const unknown, noRoot, removable, fixed, remote, optical = 0, 1, 2, 3, 4, 5
	kinds := map[string]uint32{`A:\`: removable, `C:\`: fixed, `D:\`: optical, `E:\`: removable, `F:\`: remote, `G:\`: noRoot, `H:\`: unknown, `Z:\`: removable}
	letters := uint32(1 << 31) // what is beyond Z is no letter
	for root := range kinds {
		letters |= 1 << (root[0] - 'A')
	}
	var asked []string
	got := drives(letters, func(root string) uint32 {
		asked = append(asked, root)
		return kinds[root]
	})
	if want := slices.Sorted(maps.Keys(kinds)); !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	if !maps.Equal(got, map[string]bool{`A:\`: true, `E:\`: true, `Z:\`: true}) {
		t.Errorf("got %v", got)
	}
	if got := drives(0, nil); len(got) != 0 {
		t.Errorf("without drives: %v", got)
	}
}
