package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"vitrine/platform/device"
	"vitrine/platform/disk"
	"vitrine/platform/diskspace"
)

// zone is the time zone by which times of the day in the settings go: theirs, or else the machine's.
func zone(_ context.Context, p *Patient) []Finding {
	const check = "time zone"
	name := p.machineZone()
	if p.Zone != nil {
		if name == p.Zone.String() || name == "" {
			return ok(check, "%s, by the settings", p.Zone)
		}
		return ok(check, "%s, by the settings; the machine's own is %s", p.Zone, name)
	}
	do := "set `timezone` in the settings, or the machine's, for example by `timedatectl set-timezone Europe/Amsterdam`: "
	if len(p.Timed) > 0 {
		do += strings.Join(p.Timed, " and ") + " in the settings go by it"
	} else {
		do += "times of the day in the settings and the log go by it (a programme has its own)"
	}
	switch name {
	case "":
		return warn(check, "the machine's time zone isn't known", do)
	case "UTC", "Etc/UTC", "UCT", "Zulu", "GMT", "Etc/GMT":
		return warn(check, "the machine's time zone is "+name, do)
	}
	return ok(check, "%s", name)
}

// machineZone is the name of the machine's time zone; empty if it isn't known.
func (p *Patient) machineZone() string {
	if target, err := fs.ReadLink(p.root, "etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(target, "zoneinfo/"); ok {
			return name
		}
	}
	return p.read("etc/timezone")
}

// storage is the room on the disk, whether it takes what is written, and what it says of its own health.
func storage(_ context.Context, p *Patient) []Finding {
	const check = "disk"
	var list []Finding
	free, total, err := diskspace.Of(p.Folder)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return warn(check, p.Folder+" isn't there yet", "start the viewer, which makes it, or say with --state where it is")
	case err != nil:
		list = append(list, warn(check, "its room can't be seen: "+err.Error(), "run this again with sudo")...)
	case free < total/100 || free < 50<<20:
		list = append(list, fail(check, fmt.Sprintf("%d MB of %d MB are free", free/1e6, total/1e6), "make room, or set content.quota; `vitrine content gc` removes what no programme needs")...)
	case free < total/20:
		list = append(list, warn(check, fmt.Sprintf("%d MB of %d MB are free", free/1e6, total/1e6), "set content.quota, or use a larger disk")...)
	default:
		list = ok(check, "%d MB of %d MB are free", free/1e6, total/1e6)
	}
	if err := tryWriting(p.Folder); err != nil && !errors.Is(err, fs.ErrPermission) {
		do := "make room"
		if disk.ReadOnly(err) || disk.Failing(err) {
			do = "replace the disk or card: it is damaged"
		}
		list = append(list, fail(check, "it takes nothing: "+err.Error(), do)...)
	}
	return append(list, health(p)...)
}

