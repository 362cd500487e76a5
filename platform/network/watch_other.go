//go:build !linux

package network

import (
	"context"
	"errors"
)

// listen says that the system isn't asked.
func listen(context.Context, func()) error { return errors.ErrUnsupported }

// addressStates has nothing to add to Interfaces.
func addressStates() (any, error) { return nil, nil }
