package system

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

var (
	kernel32       = windows.NewLazySystemDLL("kernel32.dll")
	getAdjustment  = kernel32.NewProc("GetSystemTimeAdjustment")
	setAdjustment  = kernel32.NewProc("SetSystemTimeAdjustment")
	setSystemTime  = kernel32.NewProc("SetSystemTime")
	timeService    = "W32Time"
	timePrivileges = "SeSystemtimePrivilege"
)

// windowsClock is the clock of Windows. It has no gradual correction that ends by itself, so that the frequency is set for the time until the next.
type windowsClock struct{ privileged bool }

func newSetter() Setter { return &windowsClock{} }

func (w *windowsClock) Now() time.Time { return time.Now() }

func (w *windowsClock) Step(d time.Duration) error {
	if err := w.privilege(); err != nil {
		return err
	}
	t := time.Now().Add(d).UTC()
	s := windows.Systemtime{
		Year: uint16(t.Year()), Month: uint16(t.Month()), DayOfWeek: uint16(t.Weekday()), Day: uint16(t.Day()),
		Hour: uint16(t.Hour()), Minute: uint16(t.Minute()), Second: uint16(t.Second()), Milliseconds: uint16(t.Nanosecond() / 1e6),
	}
	if ok, _, err := setSystemTime.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return fmt.Errorf("SetSystemTime: %w", err)
	}
	return nil
}

func (w *windowsClock) Steer(frequency float64, d, _ time.Duration) error {
	if err := w.privilege(); err != nil {
		return err
	}
	var adjustment, increment, disabled uint32
	if ok, _, err := getAdjustment.Call(uintptr(unsafe.Pointer(&adjustment)), uintptr(unsafe.Pointer(&increment)), uintptr(unsafe.Pointer(&disabled))); ok == 0 {
		return fmt.Errorf("GetSystemTimeAdjustment: %w", err)
	}
	rate := frequency + min(max(d.Seconds()/interval.Seconds(), -slewRate), slewRate)
	adjustment = uint32(math.Round(float64(increment) * (1 + rate)))
	if ok, _, err := setAdjustment.Call(uintptr(adjustment), 0); ok == 0 {
		return fmt.Errorf("SetSystemTimeAdjustment: %w", err)
	}
	return nil
}

// privilege turns on the right to set the clock, which services have, turned off.
func (w *windowsClock) privilege() error {
	if w.privileged {
		return nil
	}
	var token windows.Token
	if err := windows.OpenProcessToken(windows.CurrentProcess(), windows.TOKEN_ADJUST_PRIVILEGES|windows.TOKEN_QUERY, &token); err != nil {
		return fmt.Errorf("the right to set the clock: %w", err)
	}
	defer token.Close()
	name, err := windows.UTF16PtrFromString(timePrivileges)
	if err != nil {
		return err
	}
	p := windows.Tokenprivileges{PrivilegeCount: 1}
	if err := windows.LookupPrivilegeValue(nil, name, &p.Privileges[0].Luid); err != nil {
		return fmt.Errorf("%s: %w", timePrivileges, err)
	}
	p.Privileges[0].Attributes = windows.SE_PRIVILEGE_ENABLED
	if err := windows.AdjustTokenPrivileges(token, false, &p, 0, nil, nil); err != nil {
		return fmt.Errorf("%s: %w; run the viewer as a service, or set clock.discipline to \"process\"", timePrivileges, err)
	}
	w.privileged = true
	return nil
}

// Rival is the time service of Windows, if it runs.
func (w *windowsClock) Rival() string {
	m, err := mgr.Connect()
	if err != nil {
		return "" // without the right to ask there is none to set the clock either
	}
	defer func() { _ = m.Disconnect() }() // nothing depends on it
	s, err := m.OpenService(timeService)
	if err != nil {
		return ""
	}
	defer s.Close()
	if status, err := s.Query(); err == nil && status.State == svc.Running {
		return "the service " + timeService
	}
	return ""
}
