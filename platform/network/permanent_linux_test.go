package network

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// link is what the kernel says of an interface: a message of RTM_NEWLINK with one attribute.
func link(index uint32, attribute uint16, value []byte) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint16(b[4:], unix.RTM_NEWLINK)
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr+4:], index)
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, attribute)
	b = append(b, value...)
	for len(b)%4 > 0 {
		b = append(b, 0)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

func TestPermanentIn(t *testing.T) {
	mac := []byte{0x52, 0x54, 0, 1, 2, 3}
	table := link(2, unix.IFLA_PERM_ADDRESS, mac)
	table = append(table, link(3, unix.IFLA_ADDRESS, mac)...)
	table = append(table, link(4, unix.IFLA_PERM_ADDRESS, make([]byte, 20))...) // InfiniBand
	got := permanentIn(table)
	if len(got) != 1 || got[2].String() != "52:54:00:01:02:03" {
		t.Errorf("%v", got)
	}
	if got := permanentIn(table[:20]); len(got) != 0 {
		t.Errorf("of a half message: %v", got)
	}
}

func FuzzPermanentIn(f *testing.F) {
	f.Add(link(2, unix.IFLA_PERM_ADDRESS, []byte{0x52, 0x54, 0, 1, 2, 3}))
	f.Fuzz(func(t *testing.T, table []byte) { permanentIn(table) })
}
