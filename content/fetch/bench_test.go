package fetch_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/store"
)

// BenchmarkFetch is from a server over TLS to a synced file under its name, for a small picture and a film.
func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{256 << 10, 64 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			asset := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.ServeContent(w, r, "x.bin", time.Time{}, bytes.NewReader(asset))
			}))
			defer server.Close()
			s, err := store.Open(b.TempDir(), store.Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			f := fetch.New(fetch.Config{Transport: server.Client().Transport})
			told := int64(0)
			j := fetch.Job{Digest: digest.Of(asset), Size: int64(size), Type: "video/mp4", Sources: []fetch.Source{{URL: server.URL}}, Progress: func(n int64) { told += n }}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := f.Fetch(b.Context(), s, j); err != nil {
					b.Fatal(err)
				}
			}
			if told%int64(size) != 0 || told == 0 {
				b.Errorf("progress sums to %d", told)
			}
		})
	}
}
