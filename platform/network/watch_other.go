//go:build !linux

package network

import "context"

// listen says that the system isn't asked.
func listen(context.Context, func()) error { return errUnsupported }

func addressStates() any { return nil }
