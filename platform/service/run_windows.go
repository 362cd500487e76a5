package service

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// stopTime is how long the service manager may wait for the end before it takes the service for hung.
const stopTime = 20 * time.Second

// Run runs f as the operating system's service manager wants it: on a console that is any process, which ends with ctx; as a service it obeys the service
// control manager alone, since a signal may be no more than somebody's logging off. A service whose f fails by itself exits with code 1 and without a word to
// the manager, which is the way to have Windows start it again.
func Run(ctx context.Context, c Config, f func(context.Context) error) error {
	if !isService() {
		return f(ctx)
	}
	return svc.Run(c.Name, handler{context.WithoutCancel(ctx), f})
}

// handler is f as the service control manager wants it.
type handler struct {
	ctx context.Context
	f   func(context.Context) error
}

// Execute runs the service; when it returns, Windows is told that the service has stopped.
func (h handler) Execute(_ []string, requests <-chan svc.ChangeRequest, states chan<- svc.Status) (bool, uint32) {
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- h.f(ctx) }()
	states <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	for {
		select {
		case err := <-ended:
			if err != nil && ctx.Err() == nil {
				fmt.Fprintln(&output, err)
				os.Exit(1)
			}
			output.close()
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				states <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				states <- svc.Status{State: svc.StopPending, WaitHint: uint32(stopTime.Milliseconds())}
				cancel()
			}
		}
	}
}

// Restarts tells whether this process is a service that is started again when it ends.
func Restarts() bool { return isService() }

// Watched tells whether it is also ended when it hangs.
func Watched() bool { return false }

// isService tells whether it is the service control manager that has started this process. svc.IsWindowsService also wants session 0, which is another one in
// containers (golang/go#56335) and in Wine.
var isService = sync.OnceValue(func() bool {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return false
	}
	defer func() { _ = windows.CloseHandle(snapshot) }()
	parent := uint32(os.Getppid())
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err := windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		if entry.ProcessID == parent {
			return strings.EqualFold(windows.UTF16ToString(entry.ExeFile[:]), "services.exe")
		}
	}
	return false
})
