// Package service makes a program a service of the operating system: systemd, SysV and OpenRC on Linux, launchd, Windows.
//
// It owns the unit files, the user that the service runs as, and the words in which failures are told. The service itself is the caller's, and so
// is what it writes, of which this package removes nothing unless it is told to.
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
	// State is the folder where the service keeps what it needs, and Settings the one with what a person sets up. Both are the service's to write to.
	State, Settings string
	// The rest counts under systemd alone; elsewhere a service is the system's own user's and may do everything.
	//
	// User is who it runs as. RootUser may do everything; any other is made if need be, can't log in, and may do only what the unit says.
	User string
	// Screen is true if it also runs a browser and switches the display, Clock if it also sets the system's clock.
	Screen, Clock bool
}

// RootUser is the user who may do everything.
const RootUser = "root"

// own tells whether the service has a user of its own.
func (c Config) own() bool { return c.User != RootUser }

// A State is how a service is doing.
type State string

// The states.
const (
	Running      State = "running"
	Stopped      State = "stopped"
	Failed       State = "failed; the system's log says why"
	NotInstalled State = "not installed"
)

// What the library calls service managers.
const (
	systemd   = "linux-systemd"
	openRC    = "linux-openrc"
	sysV      = "unix-systemv"
	launchd   = "darwin-launchd"
	ofWindows = "windows-service"
)

// restartDelay is how many seconds after its end a service is started again, however often.
const restartDelay = "2"

// restartsVariable is set for a service that is started again when it ends, where the service manager says nothing of the kind itself.
const restartsVariable = "SERVICE_RESTARTS"

// open makes the library's handle.
func open(c Config, i service.Interface) (service.Service, error) {
	options := service.KeyValue{
		"SystemdScript": systemdUnit(c),
		// launchd and Windows. Windows would otherwise leave a service that failed alone.
		"RunAtLoad": true, "OnFailure": "restart", "OnFailureDelayDuration": restartDelay + "s",
	}
	if service.Platform() == sysV { // others take the same option for theirs
		options["SysvScript"] = sysVScript(c)
	}
	s, err := service.New(i, &service.Config{
		Name: c.Name, DisplayName: c.DisplayName, Description: c.Description,
		Executable: c.Executable, Arguments: c.Args,
		Option: options, EnvVars: environment(),
	})
	if errors.Is(err, service.ErrNoServiceSystemDetected) {
		return nil, errors.New("this machine has no service manager that is known (systemd, SysV, OpenRC, launchd, Windows); start `vitrine run` by whatever it has")
	}
	return s, err
}

// environment has what the library's script for OpenRC is to set: without the rest OpenRC gives a service up after ten restarts.
func environment() map[string]string {
	if service.Platform() != openRC {
		return nil
	}
	return map[string]string{restartsVariable: "yes", "respawn_max": "0", "respawn_delay": restartDelay}
}

// Install makes the program a service that starts with the machine. It doesn't start it. What an earlier installation of another user has
// left in the service's folders becomes this one's.
func Install(c Config) error {
	if err := mayInstall(c); err != nil {
		return err
	}
	return control(c, "installing", func(s service.Service) error {
		if s.Platform() == systemd {
			if err := settle(c); err != nil {
				return err
			}
		}
		if err := secure(c); err != nil {
			return err
		}
		if err := s.Install(); err != nil || s.Platform() != sysV {
			return err
		}
		return orderSysV(c.Name)
	})
}

// Uninstall stops and removes the service, with its user and all that Install has made. What the service has written stays, as root's. A package's service
// goes on as the package has it.
func Uninstall(c Config) error {
	if Packaged(c) && ownUnit(c) == "" {
		return fmt.Errorf("the service %s is of a package: what installed that removes it, such as `apt remove %s`", c.Name, c.Name)
	}
	state, err := Status(c)
	if err == nil && state == Running {
		if err := Stop(c); err != nil {
			return err
		}
	}
	was := asInstalled(c)
	return control(c, "uninstalling", func(s service.Service) error {
		if err := s.Uninstall(); err != nil {
			return err
		}
		switch s.Platform() {
		case systemd:
			if err := unsettle(was); err != nil || !Packaged(c) {
				return err
			}
			return backToPackage(c, state == Running)
		case sysV:
			return forgetSysV(c.Name)
		case openRC, launchd, ofWindows:
			return removeAll(logs(c.Name)...)
		}
		return nil
	})
}

// Purge removes what an uninstalled service has written, and its settings.
func Purge(c Config) error {
	if state, err := Status(c); err == nil && state != NotInstalled {
		return fmt.Errorf("the service %s is still installed", c.Name)
	}
	return removeAll(c.State, c.Settings)
}

// removeAll removes files and folders; none need be there.
func removeAll(paths ...string) error {
	var failed []error
	for _, path := range paths {
		failed = append(failed, os.RemoveAll(path))
	}
	return errors.Join(failed...)
}

// Start starts an installed service. What root has written into its folders meanwhile becomes the service's own again.
func Start(c Config) error {
	return control(c, "starting", func(s service.Service) error {
		if err := settleAgain(c, s); err != nil {
			return err
		}
		return s.Start()
	})
}

// Restart stops a service, if it runs, and starts it as Start does.
func Restart(c Config) error {
	return control(c, "restarting", func(s service.Service) error {
		if err := settleAgain(c, s); err != nil {
			return err
		}
		if state, err := Status(c); err == nil && state != Running {
			return s.Start()
		}
		return s.Restart()
	})
}

func settleAgain(c Config, s service.Service) error {
	if s.Platform() != systemd || unprivileged() {
		return nil
	}
	return settle(asInstalled(c))
}

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
		return fmt.Errorf("%s a service needs %s (%w)", doing, become, err)
	}
	return fmt.Errorf("%s the service %s with %s: %w", doing, c.Name, s.Platform(), err)
}

// Status says how the service is doing.
func Status(c Config) (State, error) {
	s, err := open(c, nil)
	if err != nil {
		return "", err
	}
	switch status, err := ask(s, c); {
	case errors.Is(err, service.ErrNotInstalled):
		return NotInstalled, nil
	case err != nil && err.Error() == "service in failed state":
		return Failed, nil
	case err != nil && (s.Platform() == sysV || s.Platform() == openRC) && !scripted(c):
		return NotInstalled, nil // OpenRC's exit code is the one of any failure
	case err != nil && s.Platform() == sysV:
		return Stopped, nil // the library takes the exit code by which an init script says so for a failure
	case err != nil:
		return "", fmt.Errorf("asking %s: %w", s.Platform(), err)
	case status == service.StatusRunning:
		return Running, nil
	default:
		return Stopped, nil
	}
}

// scripted tells whether there is an init script.
func scripted(c Config) bool {
	_, err := os.Stat("/etc/init.d/" + c.Name)
	return err == nil
}
