package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"vitrine/platform/child"
)

// localtime is a link to the system's time zone (localtime(5)).
const localtime = "/etc/localtime"

// zoneTimeout bounds the program that is asked to set it.
const zoneTimeout = 20 * time.Second

// SetZone makes a time zone the system's, if it isn't. systemd does it, which also knows whether this user may; the error is errors.ErrUnsupported
// elsewhere.
func SetZone(ctx context.Context, name string) error {
	if runtime.GOOS != "linux" {
		return errors.ErrUnsupported
	}
	if target, err := os.Readlink(localtime); err == nil && strings.HasSuffix(target, "/zoneinfo/"+name) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, zoneTimeout)
	defer cancel()
	if out, err := child.Command(ctx, "timedatectl", "set-timezone", name).CombinedOutput(); err != nil {
		return fmt.Errorf("timedatectl set-timezone %s: %w: %.200s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
