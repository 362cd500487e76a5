package flash

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExamine(t *testing.T) {
	data := imageBytes()
	zip := packed(t, data)
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	flipped := bytes.Clone(zip)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		data []byte
		// beside are files beside the image, which is called a.img.
		beside map[string]string
		// want is in the error; without it the image is right, and list has its digest.
		want, list string
	}{
		"as it is":               {data: data},
		"packed":                 {data: zip},
		"packed in two pieces":   {data: append(packed(t, data[:chunk]), packed(t, data[chunk:])...)},
		"with its digest":        {data: zip, beside: map[string]string{"a.img.sha256": sum(zip) + "  a.img\n"}, list: "a.img.sha256"},
		"digest alone":           {data: data, beside: map[string]string{"a.img.sha256": strings.ToUpper(sum(data))}, list: "a.img.sha256"},
		"renamed":                {data: data, beside: map[string]string{"a.img.sha256": sum(data) + " *b.img\r\n"}, list: "a.img.sha256"},
		"in a list":              {data: data, beside: map[string]string{"SHA256SUMS": sum(zip) + "  b.img\n" + sum(data) + " *a.img\n"}, list: "SHA256SUMS"},
		"not in the list":        {data: data, beside: map[string]string{"SHA256SUMS": sum(zip) + "  b.img\n"}},
		"other digest":           {data: data, beside: map[string]string{"a.img.sha256": sum(zip) + "  a.img\n"}, want: "a.img.sha256 says: its SHA-256 is " + sum(data)},
		"other digest in a list": {data: zip, beside: map[string]string{"SHA256SUMS": sum(data) + "  a.img\n"}, want: "SHA256SUMS says"},
		"more after it":          {data: append(bytes.Clone(zip), 'x'), beside: map[string]string{"SHA256SUMS": sum(zip) + "  a.img\n"}, want: "cut short"},
		"no digest":              {data: data, beside: map[string]string{"a.img.sha256": "<html>Not found</html>"}, want: "has no SHA-256"},
		"digest of others":       {data: data, beside: map[string]string{"a.img.sha256": sum(data) + "  b\n" + sum(data) + "  c\n"}, want: "no line for a.img"},
		"cut short":              {data: zip[:len(zip)-9], want: "cut short"},
		"cut within its sum":     {data: zip[:len(zip)-3], want: "cut short"},
		"cut at once":            {data: zip[:5], want: "cut short"},
		"a bit is wrong":         {data: flipped, want: "damaged"},
		"within a sector":        {data: data[:chunk+100], want: "within a sector"},
		"empty":                  {data: nil, want: "is empty"},
		"nothing, packed":        {data: packed(t, nil), want: "is empty"},
		"something else":         {data: []byte(strings.Repeat("text ", 1000)), want: "isn't the image of a disk"},
		"something else, packed": {data: packed(t, []byte("text")), want: "isn't the image of a disk"},
		"xz":                     {data: []byte("\xfd7zXZ\x00rest"), want: "`xz -d`"},
		"zstd":                   {data: []byte("\x28\xb5\x2f\xfdrest"), want: "`zstd -d`"},
		"zip":                    {data: []byte("PK\x03\x04rest"), want: "`unzip`"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.img")
			for name, text := range c.beside {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(path, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			i, err := Examine(t.Context(), path, quiet)
			switch {
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir)):
				t.Errorf("%v, want %q", err, c.want)
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "":
				if at, err := i.finder.place(); err != nil || at != placeholderAt || i.Size != imageSize || i.SHA256 != sum(c.data) || strings.TrimPrefix(i.List, dir+"/") != c.list {
					t.Errorf("%+v, %d, %v", i, at, err)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	path := examined(t, data).Path
	if _, err := Examine(ctx, path, func(Step, int64, int64) { cancel() }); err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Error(err)
	}
	for _, path := range []string{filepath.Dir(path), path + "x"} {
		if _, err := Examine(t.Context(), path, quiet); err == nil || !strings.Contains(err.Error(), path) {
			t.Error(err)
		}
	}
}

func TestFileSystem(t *testing.T) {
	head := func(at int, text string, rest ...any) []byte {
		b := make([]byte, headSize)
		b[510], b[511] = 0x55, 0xaa
		copy(b[at:], text)
		for i := 0; i < len(rest); i += 2 {
			copy(b[rest[i].(int):], rest[i+1].(string))
		}
		return b
	}
	for _, c := range []struct {
		head        []byte
		kind, label string
	}{
		{head(54, "FAT16   ", 43, "HOLIDAYS   "), "FAT", "HOLIDAYS"},
		{head(82, "FAT32   ", 71, "NO NAME    "), "FAT", ""},
		{head(3, "EXFAT   "), "exFAT", ""},
		{head(3, "NTFS    "), "NTFS", ""},
		{head(0x438, "\x53\xef", 1024+120, "my\x1b[2Jdata"), "ext4", "my [2Jdata"},
		{make([]byte, headSize), "", ""},
	} {
		if kind, label := fileSystem(c.head); kind != c.kind || label != c.label {
			t.Errorf("%q %q, want %q %q", kind, label, c.kind, c.label)
		}
	}
}

func FuzzDigestIn(f *testing.F) {
	f.Add("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.img\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, own := range []bool{true, false} {
			digest, err := digestIn(text, "a.img", own)
			if raw, bad := hex.DecodeString(digest); bad != nil || err != nil && digest != "" || len(raw) != 0 && len(raw) != 32 {
				t.Errorf("%q, %v", digest, err)
			}
		}
	})
}
