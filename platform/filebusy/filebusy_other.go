//go:build !linux

package filebusy

import (
	"errors"
	"os"
)

func busy(*os.File) (bool, error) { return false, errors.ErrUnsupported }
