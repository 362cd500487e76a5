package service

import (
	"fmt"
	"strings"
)

// systemdUnit is the unit that systemd gets. Compared with the library's own: the service says when it is ready, is started
// again after 2 s and not after 2 min, needs no network to start, has a state folder made by systemd, and may do only what it
// has to: listen on ports below 1024, hear raw frames, set the clock, restart the machine.
//
// It runs as root without root's power over files, not as a user of its own: its settings hold a join token and belong to
// root, and the library can't make users.
func systemdUnit(c Config) string {
	exec := quote(c.Executable)
	for _, arg := range c.Args {
		exec += " " + quote(arg)
	}
	return fmt.Sprintf(unitForm, c.Description, exec, c.Name)
}

const unitForm = `[Unit]
Description=%s
After=network.target

[Service]
Type=notify
ExecStart=%s
Restart=always
RestartSec=2
StateDirectory=%s
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SYS_TIME CAP_SYS_BOOT
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
RestrictNamespaces=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
`

// quote writes a word of a command line as systemd reads it (systemd.service(5), "Command lines"). A brace is written by its
// number, since the library would take two of them for one of its templates.
func quote(word string) string {
	replaced := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "{", `\x7b`, "\n", `\n`).Replace(word)
	return `"` + replaced + `"`
}
