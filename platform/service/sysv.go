package service

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sysVScript is the init script that SysV gets. Compared with the library's own: the service is started again after 2 s, for ever, is told by `reload` that its
// settings have changed, outlives the terminal that it was started from, and says what insserv and chkconfig want to know in the words of the LSB.
func sysVScript(c Config) string {
	words := []string{shellQuote(c.Executable)}
	for _, arg := range c.Args {
		words = append(words, shellQuote(arg))
	}
	out := logs(c.Name)
	return fmt.Sprintf(sysVForm, c.Name, c.DisplayName, c.Description, strings.Join(words, " "), restartDelay, out[0], out[len(out)-1], restartsVariable)
}

// shellQuote quotes one word for a shell.
func shellQuote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// The library's Status reads the words Running and Stopped.
const sysVForm = `#!/bin/sh
# chkconfig: 2345 50 02
# description: %[3]s
### BEGIN INIT INFO
# Provides:          %[1]s
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Should-Start:      $remote_fs $network $time
# Should-Stop:       $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: %[2]s
# Description:       %[3]s
### END INIT INFO

pidfile=/var/run/%[1]s.pid

# keep starts the program, and again %[5]s s after its end, until it is told to end.
keep() {
	export %[8]s=yes
	trap 'kill $child; wait $child; exit' TERM
	trap 'kill -HUP $child' HUP
	while :; do
		%[4]s &
		child=$!
		# A signal ends the wait, and not the program.
		while kill -0 $child 2>/dev/null; do wait $child; done
		sleep %[5]s &
		child=$!
		wait $child
	done
}

# log names a file, or where what is printed is lost if the file can't be written to, as on a disk that is only read.
log() { if true >>"$1"; then echo "$1"; else echo /dev/null; fi; } 2>/dev/null

# The number may be another's after a power cut.
running() {
	pid=$(cat $pidfile 2>/dev/null) && tr '\0' ' ' 2>/dev/null </proc/"$pid"/cmdline | grep -q '%[1]s start'
}

case ${1-} in
start)
	if running; then
		echo "Already running"
		exit 0
	fi
	keep </dev/null >>"$(log %[6]s)" 2>>"$(log %[7]s)" &
	echo $! >$pidfile
	echo "Started"
	;;
stop)
	if running; then
		kill "$pid"
		for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			running || break
			sleep 1
		done
		if running; then
			echo "Not stopped within 20 s"
			exit 1
		fi
	fi
	rm -f $pidfile
	echo "Stopped"
	;;
restart | force-reload)
	"$0" stop && "$0" start
	;;
reload)
	running && kill -HUP "$pid"
	;;
status)
	if running; then
		echo "Running"
	else
		echo "Stopped"
		exit 3
	fi
	;;
*)
	echo "usage: $0 start|stop|restart|reload|force-reload|status" >&2
	exit 2
	;;
esac
`

// orderSysV has the links made by which SysV starts the script: they carry its place among the others, which only these programs know, and where inits start
// several at once theirs is the only list that counts.
func orderSysV(name string) error {
	return firstOf([]string{"/usr/sbin/update-rc.d", name, "defaults"}, []string{"/sbin/chkconfig", "--add", name})
}

// forgetSysV removes the links of a script that isn't there any more, and what else the library forgets: logs, and the number of a process that is gone.
func forgetSysV(name string) error {
	if err := firstOf([]string{"/usr/sbin/update-rc.d", name, "remove"}); err != nil {
		return err
	}
	links, _ := filepath.Glob("/etc/rc[0-6].d/[SK][0-9][0-9]" + name) // the pattern is right
	return removeAll(slices.Concat(links, logs(name), []string{"/var/run/" + name + ".pid"})...)
}

// firstOf runs the first of these commands that there is on this machine, if any.
func firstOf(commands ...[]string) error {
	for _, c := range commands {
		if _, err := os.Stat(c[0]); err == nil {
			return command(c[0], c[1:]...)
		}
	}
	return nil
}
