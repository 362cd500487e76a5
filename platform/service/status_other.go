//go:build !windows

package service

import "github.com/kardianos/service"

// ask asks the service manager how the service is doing.
func ask(s service.Service, _ Config) (service.Status, error) { return s.Status() }
