package doctor

import (
	"context"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// Numbers of capabilities (linux/capability.h).
const (
	capNetBindService = 10
	capNetRaw         = 13
	capSysBoot        = 22
	capSysTime        = 25
)

// privileges is what the viewer may do. From outside only its user could be seen, so that it is asked of itself.
func privileges(_ context.Context, p *Patient) []Finding {
	const check = "privileges"
	if p.Reported != nil && !p.Inside {
		return ok(check, "only the viewer itself can say: run this as root or as its user")
	}
	has, readable := p.capabilities()
	if !readable {
		return ok(check, "they can't be seen on this system")
	}
	who := "user " + strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	var lacks []string
	for _, c := range []struct {
		number int
		need   bool
		what   string
	}{
		{capNetBindService, true, "listen on ports below 1024 (CAP_NET_BIND_SERVICE)"},
		{capNetRaw, true, "hear magic packets in Ethernet frames (CAP_NET_RAW)"},
		{capSysTime, p.SetsClock, "set the system's clock (CAP_SYS_TIME)"},
	} {
		if c.need && has&(1<<c.number) == 0 {
			lacks = append(lacks, c.what)
		}
	}
	if p.Inside && has&(1<<capSysBoot) == 0 && len(p.glob("etc/polkit-1/rules.d/*vitrine*")) == 0 && p.read("usr/lib/polkit-1/polkitd") == "" {
		lacks = append(lacks, "restart the machine (polkit isn't installed)")
	}
	if p.Inside && p.RunsBrowser && len(p.glob("sys/class/drm/card*-*")) > 0 && len(p.glob("dev/dri/card*")) == 0 {
		lacks = append(lacks, "use the graphics card for its browser (--screen)")
	}
	if len(lacks) == 0 {
		return ok(check, "%s may do what it needs", who)
	}
	do := "install the viewer as a service, with sudo"
	if p.Inside {
		do = "`vitrine service install --help` says how it gets them"
	}
	return warn(check, who+" may not "+strings.Join(lacks, ", nor "), do)
}

// capabilities are the bits of those that are in effect, from /proc (capabilities(7)).
func (p *Patient) capabilities() (bits uint64, readable bool) {
	for line := range strings.Lines(p.read("proc/self/status")) {
		if value, found := strings.CutPrefix(line, "CapEff:"); found {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return n, err == nil
		}
	}
	return 0, false
}
