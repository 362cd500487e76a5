// Package service makes a program a service of the operating system: systemd, SysV and OpenRC on Linux, launchd, Windows.
//
// It owns the unit files and the words in which failures are told. The service itself is the caller's.
package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kardianos/service"
)

// A Config is how the operating system knows a service.
type Config struct {
	// Name is a word; DisplayName and Description are for people.
	Name, DisplayName, Description string
	// Executable is the program's full path, and Args its arguments. Run doesn't need them.
	Executable string
	Args       []string
}

// A State is how a service is doing.
type State string

// The states.
const (
	Running      State = "running"
	Stopped      State = "stopped"
	Failed       State = "failed; the system's log says why"
	NotInstalled State = "not installed"
)

// sysV is what the library calls System V init.
const sysV = "unix-systemv"

// open makes the library's handle.
func open(c Config, i service.Interface) (service.Service, error) {
	s, err := service.New(i, &service.Config{
		Name: c.Name, DisplayName: c.DisplayName, Description: c.Description,
		Executable: c.Executable, Arguments: c.Args,
		Option: service.KeyValue{"SystemdScript": systemdUnit(c)},
	})
	if errors.Is(err, service.ErrNoServiceSystemDetected) {
		return nil, errors.New("this machine has no service manager that is known (systemd, SysV, OpenRC, launchd, Windows); start `vitrine run` by whatever it has")
	}
	return s, err
}

// Install makes the program a service that starts with the machine. It doesn't start it.
func Install(c Config) error {
	if state, err := Status(c); err == nil && state != NotInstalled {
		return fmt.Errorf("the service %s is installed already; `vitrine service uninstall` removes it", c.Name)
	}
	return control(c, "installing", service.Service.Install)
}

// Uninstall stops and removes the service. What it has written stays.
func Uninstall(c Config) error {
	if state, err := Status(c); err == nil && state == Running {
		if err := Stop(c); err != nil {
			return err
		}
	}
	return control(c, "uninstalling", service.Service.Uninstall)
}

// Start starts an installed service.
func Start(c Config) error { return control(c, "starting", service.Service.Start) }

// Stop stops a running service.
func Stop(c Config) error { return control(c, "stopping", service.Service.Stop) }

// control does one thing with a service, and tells a failure in a technician's words.
func control(c Config, doing string, do func(service.Service) error) error {
	s, err := open(c, nil)
	if err != nil {
		return err
	}
	if doing != "installing" {
		if state, err := Status(c); err == nil && state == NotInstalled {
			return fmt.Errorf("the service %s is not installed; `vitrine service install` does that", c.Name)
		}
	}
	err = do(s)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission) || unprivileged():
		return fmt.Errorf("%s a service needs root: run it again with sudo (%w)", doing, err)
	}
	return fmt.Errorf("%s the service %s with %s: %w", doing, c.Name, s.Platform(), err)
}

// unprivileged tells whether the process is an ordinary user's; on Windows that can't be said so (Geteuid is -1).
func unprivileged() bool { return os.Geteuid() > 0 }

// Status says how the service is doing.
func Status(c Config) (State, error) {
	s, err := open(c, nil)
	if err != nil {
		return "", err
	}
	switch status, err := s.Status(); {
	case errors.Is(err, service.ErrNotInstalled):
		return NotInstalled, nil
	case err != nil && err.Error() == "service in failed state":
		return Failed, nil
	case err != nil && s.Platform() == sysV:
		// The library takes the exit code by which an init script says "stopped" for a failure.
		if _, err := os.Stat("/etc/init.d/" + c.Name); err != nil {
			return NotInstalled, nil
		}
		return Stopped, nil
	case err != nil:
		return "", fmt.Errorf("asking %s: %w", s.Platform(), err)
	case status == service.StatusRunning:
		return Running, nil
	default:
		return Stopped, nil
	}
}