// tryWriting writes a small file, and removes it.
func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	_, written := f.WriteString("Whether the disk takes this.\n")
	return errors.Join(written, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// health is what file systems and cards have counted: errors found by ext4, and the wear of eMMC (JESD84-B51, device life time and pre-EOL).
func health(p *Patient) []Finding {
	var list []Finding
	for _, file := range p.glob("sys/fs/ext4/*/errors_count") {
		if n, err := strconv.Atoi(p.read(file)); err == nil && n > 0 {
			list = append(list, fail("disk", fmt.Sprintf("the file system on %s has found %d errors", path.Base(path.Dir(file)), n), "have it checked (fsck) at the next start, and replace the disk or card if they come again")...)
		}
	}
	for _, file := range p.glob("sys/block/mmcblk*/device/life_time") {
		name := strings.Split(file, "/")[2]
		used := int64(0)
		for _, word := range strings.Fields(p.read(file)) {
			if n, err := strconv.ParseInt(strings.TrimPrefix(word, "0x"), 16, 16); err == nil {
				used = max(used, n*10)
			}
		}
		switch {
		case used > 100 || p.read(path.Dir(file)+"/pre_eol_info") == "0x03":
			list = append(list, fail("disk", name+" says that it is worn out", "replace it")...)
		case used >= 80:
			list = append(list, warn("disk", fmt.Sprintf("%s says that up to %d %% of its life are over", name, used), "replace it before it fails")...)
		}
	}
	return list
}

// A mountPoint is a line of mountinfo (proc(5)).
type mountPoint struct {
	dir, kind, source string
	options           []string
}

// mountOf is the file system that a folder is on.
func (p *Patient) mountOf(dir string) (best mountPoint, ok bool) {
	for line := range strings.Lines(p.read("proc/self/mountinfo")) {
		before, after, found := strings.Cut(line, " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if !found || len(head) < 6 || len(tail) < 3 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(head[4])
		if inside := dir == point || strings.HasPrefix(dir, strings.TrimSuffix(point, "/")+"/"); inside && len(point) >= len(best.dir) {
			best = mountPoint{point, tail[0], tail[1], append(strings.Split(head[5], ","), strings.Split(tail[2], ",")...)}
			ok = true
		}
	}
	return best, ok
}

// mount is whether what is written stays, also after a power cut.
func mount(_ context.Context, p *Patient) []Finding {
	const check = "mount"
	dir, err := filepath.Abs(p.Folder)
	if err != nil {
		dir = p.Folder
	}
	m, found := p.mountOf(dir)
	if !found {
		return ok(check, "how the disk is mounted can't be seen on this system")
	}
	has := func(options ...string) string {
		for _, o := range m.options {
			for _, bad := range options {
				if o == bad {
					return o
				}
			}
		}
		return ""
	}
	what := fmt.Sprintf("%s is on %s (%s)", dir, m.source, m.kind)
	switch {
	case has("ro") != "":
		return fail(check, what+", which is mounted read-only", "mount it read-write; a disk that the system has made read-only by itself is damaged: replace it")
	case m.kind == "tmpfs" || m.kind == "ramfs":
		return fail(check, what+": in memory, so that everything is gone with the power", "put the state on a disk, with `state` in the settings")
	case m.kind == "overlay":
		return warn(check, what+": if its upper layer is in memory, everything is gone with the power", "put the state on a partition of its own, with `state` in the settings")
	case m.kind == "vfat" || m.kind == "exfat" || m.kind == "msdos":
		return warn(check, what+", which a power cut can damage", "use ext4 or another file system with a journal")
	case has("nobarrier", "barrier=0", "data=writeback") != "":
		return warn(check, what+", mounted with "+has("nobarrier", "barrier=0", "data=writeback")+": a power cut can damage it", "take that option out of /etc/fstab")
	case has("sync", "strictatime") != "":
		return warn(check, what+", mounted with "+has("sync", "strictatime")+", which wears cards out", "take that option out of /etc/fstab")
	}
	return ok(check, "%s, %s", what, m.options[0])
}

func memory(context.Context, *Patient) []Finding { return memoryIs(device.ReadMemory()) }

func memoryIs(m device.Memory, err error) []Finding {
	const check = "memory"
	if err != nil {
		return ok(check, "it can't be seen on this system")
	}
	text := fmt.Sprintf("%d MB of %d MB are available", m.Available/1e6, m.Total/1e6)
	do := "close other programs, or have fewer zones with videos and web pages"
	switch {
	case m.Available < m.Total/25:
		return fail(check, text, do)
	case m.Available < m.Total/10:
		return warn(check, text, do)
	case m.Killed > 0:
		return warn(check, fmt.Sprintf("%s; the system has ended %d programs for want of memory since it was started", text, m.Killed), do)
	}
	return ok(check, "%s", text)
}

func temperature(context.Context, *Patient) []Finding { return temperatureIs(device.Temperatures()) }

func temperatureIs(all []device.Temperature) []Finding {
	const check = "temperature"
	var hottest device.Temperature
	for _, t := range all {
		if hottest.Sensor == "" || t.Celsius > hottest.Celsius {
			hottest = t
		}
	}
	text := fmt.Sprintf("%.0f °C (%s)", hottest.Celsius, hottest.Sensor)
	switch {
	case hottest.Sensor == "":
		return ok(check, "no sensor can be read")
	case hottest.Celsius >= 85:
		return fail(check, text, "see to fans and vents, and to the sun on the case: the machine slows down, and will not last")
	case hottest.Celsius >= 75:
		return warn(check, text, "see to fans and vents")
	}
	return ok(check, "%s", text)
}

func supply(context.Context, *Patient) []Finding { return supplyIs(device.ReadPower()) }

func supplyIs(v device.Power, err error) []Finding {
	const check, do = "power supply", "use the supply that belongs to the board, and a short cable"
	switch {
	case err != nil:
		return ok(check, "this machine can't tell")
	case v.Low:
		return fail(check, "its voltage is too low", do)
	case v.WasLow:
		return warn(check, "its voltage was too low at times since the start", do)
	}
	return ok(check, "its voltage is right")
}

// watchdog is what restarts a machine that hangs.
func watchdog(_ context.Context, p *Patient) []Finding {
	const check = "watchdog"
	dogs := p.glob("sys/class/watchdog/watchdog[0-9]*")
	if len(dogs) == 0 {
		return warn(check, "this machine has no watchdog that the system knows", "load its driver, or softdog, so that the machine is restarted when it hangs")
	}
	name := p.read(path.Join(dogs[0], "identity"))
	if p.read(path.Join(dogs[0], "state")) == "active" {
		return ok(check, "%s restarts this machine if it hangs for %s s", name, p.read(path.Join(dogs[0], "timeout")))
	}
	return warn(check, "nobody uses this machine's watchdog "+name, "put RuntimeWatchdogSec=30 into /etc/systemd/system.conf, so that the machine is restarted when it hangs")
}
