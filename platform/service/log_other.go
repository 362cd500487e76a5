//go:build !windows

package service

import "io"

// Output is where the service's log goes: the service manager keeps what is written to the standard error.
func Output(_ Config, stderr io.Writer) io.Writer { return stderr }

// logs are the files that service managers without a journal keep: what the service prints, and then its log.
func logs(name string) []string {
	return []string{"/var/log/" + name + ".log", "/var/log/" + name + ".err"}
}
