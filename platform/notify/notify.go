// Package notify tells a service manager how a daemon is doing, by the protocol of sd_notify(3).
//
// It owns one datagram at a time and never reads the environment: the caller gives the socket.
package notify

import (
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// Ready says that start-up is complete. socket is the value of $NOTIFY_SOCKET; with an empty one nobody listens and nothing
// is done.
func Ready(socket string) error { return send(socket, "READY=1") }

// Stopping says that the daemon is about to end.
func Stopping(socket string) error { return send(socket, "STOPPING=1") }

// Alive feeds the service manager's watchdog.
func Alive(socket string) error { return send(socket, "WATCHDOG=1") }

// WatchdogInterval is how often the service manager wants to hear Alive from the process pid: the values of $WATCHDOG_USEC and $WATCHDOG_PID say so
// (sd_watchdog_enabled(3)). It is 0 if it doesn't.
func WatchdogInterval(usec, forPID string, pid int) time.Duration {
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/1000 || forPID != "" && forPID != strconv.Itoa(pid) {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

func send(socket, message string) error {
	if socket == "" {
		return nil
	}
	// An abstract socket is written with an @ in place of the leading NUL, which is how package net writes it too.
	conn, err := net.Dial("unixgram", strings.TrimSpace(socket))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte(message))
	return err
}
