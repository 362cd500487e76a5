package cli

import (
	"fmt"

	"vitrine/agent/doctor"
)

// PrintReport prints what the doctor says. The error says that something fails.
func PrintReport(env Env, r doctor.Report, asJSON bool) error {
	if asJSON {
		if err := WriteJSON(env.Stdout, r); err != nil {
			return err
		}
	} else {
		r.Write(env.Stdout)
	}
	switch n := r.Count(doctor.Failing); n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("1 thing fails")
	default:
		return fmt.Errorf("%d things fail", n)
	}
}
