package media

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func box(boxType string, content ...byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), boxType...), content...)
}

// mvhd is a movie header of version 0 or 1.
func mvhd(version byte, scale uint32, ticks uint64) []byte {
	b := []byte{version, 0, 0, 0}
	if version == 0 {
		b = append(b, make([]byte, 8)...)
		b = binary.BigEndian.AppendUint32(b, scale)
		b = binary.BigEndian.AppendUint32(b, uint32(ticks))
	} else {
		b = append(b, make([]byte, 16)...)
		b = binary.BigEndian.AppendUint32(b, scale)
		b = binary.BigEndian.AppendUint64(b, ticks)
	}
	return box("mvhd", append(b, make([]byte, 80)...)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestMP4Duration(t *testing.T) {
	ftyp := box("ftyp", []byte("isom0000")...)
	big := append(append([]byte{0, 0, 0, 1}, "mdat"...), binary.BigEndian.AppendUint64(nil, 20)...)
	for name, c := range map[string]struct {
		data []byte
		want time.Duration
		bad  bool
	}{
		"version 0":            {join(ftyp, box("moov", mvhd(0, 1000, 5500)...)), 5500 * time.Millisecond, false},
		"version 1, moov last": {join(ftyp, box("mdat", 1, 2, 3), box("moov", join(box("udta"), mvhd(1, 90000, 180000))...)), 2 * time.Second, false},
		"64-bit box before":    {join(ftyp, big, []byte{1, 2, 3, 4}, box("moov", mvhd(0, 1, 3)...)), 3 * time.Second, false},
		"unknown length":       {join(ftyp, box("moov", mvhd(0, 1000, math.MaxUint32)...)), 0, false},
		"no moov":              {ftyp, 0, true},
		"scale 0":              {join(ftyp, box("moov", mvhd(0, 0, 5)...)), 0, true},
		"a year":               {join(ftyp, box("moov", mvhd(0, 1, 365*86400)...)), 0, true},
		"version 7":            {join(ftyp, box("moov", mvhd(7, 1, 1)...)), 0, true},
		"box beyond the end":   {join(ftyp, []byte{0, 1, 0, 0}, []byte("moov")), 0, true},
		"box of length 3":      {join(ftyp, []byte{0, 0, 0, 3}, []byte("free")), 0, true},
	} {
		got, err := mp4Duration(bytes.NewReader(c.data), int64(len(c.data)))
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}

// element is an EBML element with a size of one byte.
func element(id []byte, content ...byte) []byte {
	return append(append(id, 0x80|byte(len(content))), content...)
}

func TestWebMDuration(t *testing.T) {
	header := element([]byte{0x1a, 0x45, 0xdf, 0xa3}, 1, 2, 3)
	timebase := element([]byte{0x2a, 0xd7, 0xb1}, 0x0f, 0x42, 0x40) // 1,000,000 ns
	double := element([]byte{0x44, 0x89}, binary.BigEndian.AppendUint64(nil, math.Float64bits(4200))...)
	single := element([]byte{0x44, 0x89}, binary.BigEndian.AppendUint32(nil, math.Float32bits(1500))...)
	nan := element([]byte{0x44, 0x89}, binary.BigEndian.AppendUint64(nil, math.Float64bits(math.NaN()))...)
	info := func(parts ...[]byte) []byte { return element([]byte{0x15, 0x49, 0xa9, 0x66}, join(parts...)...) }
	segment := func(parts ...[]byte) []byte { return element([]byte{0x18, 0x53, 0x80, 0x67}, join(parts...)...) }
	live := append([]byte{0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, info(timebase, single)...)
	for name, c := range map[string]struct {
		data []byte
		want time.Duration
		bad  bool
	}{
		"double":           {join(header, segment(info(timebase, double))), 4200 * time.Millisecond, false},
		"default timebase": {join(header, segment(info(single))), 1500 * time.Millisecond, false},
		"unknown size":     {join(header, live), 1500 * time.Millisecond, false},
		"no duration":      {join(header, segment(info(timebase))), 0, false},
		"not a number":     {join(header, segment(info(timebase, nan))), 0, true},
		"no segment":       {header, 0, true},
		"zero id":          {join(header, []byte{0, 0, 0}), 0, true},
	} {
		got, err := webmDuration(bytes.NewReader(c.data), int64(len(c.data)))
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}

// What ffmpeg writes is what people have.
func TestDurationOfRealFiles(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ffmpeg is missing")
		}
		t.Skip("ffmpeg is missing")
	}
	for name, args := range map[string][]string{
		"a.webm": {"-c:v", "libvpx"},
		"a.mp4":  {"-c:v", "mpeg4"},
		"b.mp4":  {"-c:v", "mpeg4", "-movflags", "faststart"},
	} {
		path := filepath.Join(t.TempDir(), name)
		args = append(append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=1.5"}, args...), path)
		if out, err := exec.CommandContext(t.Context(), ffmpeg, args...).CombinedOutput(); err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, out)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		item, err := identify(file, info)
		if err != nil || (item.Duration-1500*time.Millisecond).Abs() > 100*time.Millisecond {
			t.Errorf("%s: %+v, %v", name, item, err)
		}
	}
}

func FuzzDuration(f *testing.F) {
	f.Add(join(box("ftyp"), box("moov", mvhd(0, 1000, 5500)...)))
	f.Add([]byte{0x1a, 0x45, 0xdf, 0xa3, 0x80, 0x18, 0x53, 0x80, 0x67, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func() (time.Duration, error){
			func() (time.Duration, error) { return mp4Duration(bytes.NewReader(data), int64(len(data))) },
			func() (time.Duration, error) { return webmDuration(bytes.NewReader(data), int64(len(data))) },
		} {
			if d, err := parse(); err == nil && (d < 0 || d > maxDuration) {
				t.Errorf("implausible duration %v", d)
			}
		}
	})
}
