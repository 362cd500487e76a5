package service

import (
	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
)

// ask asks Windows how the service is doing. The library also asks for the right to start and stop it, which only administrators have.
func ask(_ service.Service, c Config) (service.Status, error) {
	manager, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return service.StatusUnknown, err
	}
	defer func() { _ = windows.CloseServiceHandle(manager) }()
	name, err := windows.UTF16PtrFromString(c.Name)
	if err != nil {
		return service.StatusUnknown, err
	}
	h, err := windows.OpenService(manager, name, windows.SERVICE_QUERY_STATUS)
	if err == windows.ERROR_SERVICE_DOES_NOT_EXIST {
		return service.StatusUnknown, service.ErrNotInstalled
	}
	if err != nil {
		return service.StatusUnknown, err
	}
	defer func() { _ = windows.CloseServiceHandle(h) }()
	var s windows.SERVICE_STATUS
	if err := windows.QueryServiceStatus(h, &s); err != nil {
		return service.StatusUnknown, err
	}
	if s.CurrentState == windows.SERVICE_RUNNING || s.CurrentState == windows.SERVICE_START_PENDING {
		return service.StatusRunning, nil
	}
	return service.StatusStopped, nil
}
