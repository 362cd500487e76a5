package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"vitrine/agent/doctor"
	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/agent/provision"
	"vitrine/agent/session"
	"vitrine/discovery"
	"vitrine/platform/proxy"
	"vitrine/platform/wake"
)

// maxBundleLog bounds the log in an archive for support, in bytes.
const maxBundleLog = 2 << 20

// searchTime is how long the doctor waits for answers to its probes.
const searchTime = 2 * time.Second

// Examine looks for what is wrong with this viewer and its machine.
func (a *Agent) Examine(ctx context.Context) doctor.Report {
	return doctor.Examine(ctx, a.patient())
}

// patient is what the viewer knows of itself.
func (a *Agent) patient() doctor.Patient {
	s := a.Status()
	p := a.now().patient(a.dialer, a.client)
	p.RunsBrowser = a.kiosk != nil
	hears := a.wake.Hears()
	p.Hears = &hears
	p.Reported, p.Pages, p.Inside, p.Now = &s.Reported, a.player.Pages(), true, a.clock.Now
	p.Page = a.player.Addr()
	for _, candidate := range a.knownServers() {
		p.Servers = append(p.Servers, candidate.Addr)
	}
	e, enrolled := a.identity.Enrolment()
	p.Enrolled, p.Expires = enrolled, e.Expires()
	return p
}

// ExamineStopped does the same from outside: for a viewer that doesn't run, or, with its status, for one that runs and can't be asked. Its
// state folder may be closed to whoever asks.
func ExamineStopped(ctx context.Context, c Config, running *Status) (doctor.Report, error) {
	a := prepare(c)
	if err := a.openNetwork(); err != nil {
		return doctor.Report{}, err
	}
	p := c.patient(a.dialer, a.newClient())
	p.Now, p.Pages = time.Now, -1
	if running != nil {
		p.Reported = &running.Reported
	}
	e, enrolled, err := identity.Look(filepath.Join(c.State, "identity"))
	p.Enrolled, p.Expires, p.CertificateErr = enrolled, e.Expires(), err
	for _, s := range e.Servers {
		p.Servers = append(p.Servers, s.Addrs...)
	}
	return doctor.Examine(ctx, p), nil
}

// patient is what the settings say.
func (c Config) patient(dialer *proxy.Dialer, client *discovery.Client) doctor.Patient {
	return doctor.Patient{
		Page: c.Page, Folder: c.State, Servers: c.Servers, Hosts: c.Discovery.Hosts, TimeServers: c.Clock.Servers, WakePorts: wakePorts(c.Wake.Ports),
		Zone: c.Zone, Timed: c.timed(), Proxy: dialer.Proxy(), SetsClock: c.Clock.System, Build: c.Build,
		Dial: dialer.DialContext, Discover: func(ctx context.Context) ([]string, error) { return search(ctx, client) },
	}
}

// timed names the settings that have times of the day.
func (c Config) timed() (names []string) {
	if c.Operating != nil {
		names = append(names, "operating_hours (where the programme names no time zone)")
	}
	if c.Content.Windows != nil {
		names = append(names, "content.windows")
	}
	if c.Reboot != nil {
		names = append(names, "power.reboot")
	}
	return names
}

// wakePorts are the UDP ports of the settings, or the usual ones.
func wakePorts(ports []uint16) []uint16 {
	if len(ports) == 0 {
		return wake.DefaultPorts
	}
	return ports
}

// search looks for servers of any site for a moment.
func search(ctx context.Context, client *discovery.Client) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	var mu sync.Mutex
	var found []string
	err := client.Probe(ctx, func(d discovery.Device) {
		mu.Lock()
		defer mu.Unlock()
		found = append(found, d.Addrs(protocol.SchemeSession)...)
	}, serversOf(""))
	if ctx.Err() != nil {
		err = nil // its time was over
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(found)
	return slices.Compact(found), err
}

// An Examination is what the doctor says, with an archive for support.
type Examination struct {
	Report doctor.Report `json:"report"`
	Bundle []byte        `json:"bundle"`
}

