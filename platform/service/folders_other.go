//go:build !windows

package service

import "os"

// Folders are where a service of this name has its settings, and where it keeps what it needs.
func Folders(name string) (settings, state string) { return "/etc/" + name, "/var/lib/" + name }

// Privileged tells whether this process is root's.
func Privileged() bool { return os.Geteuid() == 0 }

// unprivileged tells whether the process may not control services.
func unprivileged() bool { return !Privileged() }

// become is how whoever may not do something comes to be who may.
const become = "root: run it again with sudo"

// secure is for systems on which other users could get at the service's folders.
func secure(Config) error { return nil }
