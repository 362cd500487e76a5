// Package counter reads a counter of elapsed time that nobody sets or steers: neither somebody who sets the system clock, nor an NTP daemon that
// makes it run faster or slower, as all other clocks of a machine are. It says nothing about the time of day.
package counter

import "time"

// Now is the time since some moment before the process started. It also counts while the machine sleeps, as far as the system knows.
func Now() time.Duration { return now() }

// Slept is how much of Now the machine slept, which some systems know to a second only; 0 where that is unknown.
func Slept() time.Duration { return slept() }