// examination makes both.
func (a *Agent) examination(ctx context.Context) (Examination, error) {
	report := a.Examine(ctx)
	bundle, err := a.bundle(report)
	return Examination{report, bundle}, err
}

// bundle is an archive for support, without secrets: what the doctor says, status, figures, log, settings, versions.
func (a *Agent) bundle(report doctor.Report) ([]byte, error) {
	status, err := json.MarshalIndent(a.Status(), "", "  ")
	if err != nil {
		return nil, err
	}
	return a.now().bundle(report, []doctor.File{
		{Name: "status.json", Text: string(status)},
		{Name: "metrics.txt", Text: string(a.figures())},
		{Name: "log.txt", Text: strings.Join(a.ring.last(ringLines, maxBundleLog), "\n") + "\n"},
	})
}

// BundleStopped is the archive for a viewer that can't be asked; log is what the system has of its log.
func BundleStopped(c Config, report doctor.Report, running *Status, log string) ([]byte, error) {
	files := []doctor.File{{Name: "log.txt", Text: log}}
	if running != nil {
		status, err := json.MarshalIndent(running, "", "  ")
		if err != nil {
			return nil, err
		}
		files = append(files, doctor.File{Name: "status.json", Text: string(status)})
	}
	return c.bundle(report, files)
}

// bundle adds what needs no viewer, and takes secrets out of all.
func (c Config) bundle(report doctor.Report, files []doctor.File) ([]byte, error) {
	var text strings.Builder
	report.Write(&text)
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return nil, err
	}
	files = append(files, doctor.File{Name: "doctor.txt", Text: text.String()}, doctor.File{Name: "doctor.json", Text: string(data)}, doctor.File{Name: "versions.txt", Text: c.versions()})
	secrets := c.secrets()
	for i := range files {
		files[i].Text = doctor.Redact(files[i].Text, secrets)
	}
	if c.File != "" {
		settings, err := os.ReadFile(c.File)
		if err != nil {
			settings = []byte("# can't be read: " + err.Error() + "\n")
		}
		files = append(files, doctor.File{Name: "vitrine.toml", Text: doctor.RedactSettings(string(settings), secrets)})
	}
	if kept := provision.Load(c.State); kept != nil {
		files = append(files, doctor.File{Name: "vitrine-from-stick.toml", Text: doctor.RedactSettings(kept.Settings, secrets)})
	}
	var b bytes.Buffer
	if err := doctor.WriteBundle(&b, report.At, files); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// secrets are the values that must not get out: all that are of the type for it, and the passwords in those that are URLs.
func (c Config) secrets() []string {
	var list []string
	for _, s := range protocol.SecretsIn(c) {
		list = append(list, s)
		if address, err := url.Parse(s); err == nil {
			if password, ok := address.User.Password(); ok {
				list = append(list, password)
			}
		}
	}
	return list
}

// versions says what program and what system this is.
func (c Config) versions() string {
	text := fmt.Sprintf("vitrine %s, %s\n%s %s/%s\n", c.Version, c.Build.UTC().Format(time.RFC3339), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, file := range []string{"/proc/version", "/etc/os-release"} {
		data, err := os.ReadFile(file)
		if err == nil {
			text += "\n" + string(data)
		}
	}
	return text
}

// doctorArguments are those of the command.
type doctorArguments struct {
	// Bundle is true if an archive for support is to be put on the server, too.
	Bundle bool `json:"bundle"`
}

// examine is the command: the report is in its result, an archive is put on the server.
func (a *Agent) examine(ctx context.Context, args json.RawMessage) (session.Outcome, error) {
	var wanted doctorArguments
	if err := arguments(args, &wanted); err != nil {
		return session.Outcome{}, err
	}
	report := a.Examine(ctx)
	if !wanted.Bundle {
		return session.Outcome{Data: report}, nil
	}
	bundle, err := a.bundle(report)
	if err == nil {
		report.Bundle, err = a.upload(ctx, protocol.SupportBundle, bundle)
	}
	return session.Outcome{Data: report}, err
}
