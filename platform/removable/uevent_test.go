package removable

import "testing"

func TestIsBlockEvent(t *testing.T) {
	for message, want := range map[string]bool{
		"add@/devices/pci0000:00/usb1/1-1/block/sdb/sdb1\x00ACTION=add\x00DEVPATH=/devices/x\x00SUBSYSTEM=block\x00MAJOR=8\x00DEVNAME=sdb1\x00": true,
		"change@/devices/virtual/block/loop0\x00SUBSYSTEM=block\x00":                                                                            true,
		"remove@/devices/x\x00SUBSYSTEM=block":                                                                                                  true,
		"add@/devices/x\x00SUBSYSTEM=net\x00":                                                                                                   false,
		"add@/devices/x\x00NAME=SUBSYSTEM=block\x00":                                                                                            false,
		"libudev\x00\xfe\xed\xca\xfe\x28\x00\x00\x00SUBSYSTEM=block\x00":                                                                        false,
		"SUBSYSTEM=block\x00":            false,
		"add@/devices/x":                 false,
		"@/devices/x\x00SUBSYSTEM=block": false,
		"":                               false,
	} {
		if isBlockEvent([]byte(message)) != want {
			t.Errorf("%q: %t", message, !want)
		}
	}
}

func FuzzIsBlockEvent(f *testing.F) {
	f.Add([]byte("add@/devices/x\x00ACTION=add\x00SUBSYSTEM=block\x00"))
	f.Fuzz(func(t *testing.T, message []byte) { isBlockEvent(message) })
}

func TestIdentify(t *testing.T) {
	head := func(at int, text string) []byte {
		b := make([]byte, headSize)
		b[510], b[511] = 0x55, 0xaa
		copy(b[at:], text)
		return b
	}
	for want, b := range map[string][]byte{
		"exfat": head(3, "EXFAT   "), "ntfs3": head(3, "NTFS    "), "vfat": head(82, "FAT32   "), "ext4": head(0x438, "\x53\xef"), "": head(0, ""),
	} {
		if got := identify(b); got != want {
			t.Errorf("%q is taken for %q", want, got)
		}
	}
	if identify(head(54, "FAT16   ")) != "vfat" || identify([]byte("short")) != "" {
		t.Error("FAT16, or something short")
	}
}
