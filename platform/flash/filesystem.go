package flash

import (
	"encoding/binary"
	"strings"
)

// headSize is how much of a partition is looked at to tell its file system.
const headSize = 2048

// fileSystem names the file system that begins so, and what its owner has called it, as far as that is in its head.
//
//lint:ignore U1000 Windows tells it itself
func fileSystem(head []byte) (kind, label string) {
	fat := binary.LittleEndian.Uint16(head[510:]) == 0xaa55
	switch {
	case fat && string(head[54:57]) == "FAT": // FAT12 and FAT16
		kind, label = "FAT", string(head[43:54])
	case fat && string(head[82:85]) == "FAT": // FAT32
		kind, label = "FAT", string(head[71:82])
	case string(head[3:11]) == "EXFAT   ":
		kind = "exFAT"
	case string(head[3:11]) == "NTFS    ":
		kind = "NTFS"
	case binary.LittleEndian.Uint16(head[0x438:]) == 0xef53: // ext2 to ext4, with the label at 120 in the superblock at 1024
		kind, label = "ext4", strings.TrimRight(string(head[1024+120:1024+136]), "\x00")
	}
	if label = clean(label); label == "NO NAME" {
		label = ""
	}
	return kind, label
}
