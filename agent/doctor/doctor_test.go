package doctor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/device"
	"vitrine/platform/wake"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// machine is a file system with these files; a name that ends in -> is a link.
func machine(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		if link, ok := strings.CutSuffix(name, "->"); ok {
			m[link] = &fstest.MapFile{Data: []byte(text), Mode: fs.ModeSymlink}
			continue
		}
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func mounted(line string) map[string]string {
	return map[string]string{"proc/self/mountinfo": "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n" + line + "\n"}
}

func caps(bits string) map[string]string {
	return map[string]string{"proc/self/status": "Name:\tvitrine\nCapEff:\t" + bits + "\n", "usr/lib/polkit-1/polkitd": "x"}
}

func and(one, other map[string]string) map[string]string {
	maps.Copy(one, other)
	return one
}

func screen(port, status, enabled, dpms string) map[string]string {
	dir := "sys/class/drm/card0-" + port + "/"
	return map[string]string{dir + "status": status + "\n", dir + "enabled": enabled + "\n", dir + "dpms": dpms + "\n", dir + "modes": "1920x1080\n1280x720\n"}
}

// What each check makes of what it sees: the state, and a word of the message or of what to do.
func TestChecks(t *testing.T) {
	running := func(change func(*protocol.Reported)) *protocol.Reported {
		r := &protocol.Reported{Name: "Lobby", Version: "v1", Clock: protocol.ClockStatus{Trust: "ntp", Source: "10.0.0.5:123", Error: 0.002}}
		change(r)
		return r
	}
	clockIs := func(c protocol.ClockStatus) *protocol.Reported {
		return running(func(r *protocol.Reported) { r.Clock = c })
	}
	zones := func(shown ...bool) *protocol.Reported {
		return running(func(r *protocol.Reported) {
			for _, s := range shown {
				r.Playing = append(r.Playing, protocol.Playing{Shown: s})
			}
		})
	}
	session := func(state, server string) *protocol.Reported {
		return running(func(r *protocol.Reported) {
			r.Session = protocol.SessionStatus{State: state, Server: server, Error: "its certificate is not ours"}
		})
	}
	updating := func(u protocol.UpdateStatus) *protocol.Reported {
		return running(func(r *protocol.Reported) { r.Update = &u })
	}
	for name, c := range map[string]struct {
		check   func(context.Context, *Patient) []Finding
		patient Patient
		files   map[string]string
		state   State
		want    string
	}{
		"viewer stopped":           {agent, Patient{Page: "127.0.0.1:7238"}, nil, Failing, "vitrine service start"},
		"viewer runs":              {agent, Patient{Reported: running(func(*protocol.Reported) {})}, nil, OK, "Lobby, version v1"},
		"viewer with a fault":      {agent, Patient{Reported: running(func(r *protocol.Reported) { r.Faults = []protocol.Fault{{Code: "content", Message: "no bytes"}} })}, nil, Failing, "no bytes"},
		"backup server":            {agent, Patient{Reported: session(protocol.StateDegraded, "b:1")}, nil, Warning, "main server"},
		"no update":                {update, Patient{Reported: running(func(*protocol.Reported) {})}, nil, OK, "version v1 runs"},
		"update kept":              {update, Patient{Reported: updating(protocol.UpdateStatus{Version: "v1", State: "kept"})}, nil, OK, "release v1: kept"},
		"update failed":            {update, Patient{Reported: updating(protocol.UpdateStatus{Version: "v2", State: "failed", Error: "it crashed"})}, nil, Failing, "it crashed; version v1 runs"},
		"update refused":           {update, Patient{Reported: updating(protocol.UpdateStatus{State: "refused", Error: "no key"})}, nil, Warning, "no key"},
		"update stuck":             {update, Patient{Reported: updating(protocol.UpdateStatus{State: "fetching", Error: "disk full"})}, nil, Warning, "disk full"},
		"clock by NTP":             {clock, Patient{Reported: clockIs(protocol.ClockStatus{Trust: "ntp", Error: 0.0004, Source: "x"})}, nil, OK, "0.4 ms"},
		"clock by TLS":             {clock, Patient{Reported: clockIs(protocol.ClockStatus{Trust: "server"})}, nil, Warning, "UDP port 123"},
		"clock unconfirmed":        {clock, Patient{Reported: clockIs(protocol.ClockStatus{Trust: "rtc"})}, nil, Warning, "confirmed"},
		"clock unset":              {clock, Patient{Reported: clockIs(protocol.ClockStatus{Trust: "unset"})}, nil, Failing, "battery"},
		"system clock not kept":    {clock, Patient{Reported: clockIs(protocol.ClockStatus{Trust: "ntp", System: "not permitted"})}, nil, Warning, "--set-clock"},
		"clock before the build":   {clock, Patient{Build: time.Now().Add(time.Hour)}, nil, Failing, "battery"},
		"zone":                     {zone, Patient{}, map[string]string{"etc/localtime->": "/usr/share/zoneinfo/Europe/Amsterdam"}, OK, "Europe/Amsterdam"},
		"zone in a file":           {zone, Patient{}, map[string]string{"etc/timezone": "Asia/Tokyo\n"}, OK, "Asia/Tokyo"},
		"zone UTC":                 {zone, Patient{}, map[string]string{"etc/localtime->": "../usr/share/zoneinfo/Etc/UTC"}, Warning, "timedatectl"},
		"zone unknown":             {zone, Patient{}, nil, Warning, "isn't known"},
		"zone of the settings":     {zone, Patient{Zone: time.FixedZone("Asia/Tokyo", 9*3600), Timed: []string{"operating_hours"}}, map[string]string{"etc/timezone": "Etc/UTC\n"}, OK, "Asia/Tokyo, by the settings; the machine's own is Etc/UTC"},
		"zone set everywhere":      {zone, Patient{Zone: time.FixedZone("Asia/Tokyo", 9*3600)}, map[string]string{"etc/timezone": "Asia/Tokyo\n"}, OK, "Asia/Tokyo, by the settings → "},
		"zone UTC and hours":       {zone, Patient{Timed: []string{"operating_hours", "content.windows"}}, map[string]string{"etc/timezone": "UTC\n"}, Warning, "operating_hours and content.windows in the settings go by it"},
		"no names":                 {names, Patient{Servers: []string{"10.0.0.5:7237", "[fd00::1]:7237"}, Hosts: []string{"10.2.0.0/24"}}, nil, OK, "no names"},
		"bad name":                 {names, Patient{TimeServers: []string{"time.example:123"}}, nil, Failing, "no address for the name time.example"},
		"connected":                {portSession, Patient{Reported: session(protocol.StateConnected, "10.0.0.5:7237")}, nil, OK, "10.0.0.5:7237"},
		"no server":                {portSession, Patient{}, nil, Warning, "3702"},
		"server closed":            {portSession, Patient{Servers: []string{"127.0.0.1:1"}}, nil, Failing, "nothing listens"},
		"server without session":   {portSession, Patient{Reported: session(protocol.StateOffline, "open")}, nil, Failing, "certificate is not ours"},
		"probes answered":          {portDiscovery, Patient{Discover: finds("10.0.0.5:7237")}, nil, OK, "10.0.0.5:7237"},
		"probes not answered":      {portDiscovery, Patient{Discover: finds()}, nil, Failing, "3702"},
		"probes not needed":        {portDiscovery, Patient{Discover: finds(), Servers: []string{"a:1"}}, nil, OK, "otherwise"},
		"probes can't be sent":     {portDiscovery, Patient{Discover: func(context.Context) ([]string, error) { return nil, errors.New("no network") }}, nil, Failing, "ip address"},
		"time answered":            {portTime, Patient{Reported: clockIs(protocol.ClockStatus{Sources: []protocol.ClockSource{{Server: "a:123", Reach: 1}}})}, nil, OK, "a:123 answers"},
		"no time server":           {portTime, Patient{}, nil, Warning, "clock.servers"},
		"time partly":              {portTime, Patient{TimeServers: []string{"127.0.0.1:1"}, Reported: clockIs(protocol.ClockStatus{Sources: []protocol.ClockSource{{Server: "a:123", Reach: 1}}})}, nil, Warning, "take them out of clock.servers"},
		"time closed":              {portTime, Patient{TimeServers: []string{"127.0.0.1:1"}}, nil, Warning, "127.0.0.1:1: nobody answers NTP there"},
		"wake heard":               {portsWake, Patient{WakePorts: []uint16{9}, Hears: hears(nil, false)}, udp("0009"), OK, "awaited"},
		"wake heard by another":    {portsWake, Patient{WakePorts: []uint16{9}, Hears: hears(syscall.EADDRINUSE, false)}, udp("0009"), Warning, "aren't heard: another program has the port"},
		"wake not permitted":       {portsWake, Patient{WakePorts: []uint16{9}, Hears: hears(syscall.EACCES, false)}, udp("0009"), Warning, "may not listen"},
		"wake failed":              {portsWake, Patient{WakePorts: []uint16{9}, Hears: hears(errors.New("no sockets"), false)}, udp("0009"), Warning, "aren't heard: no sockets"},
		"wake not tried":           {portsWake, Patient{WakePorts: []uint16{9}, Hears: &wake.Hearing{}}, udp("0009"), Warning, "in a moment"},
		"wake by frames":           {portsWake, Patient{WakePorts: []uint16{9}, Hears: hears(syscall.EADDRINUSE, true)}, udp("0009"), OK, "by raw sockets, though not at the port itself: another program"},
		"wake heard by somebody":   {portsWake, Patient{Reported: zones(), WakePorts: []uint16{9}}, udp("0009"), OK, "only the viewer itself can say"},
		"wake not heard":           {portsWake, Patient{Reported: zones(), WakePorts: []uint16{9}}, udp("0007"), Warning, "nobody listens"},
		"wake taken":               {portsWake, Patient{WakePorts: []uint16{7}}, udp("0007"), Warning, "ss -lunp"},
		"wake free":                {portsWake, Patient{WakePorts: []uint16{7}}, udp("0009"), OK, "free"},
		"wake unseen":              {portsWake, Patient{WakePorts: []uint16{7}}, nil, Warning, "can't be seen"},
		"web ports":                {portsWeb, Patient{Servers: []string{"127.0.0.1:1"}}, nil, OK, "plain browsers"},
		"no proxy":                 {viaProxy, Patient{}, nil, OK, "none"},
		"proxy gone":               {viaProxy, Patient{Proxy: "127.0.0.1:1"}, nil, Failing, "network.proxy"},
		"not enrolled":             {certificate, Patient{}, nil, Warning, "token create"},
		"certificate unreadable":   {certificate, Patient{CertificateErr: fs.ErrPermission}, nil, Warning, "sudo"},
		"certificate elsewhere":    {certificate, Patient{Folder: "/var/lib/vitrine", Reported: &protocol.Reported{Site: "shop"}}, nil, Warning, "keeps its state elsewhere than in /var/lib/vitrine"},
		"certificate good":         {certificate, Patient{Enrolled: true, Expires: noon.AddDate(0, 0, 20)}, nil, OK, "2026-12-19"},
		"certificate near its end": {certificate, Patient{Enrolled: true, Expires: noon.AddDate(0, 0, 3)}, nil, Warning, "3 days"},
		"certificate expired":      {certificate, Patient{Enrolled: true, Expires: noon.AddDate(0, 0, -1)}, nil, Failing, "expired on 2026-11-28"},
		"disk not there":           {storage, Patient{Folder: "/nonexistent/vitrine"}, nil, Warning, "isn't there yet"},
		"ext4 with errors":         {storage, Patient{Folder: "/"}, map[string]string{"sys/fs/ext4/sda1/errors_count": "3\n"}, Failing, "fsck"},
		"card worn":                {storage, Patient{Folder: "/"}, map[string]string{"sys/block/mmcblk0/device/life_time": "0x02 0x09\n"}, Warning, "90 %"},
		"card worn out":            {storage, Patient{Folder: "/"}, map[string]string{"sys/block/mmcblk0/device/life_time": "0x02 0x0b\n"}, Failing, "worn out"},
		"card near its end":        {storage, Patient{Folder: "/"}, map[string]string{"sys/block/mmcblk0/device/life_time": "0x01 0x01\n", "sys/block/mmcblk0/device/pre_eol_info": "0x03\n"}, Failing, "worn out"},
		"mounted well":             {mount, Patient{Folder: "/var/lib/vitrine"}, mounted(""), OK, "/dev/sda1 (ext4), rw"},
		"mounted read-only":        {mount, Patient{Folder: "/var/lib/vitrine"}, mounted("23 22 8:2 / /var rw - ext4 /dev/sda2 ro"), Failing, "read-only"},
		"mounted in memory":        {mount, Patient{Folder: "/var/lib/vitrine"}, mounted("23 22 0:2 / /var/lib rw - tmpfs tmpfs rw"), Failing, "gone with the power"},
		"mounted as a layer":       {mount, Patient{Folder: "/var/lib/vitrine"}, mounted("23 22 0:2 / /var rw - overlay overlay rw"), Warning, "upper layer"},
		"mounted FAT":              {mount, Patient{Folder: "/data/a b"}, mounted(`23 22 8:2 / /data/a\040b rw - vfat /dev/sda2 rw`), Warning, "ext4"},
		"mounted without barrier":  {mount, Patient{Folder: "/var"}, mounted("23 22 8:2 / /var rw - ext4 /dev/sda2 rw,nobarrier"), Warning, "nobarrier"},
		"mounted with sync":        {mount, Patient{Folder: "/var"}, mounted("23 22 8:2 / /var rw,sync - ext4 /dev/sda2 rw"), Warning, "wears cards"},
		"mounted nearby":           {mount, Patient{Folder: "/variable"}, mounted("23 22 0:2 / /var rw - tmpfs tmpfs rw"), OK, "ext4"},
		"mounts unseen":            {mount, Patient{Folder: "/x"}, nil, OK, "can't be seen"},
		"watchdog used":            {watchdog, Patient{}, map[string]string{"sys/class/watchdog/watchdog0/identity": "iTCO_wdt\n", "sys/class/watchdog/watchdog0/state": "active\n", "sys/class/watchdog/watchdog0/timeout": "30\n"}, OK, "hangs for 30 s"},
		"watchdog unused":          {watchdog, Patient{}, map[string]string{"sys/class/watchdog/watchdog0/identity": "iTCO_wdt\n", "sys/class/watchdog/watchdog0/state": "inactive\n"}, Warning, "RuntimeWatchdogSec"},
		"no watchdog":              {watchdog, Patient{}, nil, Warning, "softdog"},
		"screen":                   {display, Patient{}, screen("HDMI-A-1", "connected", "enabled", "On"), OK, "HDMI-A-1 (1920x1080)"},
		"screen off":               {display, Patient{}, screen("HDMI-A-1", "connected", "disabled", "Off"), Warning, "screen saver"},
		"screen off on standby":    {display, Patient{Reported: running(func(r *protocol.Reported) { r.Schedule = &protocol.ScheduleStatus{Standby: true} })}, screen("HDMI-A-1", "connected", "disabled", "Off"), OK, "HDMI"},
		"no screen":                {display, Patient{}, screen("HDMI-A-1", "disconnected", "disabled", "Off"), Failing, "cable"},
		"no graphics":              {display, Patient{}, nil, Warning, "graphics card"},
		"page shown":               {browser, Patient{Reported: zones(true, true), Pages: 1}, nil, OK, "shows what it should"},
		"page not shown":           {browser, Patient{Reported: zones(false), Pages: 0, Page: "127.0.0.1:7238"}, nil, Failing, "chromium --kiosk"},
		"page without a desktop":   {browser, Patient{Reported: zones(false), Pages: 0}, nil, Failing, "`vitrine service install --screen`"},
		"page not in our browser":  {browser, Patient{Reported: running(func(r *protocol.Reported) { r.Browser = &protocol.BrowserStatus{} })}, nil, Failing, "cage, seatd and xwayland"},
		"page of unknown browser":  {browser, Patient{Reported: zones(false), Pages: -1}, nil, Failing, "no browser"},
		"zone not shown":           {browser, Patient{Reported: zones(true, false), Pages: 1}, nil, Warning, "1 of 2 zones"},
		"no browser on standby":    {browser, Patient{Reported: running(func(r *protocol.Reported) { r.Browser = &protocol.BrowserStatus{Paused: true} })}, nil, OK, "while the display is off"},
		"nothing on":               {browser, Patient{Reported: zones(), Pages: 1}, nil, OK, "nothing should be on"},
		"rights":                   {privileges, Patient{Inside: true}, caps("0000000000002400"), OK, "what it needs"},
		"no rights":                {privileges, Patient{}, caps("0000000000000000"), Warning, "CAP_NET_RAW"},
		"no clock":                 {privileges, Patient{Inside: true, SetsClock: true}, caps("0000000000002400"), Warning, "CAP_SYS_TIME"},
		"no graphics card":         {privileges, Patient{Inside: true, RunsBrowser: true}, and(caps("0000000000002400"), screen("HDMI-A-1", "connected", "enabled", "On")), Warning, "--screen"},
		"graphics card":            {privileges, Patient{Inside: true, RunsBrowser: true}, and(caps("0000000000002400"), map[string]string{"dev/dri/card0": ""}), OK, "what it needs"},
		"rights from outside":      {privileges, Patient{Reported: zones()}, caps("0"), OK, "only the viewer itself"},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.patient
			p.root, p.Now = machine(c.files), func() time.Time { return noon }
			p.lookup = func(_ context.Context, host string) ([]string, error) {
				return nil, &net.DNSError{Name: host, IsNotFound: true}
			}
			p.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr == "open" {
					one, other := net.Pipe()
					other.Close()
					return one, nil
				}
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
			got := c.check(t.Context(), &p)
			last := got[len(got)-1]
			if last.State != c.state || !strings.Contains(last.Message+" → "+last.Do, c.want) {
				t.Errorf("got %+v, want %s with %q", got, c.state, c.want)
			}
			for _, f := range got {
				if f.State != OK && f.Do == "" && !strings.HasPrefix(f.Check, "fault ") { // whose message says it
					t.Errorf("%s doesn't say what to do: %s", f.Check, f.Message)
				}
			}
		})
	}
}

