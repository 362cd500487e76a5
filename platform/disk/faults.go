package disk

import (
	"errors"
	"slices"
)

// Full tells whether an error says that the disk has no room, or this user's share of it.
func Full(err error) bool { return is(err, full) }

// ReadOnly tells whether an error says that the disk was made read-only, as Linux does after damage.
func ReadOnly(err error) bool { return is(err, readOnly) }

// Failing tells whether an error says that the disk itself failed, or what is on it is damaged.
func Failing(err error) bool { return is(err, failing) }

func is(err error, list []error) bool {
	return slices.ContainsFunc(list, func(one error) bool { return errors.Is(err, one) })
}
