package provision

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"vitrine/agent/protocol"
)

// ReportName is the file at the root of a stick that says what came of its settings.
const ReportName = "vitrine-report.txt"

// A Report is what a viewer has to say to whoever put the stick in.
type Report struct {
	// Done is what was done; Wrong why nothing was, and nil if all is well.
	Done  string
	Wrong error
	// Settings are the names of those that the file has.
	Settings []string
	// Viewer is how the viewer is doing, and Pairing the code by which it is approved, while there is one.
	Viewer  protocol.Reported
	Pairing string
	Time    time.Time
}

// Text is the report as Windows' Notepad shows it.
func (r Report) Text() string {
	var b strings.Builder
	line := func(format string, a ...any) { b.WriteString(plain(fmt.Sprintf(format, a...)) + "\r\n") }
	field := func(name, value string) {
		if value != "" {
			line("%-15s %s", name, value)
		}
	}
	line("Vitrine report of %s", r.Time.Format("2006-01-02 15:04:05 MST"))
	line("")
	if r.Wrong != nil {
		line("NOT DONE. Nothing was changed on this viewer.")
		line("")
		line("%v", r.Wrong)
	} else {
		line("%s", r.Done)
	}
	line("")
	v := r.Viewer
	field("Name:", v.Name)
	field("Location:", v.Location.String())
	field("Site:", v.Site)
	field("Session:", session(v.Session))
	field("Pairing code:", r.Pairing)
	for _, f := range v.Faults {
		field("Fault:", f.Message)
	}
	field("Settings:", strings.Join(r.Settings, ", "))
	for _, mac := range v.Device.MACs {
		field("MAC address:", mac)
	}
	for _, addr := range v.Device.Addresses {
		field("Address:", addr.String())
	}
	field("Serial number:", v.Device.Serial)
	field("Model:", v.Device.Model)
	field("Version:", v.Version)
	text := b.String()
	if strings.ContainsFunc(text, func(r rune) bool { return r > '~' }) {
		text = "\ufeff" + text // older ones take it for Windows-1252 without
	}
	return text
}

func session(s protocol.SessionStatus) string {
	text := s.State
	if s.Server != "" {
		text += " to " + s.Server
	}
	if s.Error != "" {
		text += ": " + s.Error
	}
	return text
}

// plain keeps a line a line: names and errors may come from the network.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// Write puts the report onto a stick, in place of an earlier one. It doesn't follow a link out of it.
func (r Report) Write(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if info, err := root.Lstat(ReportName); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s on the stick is not a file", ReportName)
	}
	f, err := root.OpenFile(ReportName, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, r.Text())
	return errors.Join(err, f.Sync(), f.Close())
}