func finds(addrs ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return addrs, nil }
}

// hears is a listener with this on port 9.
func hears(err error, frames bool) *wake.Hearing {
	return &wake.Hearing{Ports: map[uint16]error{9: err}, Frames: frames}
}

func udp(port string) map[string]string {
	return map[string]string{"proc/self/net/udp": "  sl  local_address rem_address\n  1: 00000000:" + port + " 00000000:0000 07\n"}
}

func TestSensors(t *testing.T) {
	for name, c := range map[string]struct {
		got   []Finding
		state State
	}{
		"cool":          {temperatureIs([]device.Temperature{{Sensor: "a", Celsius: 40}, {Sensor: "b", Celsius: 60}}), OK},
		"warm":          {temperatureIs([]device.Temperature{{Sensor: "a", Celsius: 76}, {Sensor: "b", Celsius: 60}}), Warning},
		"hot":           {temperatureIs([]device.Temperature{{Sensor: "a", Celsius: 40}, {Sensor: "b", Celsius: 90}}), Failing},
		"no sensor":     {temperatureIs(nil), OK},
		"memory":        {memoryIs(device.Memory{Total: 100, Available: 50}, nil), OK},
		"little memory": {memoryIs(device.Memory{Total: 100, Available: 8}, nil), Warning},
		"no memory":     {memoryIs(device.Memory{Total: 100, Available: 2}, nil), Failing},
		"killed":        {memoryIs(device.Memory{Total: 100, Available: 50, Killed: 1}, nil), Warning},
		"supply":        {supplyIs(device.Power{}, nil), OK},
		"supply low":    {supplyIs(device.Power{Low: true, WasLow: true}, nil), Failing},
		"supply was":    {supplyIs(device.Power{WasLow: true}, nil), Warning},
		"no supply":     {supplyIs(device.Power{}, errors.ErrUnsupported), OK},
	} {
		if len(c.got) != 1 || c.got[0].State != c.state || c.state != OK && c.got[0].Do == "" {
			t.Errorf("%s: %+v", name, c.got)
		}
	}
}

// A check that hangs doesn't hold up the others for long, and all are told in their order.
func TestExamine(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r := Examine(ctx, Patient{
		Folder: t.TempDir(), Now: func() time.Time { return noon }, root: machine(nil),
		Dial:     new(net.Dialer).DialContext,
		Discover: func(ctx context.Context) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() },
	})
	if len(r.Findings) < len(checks)-1 || r.Findings[0].Check != "viewer" || !r.At.Equal(noon) {
		t.Errorf("%+v", r)
	}
	var text strings.Builder
	r.Write(&text)
	if !strings.Contains(text.String(), "FAILING  viewer") || r.Count(Failing) == 0 {
		t.Error(text.String())
	}
}

func TestBundle(t *testing.T) {
	var b bytes.Buffer
	if err := WriteBundle(&b, noon, []File{{"a.txt", "one"}, {"b.txt", ""}}); err != nil {
		t.Fatal(err)
	}
	packed, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(packed)
	h, err := archive.Next()
	if err != nil || h.Name != "vitrine-support/a.txt" {
		t.Fatalf("%+v, %v", h, err)
	}
	if text, err := io.ReadAll(archive); string(text) != "one" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}
