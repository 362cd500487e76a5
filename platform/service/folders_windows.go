package service

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// Folders are where a service of this name has its settings, and where it keeps what it needs.
func Folders(name string) (settings, state string) {
	data := os.Getenv("ProgramData")
	if data == "" {
		data = `C:\ProgramData`
	}
	return filepath.Join(data, name), filepath.Join(data, name, "state")
}

// Privileged tells whether this process is one of the system's own, or an administrator's who has said so.
func Privileged() bool { return isService() || windows.GetCurrentProcessToken().IsElevated() }

// unprivileged tells whether the process may not control services; here only the attempt tells.
func unprivileged() bool { return false }

// become is how whoever may not do something comes to be who may.
const become = `an administrator: run it again in a window that was opened by "Run as administrator"`

// closed are the rights to the service's folders: the system's and administrators' alone. What is below the usual folder for data would be open to every user,
// and so to read are the viewer's key and the join token.
const closed = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// secure makes the service's folders, and closes them to others.
func secure(c Config) error {
	descriptor, err := windows.SecurityDescriptorFromString(closed)
	if err != nil {
		return err
	}
	list, _, err := descriptor.DACL()
	if err != nil {
		return err
	}
	for _, dir := range []string{c.Settings, c.State} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		const what = windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
		if err := windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, what, nil, nil, list, nil); err != nil {
			return &os.PathError{Op: "closing to other users", Path: dir, Err: err}
		}
	}
	return nil
}
