package removable

import "encoding/binary"

// headSize is how much of a device has to be read to know its file system.
const headSize = 2048

// identify names the file system that begins so, as Linux calls it; empty is none that sticks have.
func identify(head []byte) string {
	if len(head) < headSize {
		return ""
	}
	name := string(head[3:11])
	switch {
	case name == "-FVE-FS-": // BitLocker; it may look like FAT further on
		return ""
	case name == "EXFAT   ": // exFAT specification, section 3.1.2
		return "exfat"
	case name == "NTFS    ":
		return "ntfs3"
	case binary.LittleEndian.Uint16(head[0x438:]) == 0xef53: // ext2 to ext4, at 56 in the superblock at 1024
		return "ext4"
	case binary.LittleEndian.Uint16(head[510:]) == 0xaa55 && (string(head[54:57]) == "FAT" || string(head[82:85]) == "FAT"): // FAT12, FAT16; FAT32
		return "vfat"
	}
	return ""
}
