package cmd_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// A diskWrite is an entry of the log that the kernel's dm-log-writes keeps of a disk, in the order in which the disk was done with them.
type diskWrite struct {
	at   int64
	data []byte
	// flush tells that all entries before it are on the disk for good; forced that it is itself.
	flush, forced bool
	// mark is a word that somebody has put there, at that moment.
	mark string
}

// The form of the log, as in drivers/md/dm-log-writes.c of the kernel: a sector with the head; then a sector for each entry, followed by
// its bytes. All numbers are little-endian, and all places and lengths in sectors.
const (
	logMagic   = 0x6a736677736872
	logVersion = 1

	entryHead = 32 // sector, sectors, flags, bytes of a mark

	flagFlush, flagForced, flagDiscard, flagMark = 1, 2, 4, 8
)

// parseDiskLog reads such a log.
func parseDiskLog(r io.ReaderAt) ([]diskWrite, error) {
	head := make([]byte, 28)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("the head of the log: %w", err)
	}
	n := binary.LittleEndian.Uint64(head[16:])
	sector := int64(binary.LittleEndian.Uint32(head[24:]))
	if binary.LittleEndian.Uint64(head) != logMagic || binary.LittleEndian.Uint64(head[8:]) != logVersion || sector < 512 {
		return nil, errors.New("that is no log of dm-log-writes")
	}
	var writes []diskWrite
	at := sector
	for i := range n {
		entry := make([]byte, sector)
		if _, err := r.ReadAt(entry, at); err != nil {
			return nil, fmt.Errorf("entry %d of %d: %w", i, n, err)
		}
		field := func(i int) int64 { return int64(binary.LittleEndian.Uint64(entry[8*i:])) }
		place, length, flags := field(0)*sector, field(1)*sector, field(2)
		at += sector
		w := diskWrite{at: place, flush: flags&flagFlush != 0, forced: flags&flagForced != 0}
		switch {
		case flags&flagMark != 0:
			w.mark = string(entry[entryHead:min(entryHead+field(3), sector)])
		case flags&flagDiscard != 0:
			return nil, fmt.Errorf("entry %d: the disk was told to discard something, which isn't replayed here", i)
		default:
			w.data = make([]byte, length)
			if _, err := io.ReadFull(io.NewSectionReader(r, at, length), w.data); err != nil {
				return nil, fmt.Errorf("the bytes of entry %d of %d: %w", i, n, err)
			}
			at += length
		}
		writes = append(writes, w)
	}
	return writes, nil
}

func TestParseDiskLog(t *testing.T) {
	sectors := func(parts ...any) string {
		var b strings.Builder
		for _, p := range parts {
			part, err := binary.Append(nil, binary.LittleEndian, p)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(part)
		}
		b.WriteString(strings.Repeat("\x00", -b.Len()&511))
		return b.String()
	}
	head := func(entries uint64) string {
		return sectors(uint64(0x6a736677736872), uint64(1), entries, uint32(512))
	}
	block := strings.Repeat("x", 1024)
	log := head(3) + sectors([]uint64{7, 2, 16, 0}) + block + sectors([]uint64{0, 0, 8, 5}, []byte("first")) + sectors([]uint64{0, 0, 1, 0})
	got, err := parseDiskLog(strings.NewReader(log))
	if err != nil || len(got) != 3 || got[0].at != 7*512 || string(got[0].data) != block || got[0].flush || got[1].mark != "first" || !got[2].flush {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", log[:500], "x" + log[1:], log[:600], log[:1600], head(4) + log[512:], head(1) + sectors([]uint64{7, 2, 4, 0})} {
		if got, err := parseDiskLog(strings.NewReader(bad)); err == nil {
			t.Errorf("%d bytes: %+v", len(bad), got)
		}
	}
}

// A replay builds a disk again as it was at some moment of its log.
type replay struct {
	writes []diskWrite
	disk   io.WriterAt
	// done is how many of the writes are on the disk.
	done int
	// confirmed are the marks up to there.
	confirmed []string
}

// to replays the first n writes. It only goes forwards.
func (r *replay) to(n int) error {
	for ; r.done < n; r.done++ {
		w := r.writes[r.done]
		if w.mark != "" {
			r.confirmed = append(r.confirmed, w.mark)
		}
		if _, err := r.disk.WriteAt(w.data, w.at); err != nil {
			return err
		}
	}
	return nil
}

// cuts are the moments at which the disk has for good what it said so of: before and after each flush, and after each mark.
func (r *replay) cuts() []int {
	list := []int{len(r.writes)}
	for i, w := range r.writes {
		if w.flush || w.forced {
			list = append(list, i, i+1)
		}
		if w.mark != "" {
			list = append(list, i+1)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
