// The function that is linked to has no body in Go; this file lets the compiler allow that.
