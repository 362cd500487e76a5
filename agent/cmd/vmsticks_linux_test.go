package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
)

// Sticks with the file systems of larger ones, by a real kernel: from one with exFAT the viewer takes signed settings and a later programme, and writes its report
// there. One with NTFS is a program's matter here, ntfs-3g, as in Debian's kernel; until that has mounted it the viewer says why it can't.
func TestVMStickFileSystems(t *testing.T) {
	t.Parallel()
	needVM(t)
	needProgram(t, "mkfs.exfat", "exfatprogs")
	needProgram(t, "mkntfs", "ntfs-3g")
	s := newSite(t)
	server, addr := s.serve(t, "127.0.0.1:0")
	signed := filepath.Join(t.TempDir(), "signed.toml")
	if err := os.WriteFile(signed, []byte("location = \"building-b\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "vitrine-server", "provision", "sign", "--state", s.state, signed)
	m, options := newMonitor(t)
	options = append(append([]string{"--disk", diskImage(t, 256<<20, "mkfs.ext4", "-q", "-F"), "--add", s.token(t), "--add", signed, "--add", tool(t, "ntfs-3g"), "--", "-device", "qemu-xhci"},
		stickOf("exfat", diskImage(t, 64<<20, "mkfs.exfat"))...), append(stickOf("ntfs", diskImage(t, 64<<20, "mkntfs", "-q", "-F")), options...)...)
	g := boot(t, nil, options...)
	_, port, _ := strings.Cut(addr, ":")

	// A viewer has the first programme, which is kept twice, then a second one, which goes onto the sticks.
	g.view("/dev/vda", "--token-file /host/token --name screen --server 10.0.2.2:"+port)
	first := g.awaitStatus("playing", whole).Content.Generation
	g.end()
	g.run("cp -a /state/vitrine /state/exfat; cp -a /state/vitrine /state/ntfs")
	s.add(t, "3-blue.png", blue)

	play := func(state, options string) {
		g.run("vitrine run --state /state/" + state + " --log-format json --log debug " + options + " 2>/dev/ttyS1 &")
	}
	play("vitrine", "--server 10.0.2.2:"+port)
	second := g.awaitStatus("playing the second programme", func(s agent.Status) bool { return whole(s) && s.Content.Generation != first }).Content.Generation
	g.end()
	server.kill()
	const awaitStick, awaitNone = "until [ -b /dev/sda ]; do usleep 100000; done; ", "while [ -b /dev/sda ]; do usleep 100000; done"
	g.run("modprobe fuse; mkdir -p /mnt/exfat /mnt/ntfs /media/stick; touch /etc/mtab")
	for kind, mount := range map[string]string{"exfat": "mount -t exfat", "ntfs": "ntfs-3g"} {
		m.attach(kind)
		g.run(awaitStick + mount + " /dev/sda /mnt/" + kind + " && cp /host/signed.toml /mnt/" + kind + "/vitrine.toml && vitrine content export --state /state/vitrine /mnt/" + kind)
		g.run("umount /mnt/" + kind)
		m.detach(kind)
		g.run(awaitNone)
	}
	taken := func(s agent.Status) bool {
		return playing(s) && s.Content.Generation == second && s.Location.String() == "building-b"
	}

	play("exfat", "")
	g.awaitStatus("playing the first programme", func(s agent.Status) bool { return playing(s) && s.Content.Generation == first })
	m.attach("exfat")
	g.awaitStatus("playing what is on exFAT", taken)
	const dir = "/state/exfat/sticks/sda"
	g.run("until grep -q 'Done. The settings are in effect' " + dir + "/vitrine-report.txt && [ -e " + dir + "/vitrine/viewers/screen/status.json ]; do usleep 100000; done")
	// Writable only while it was written to.
	g.run("until grep -q '" + dir + " exfat ro,nosuid,nodev,noexec,' /proc/mounts; do usleep 100000; done")
	m.detach("exfat")
	g.run("while [ -e " + dir + " ]; do usleep 100000; done; " + awaitNone)
	g.end()

	play("ntfs", "")
	g.awaitStatus("playing the first programme", func(s agent.Status) bool { return playing(s) && s.Content.Generation == first })
	m.attach("ntfs")
	if line := g.await("A USB stick can't be used"); !strings.Contains(line["err"].(string), "NTFS can't be read: this system's kernel doesn't know that file system") {
		t.Errorf("of a stick with NTFS it says %v", line["err"])
	}
	g.run("ntfs-3g /dev/sda /media/stick")
	g.awaitStatus("playing what is on NTFS", taken)
	g.run("until grep -q 'Done. The settings are in effect' /media/stick/vitrine-report.txt; do usleep 100000; done")
}
