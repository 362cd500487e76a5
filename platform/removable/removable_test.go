package removable

import (
	"slices"
	"testing"
)

const table = `22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
51 28 8:17 / /media/My\040Stick rw,nosuid,nodev shared:29 - vfat /dev/sdb1 rw
52 28 8:18 / /run/media/anna/A\134B ro - exfat /dev/sdb2 ro
short line
53 28 8:19 / /media/bad\04 rw - vfat /dev/sdb3 rw
54 28 8:20 / /media/x\999 rw - vfat /dev/sdb4 rw
55 28 8:21 / /media/deep/er/down rw - vfat /dev/sdb5 rw
`

func TestMountLines(t *testing.T) {
	want := []mountLine{{"/sys", "0:20"}, {"/mnt2", "98:0"}, {"/media/My Stick", "8:17"}, {`/run/media/anna/A\B`, "8:18"}, {"/media/deep/er/down", "8:21"}}
	if got := mountLines(table); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBelow(t *testing.T) {
	for dir, want := range map[string]bool{
		"/media/stick": true, "/media/anna/stick": true, "/run/media/anna/stick": true, "/mnt/usb": true,
		"/media": false, "/media/": false, "/media/a/b/c": false, "/mediax/stick": false, "/": false, "/home/media/x": false,
	} {
		if below(dir, Folders) != want {
			t.Errorf("%s: %t", dir, !want)
		}
	}
}

func FuzzMountLines(f *testing.F) {
	f.Add(table)
	f.Fuzz(func(t *testing.T, text string) { mountLines(text) })
}
