package display

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serial speaks to a display on an RS-232 line: 8 data bits, no parity, one stop bit.
type serial struct{ Config }

// speeds are the rates that displays have.
var speeds = map[int]uint32{
	1200: unix.B1200, 2400: unix.B2400, 4800: unix.B4800, 9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400, 57600: unix.B57600, 115200: unix.B115200,
}

// serialAnswer is how long a display may take to answer.
const serialAnswer = time.Second

func (s *serial) open() (*os.File, error) {
	speed, ok := speeds[s.Baud]
	if !ok {
		return nil, fmt.Errorf("%d baud isn't a speed of a serial line", s.Baud)
	}
	// Without blocking: it would wait for the carrier of a modem, and so that reads can have a deadline.
	f, err := os.OpenFile(s.Device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	t := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | speed, Ispeed: speed, Ospeed: speed}
	t.Cc[unix.VMIN] = 1
	raw, err := f.SyscallConn()
	if err == nil {
		failed := raw.Control(func(fd uintptr) { err = unix.IoctlSetTermios(int(fd), unix.TCSETS, &t) })
		err = errors.Join(failed, err)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: this is no serial line: %w", s.Device, err)
	}
	return f, nil
}

func (s *serial) found(context.Context) error {
	f, err := s.open()
	if err != nil {
		return err
	}
	return f.Close()
}

// send writes a text to the line; each of its characters is a byte.
func send(f *os.File, text string) error {
	data, err := Bytes(text)
	if err == nil {
		_, err = f.Write(data)
	}
	return err
}

func (s *serial) set(_ context.Context, on bool) error {
	f, err := s.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if on {
		return send(f, s.On)
	}
	return send(f, s.Off)
}

func (s *serial) state(context.Context) (State, error) {
	if s.Status == "" {
		return Unknown, nil
	}
	f, err := s.open()
	if err != nil {
		return Unknown, err
	}
	defer f.Close()
	want, err := Bytes(s.Answer)
	if err != nil {
		return Unknown, err
	}
	if err := send(f, s.Status); err != nil {
		return Unknown, err
	}
	if err := f.SetReadDeadline(time.Now().Add(serialAnswer)); err != nil {
		return Unknown, err
	}
	var heard []byte
	for buffer := make([]byte, 64); len(heard) < 1024; {
		n, err := f.Read(buffer)
		heard = append(heard, buffer[:n]...)
		if strings.Contains(string(heard), string(want)) {
			return On, nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return Unknown, err
		}
	}
	if len(heard) == 0 {
		return Unknown, errors.New("the display doesn't answer")
	}
	return Off, nil
}
