package wake

import (
	"errors"
	"fmt"

	"vitrine/platform/network"
)

// Arm has every network card of this machine that can wake it by magic packets do that, and gives the names of those that will. The error
// is about the others.
func Arm() (armed []string, err error) {
	interfaces, err := network.Interfaces()
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, i := range interfaces {
		if i.Loopback || !i.Up || !isMachine(i.MAC) {
			continue
		}
		if err := arm(i.Name); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", i.Name, err))
			continue
		}
		armed = append(armed, i.Name)
	}
	return armed, errors.Join(failures...)
}
