// Package doctor examines a viewer and the machine that it runs on, and says in plain words what is wrong and what to do.
//
// It owns the checks and what they mean. It changes nothing: what it opens it closes, and what it writes to see whether the disk takes it is
// removed. It works with the viewer running or not, and with the rights of whoever asks; what those don't reach it says.
package doctor

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/wake"
)

// A State is how well something is.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failing State = "failing"
)

// A Finding is what one check has found.
type Finding struct {
	// Check is a short stable name, such as "disk" or "port 7237/tcp".
	Check   string `json:"check"`
	State   State  `json:"state"`
	Message string `json:"message"`
	// Do says what to do; empty if there is nothing to do.
	Do string `json:"do,omitempty"`
}

// A Report is a whole examination.
type Report struct {
	At       time.Time `json:"at"`
	Findings []Finding `json:"findings"`
	// Bundle is the ULID under which the server has an archive for support; empty without one.
	Bundle string `json:"bundle,omitempty"`
}

// Count is how many findings are of a state.
func (r Report) Count(s State) int {
	n := 0
	for _, f := range r.Findings {
		if f.State == s {
			n++
		}
	}
	return n
}

// A Patient is what is known of the viewer to be examined.
type Patient struct {
	// Reported is what the running viewer says of itself; nil if none runs.
	Reported *protocol.Reported
	// Pages is how many browsers show its page; -1 if that isn't known.
	Pages int
	// Inside is true if the viewer examines itself, with its own rights.
	Inside bool
	// Page is the address of the player page.
	Page string
	// Folder is the state folder.
	Folder string
	// Servers are the "host:port" session addresses that are known, and Hosts what discovery asks directly.
	Servers, Hosts []string
	// TimeServers are "host:port" addresses of NTP servers.
	TimeServers []string
	// WakePorts are the UDP ports on which magic packets are to be awaited, and Hears which of them the viewer hears; nil if only it itself could say.
	WakePorts []uint16
	Hears     *wake.Hearing
	// Proxy is the "host:port" of the HTTP proxy; empty without one.
	Proxy string
	// Zone is the time zone of the settings; nil if they leave it to the machine. Timed are the settings whose times of the day go by it.
	Zone  *time.Location
	Timed []string
	// Enrolled and Expires are of the certificate, if CertificateErr is nil.
	Enrolled       bool
	Expires        time.Time
	CertificateErr error
	// SetsClock is true if the viewer is to keep the system's clock.
	SetsClock bool
	// RunsBrowser is true if it is to run the browser itself.
	RunsBrowser bool
	// Build is when the program was made; zero if unknown.
	Build time.Time
	// Now is the best time that is known.
	Now func() time.Time
	// Dial makes TCP connections as the viewer does, through the proxy where it must.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Discover looks for servers for a moment, and gives their addresses.
	Discover func(ctx context.Context) ([]string, error)

	// root is the machine's file system, and lookup its resolver; nil means the real ones.
	root   fs.FS
	lookup func(ctx context.Context, host string) ([]string, error)
}

// patience bounds each check: what takes longer doesn't answer.
const patience = 4 * time.Second

// checks are made side by side, and told in this order.
var checks = []func(context.Context, *Patient) []Finding{
	agent, update, clock, zone, names, portSession, portDiscovery, portTime, portsWake, portsWeb, viaProxy, certificate,
	storage, mount, memory, temperature, supply, watchdog, display, browser, privileges,
}

// Examine makes all checks.
func Examine(ctx context.Context, p Patient) Report {
	if p.root == nil {
		p.root = os.DirFS("/")
	}
	if p.lookup == nil {
		p.lookup = net.DefaultResolver.LookupHost
	}
	found := make([][]Finding, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			limited, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			found[i] = check(limited, &p)
		})
	}
	all.Wait()
	return Report{At: p.Now().UTC(), Findings: slices.Concat(found...)}
}

func ok(check, format string, a ...any) []Finding {
	return []Finding{{Check: check, State: OK, Message: fmt.Sprintf(format, a...)}}
}

func warn(check, message, do string) []Finding {
	return []Finding{{Check: check, State: Warning, Message: message, Do: do}}
}

func fail(check, message, do string) []Finding {
	return []Finding{{Check: check, State: Failing, Message: message, Do: do}}
}

// Write prints a report for a person: a line for each finding, and what to do below it.
func (r Report) Write(w io.Writer) {
	word := map[State]string{OK: "OK", Warning: "WARNING", Failing: "FAILING"}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%-8s %-17s %s\n", word[f.State], f.Check, f.Message)
		if f.Do != "" {
			fmt.Fprintf(w, "%-26s → %s\n", "", f.Do)
		}
	}
}

// read is a file of the machine without space around it; empty if it isn't there.
func (p *Patient) read(name string) string {
	data, err := fs.ReadFile(p.root, name)
	if err != nil {
		return ""
	}
	return strings.Trim(string(data), " \n\x00")
}

// glob lists files of the machine.
func (p *Patient) glob(pattern string) []string {
	list, _ := fs.Glob(p.root, pattern) // the patterns are right
	return list
}
