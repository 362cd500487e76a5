package service

import (
	"fmt"
	"path/filepath"
	"strings"
)

// systemdUnit is the unit that systemd gets. Compared with the library's own: the service says when it is ready, is started again after 2 s, for
// ever, needs no network to start, and may do only what it has to. It is one of three:
//
//   - a user of its own, and what a viewer needs whose page a browser shows that somebody else runs: ports below 1024, raw frames. `systemd-analyze
//     security` rates it at 2.0 or better. Clock adds the right to set the clock.
//   - the same with Screen: the devices of a screen, and what the sandbox and the compiler of a browser need.
//   - root, for what no other user may do: mount sticks, change the network, arm the network card, have a browser run as another user.
func systemdUnit(c Config) string {
	exec := quote(c.Executable)
	for _, arg := range c.Args {
		exec += " " + quote(arg)
	}
	form := rootForm
	if c.own() {
		form = ownForm
	}
	lines := fmt.Sprintf(form, c.User, strings.Join(capabilities(c), " "))
	if c.own() && c.Screen {
		lines += fmt.Sprintf(screenForm, c.Name)
	} else if c.own() {
		lines += closedForm
	}
	if c.own() && !c.Clock {
		lines += "ProtectProc=invisible\n"
	} else if c.own() { // which looks for other programs that set the clock
		lines += "SystemCallFilter=adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday\n"
	}
	return fmt.Sprintf(unitForm, c.Description, exec, c.Name, stateLines(c), lines)
}

// stateLines are for the folders: the usual one for the state is systemd's to make, with the right owner.
func stateLines(c Config) string {
	text := "ReadWritePaths=" + quotePath("-"+c.Settings) + "\n"
	if usual := "/var/lib/" + c.Name; filepath.Clean(c.State) != usual {
		return text + "ReadWritePaths=" + quotePath(c.State) + "\n"
	}
	return text + "StateDirectory=" + c.Name + "\nStateDirectoryMode=0755\n"
}

// capabilities are what the service may do beyond an ordinary user.
func capabilities(c Config) []string {
	list := []string{"CAP_NET_BIND_SERVICE", "CAP_NET_RAW"}
	if c.Clock || !c.own() {
		list = append(list, "CAP_SYS_TIME")
	}
	if !c.own() {
		// The machine's power; network settings and the network card; mounts; a browser of another user; files of others.
		list = append(list, "CAP_SYS_BOOT", "CAP_WAKE_ALARM", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE")
	}
	return list
}

const unitForm = `[Unit]
Description=%s
After=network.target
StartLimitIntervalSec=0

[Service]
Type=notify
WatchdogSec=60
ExecStart=%s
ExecReload=kill -HUP $MAINPID
Restart=always
RestartSec=` + restartDelay + `
RuntimeDirectory=%s
RuntimeDirectoryMode=0700
%s%sProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`

// ownForm is for a user of the service's own. What is denied fails as a call that isn't permitted, and doesn't end the program. Its own /tmp can be written
// to, as nothing else can: cage ends if it can't make a socket for X11 there.
const ownForm = `User=%[1]s
Group=%[1]s
AmbientCapabilities=%[2]s
CapabilityBoundingSet=%[2]s
NoNewPrivileges=yes
UMask=0027
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectKernelTunables=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
SystemCallErrorNumber=EPERM
`

// closedForm is for a service that has nothing to do with the screen itself.
const closedForm = `PrivateDevices=yes
PrivateMounts=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
`

// screenForm is for one that runs a browser, whose sandbox makes namespaces, changes its root there and shares memory, and that
// switches the display: by DRM, CEC, a serial line.
const screenForm = `Environment=XDG_RUNTIME_DIR=%%t/%s
RestrictNamespaces=user pid net
DevicePolicy=closed
DeviceAllow=char-drm rw
DeviceAllow=char-input rw
DeviceAllow=char-alsa rw
DeviceAllow=char-cec rw
DeviceAllow=char-video4linux rw
DeviceAllow=char-ttyS rw
DeviceAllow=char-ttyUSB rw
DeviceAllow=char-ttyAMA rw
DeviceAllow=char-tty rw
SystemCallFilter=@system-service chroot
`

// rootForm lets the user of the browser enter the folder where its profile is.
const rootForm = `User=%s
CapabilityBoundingSet=%s
UMask=0027
ProtectSystem=yes
RuntimeDirectoryMode=0711
`

// quote writes a word of a command line as systemd reads it (systemd.service(5), "Command lines"). A brace is written by its
// number, since the library would take two of them for one of its templates.
func quote(word string) string {
	return strings.ReplaceAll(quotePath(word), "$", "$$")
}

// quotePath does the same for a path, in which variables mean nothing.
func quotePath(path string) string {
	replaced := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "{", `\x7b`, "\n", `\n`).Replace(path)
	return `"` + replaced + `"`
}
