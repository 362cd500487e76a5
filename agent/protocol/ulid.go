package protocol

import (
	"crypto/rand"
	"time"
)

// NewULID makes a name that is unique, and sorts by the time when it was made.
func NewULID(now time.Time) string {
	const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var id [26]byte
	ms := max(0, now.UnixMilli())
	for i := 9; i >= 0; i-- {
		id[i] = crockford[ms%32]
		ms /= 32
	}
	_, _ = rand.Read(id[10:]) // it never fails
	for i := 10; i < len(id); i++ {
		id[i] = crockford[id[i]%32]
	}
	return string(id[:])
}
