// Package zones gives the program the world's time zones, for devices that have no database of them.
//
// It is Go's own package time/tzdata, but compressed: that has 400 kB, this 95. It owns the copy of the database, and who imports it need do nothing
// more: package time looks there when the system knows no zone of a name.
package zones

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"io"
	"sync"
	"syscall"
	_ "unsafe" // for linkname
)

// packed is lib/time/zoneinfo.zip of the Go distribution.
//
//go:generate sh -c "gzip -9n < $(go env GOROOT)/lib/time/zoneinfo.zip > zones.gz"
//go:embed zones.gz
var packed []byte

// register is how time/tzdata does it; package time lets it be linked to.
//
//go:linkname register time.registerLoadFromEmbeddedTZData
func register(load func(name string) (string, error))

func init() { register(load) }

// database is the file, in memory from the first use on.
var database = sync.OnceValues(func() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
})

// Parts of a zip file in which nothing is compressed (APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16).
const (
	endSize, centralSize, localSize = 22, 46, 30
	endMark, centralMark, localMark = 0x06054b50, 0x02014b50, 0x04034b50
)

// load finds a zone by its name. The errors are those that package time expects.
func load(name string) (string, error) {
	data, err := database()
	if err != nil {
		return "", err
	}
	u16 := func(at int) int { return int(binary.LittleEndian.Uint16(data[at:])) }
	u32 := func(at int) int { return int(binary.LittleEndian.Uint32(data[at:])) }
	end := len(data) - endSize
	if end < 0 || u32(end) != endMark {
		return "", syscall.EINVAL
	}
	at := u32(end + 16)
	for range u16(end + 10) {
		if u32(at) != centralMark {
			break
		}
		size, length, local := u32(at+24), u16(at+28), u32(at+42)
		found := string(data[at+centralSize:at+centralSize+length]) == name
		at += centralSize + length + u16(at+30) + u16(at+32)
		if !found {
			continue
		}
		if u32(local) != localMark {
			break
		}
		begin := local + localSize + u16(local+26) + u16(local+28)
		return string(data[begin : begin+size]), nil
	}
	return "", syscall.ENOENT
}
