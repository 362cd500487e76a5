//go:build !linux && !windows

package removable

import (
	"context"
	"errors"
)

func mounted([]string) (map[string]bool, error) { return nil, errors.ErrUnsupported }

func watch(ctx context.Context, look func()) error { return poll(ctx, look) }
