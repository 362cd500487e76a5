package library_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// BenchmarkWritten gives how many bytes reach the disk for each byte of content, with all that the file system adds, and how often the disk is told to
// empty its own memory, which is what syncs cost on flash. The disk is a new ext4 as mkfs makes it.
func BenchmarkWritten(b *testing.B) {
	needRoot(b, "a file system of its own")
	needProgram(b, timeProgram, "time")
	needProgram(b, "curl", "curl")
	needProgram(b, "aria2c", "aria2")
	needProgram(b, "mkfs.ext4", "e2fsprogs")
	for _, s := range sets() {
		b.Run(s.name, func(b *testing.B) {
			o := newOrigin(b, s)
			contestants := o.contestants(b)
			written, flushes := map[string][]float64{}, map[string][]float64{}
			for b.Loop() {
				for _, c := range contestants {
					w, f := traffic(b, s, c)
					written[c.name], flushes[c.name] = append(written[c.name], w), append(flushes[c.name], f)
				}
			}
			b.ReportMetric(0, "ns/op")
			for _, c := range contestants {
				b.ReportMetric(median(written[c.name]), "B/B-"+c.name)
				b.ReportMetric(median(flushes[c.name]), "flushes-"+c.name)
			}
		})
	}
}

// traffic is what one contestant has the disk do: bytes written for each byte of content, and flushes.
func traffic(b *testing.B, s set, c contestant) (written, flushes float64) {
	b.Helper()
	v := newVolume(b, s.bytes()+s.bytes()/4+128<<20)
	command := c.command(b, v.folder)
	writtenBefore, flushesBefore := v.traffic(b)
	measure(b, command)
	writtenAfter, flushesAfter := v.traffic(b)
	v.remove(b)
	return float64(writtenAfter-writtenBefore) / float64(s.bytes()), float64(flushesAfter - flushesBefore)
}

// A volume is an ext4 in a file of the disk.
type volume struct {
	file, device, folder string
}

// newVolume makes one with room for size bytes. What mkfs leaves for later is done at once: the kernel would do it meanwhile.
func newVolume(b *testing.B, size int64) volume {
	b.Helper()
	dir := diskFolder(b)
	v := volume{file: filepath.Join(dir, "disk"), folder: filepath.Join(dir, "mounted")}
	if err := os.Mkdir(v.folder, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(v.file, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Truncate(v.file, size); err != nil {
		b.Fatal(err)
	}
	run(b, "mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", v.file)
	v.device = run(b, "losetup", "--find", "--show", v.file)
	b.Cleanup(func() { _ = exec.Command("losetup", "--detach", v.device).Run() })
	run(b, "mount", v.device, v.folder)
	b.Cleanup(func() { _ = syscall.Unmount(v.folder, 0) })
	return v
}

// traffic is how many bytes have reached the device once everything has, and how often it was flushed. The fields are in the kernel's
// Documentation/block/stat.rst.
func (v volume) traffic(b *testing.B) (written, flushes int64) {
	b.Helper()
	run(b, "sync", "--file-system", v.folder)
	stat, err := os.ReadFile("/sys/block/" + filepath.Base(v.device) + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat))
	if len(fields) < 16 {
		b.Fatalf("this kernel doesn't count flushes: %q", stat)
	}
	const sector = 512
	written, err = strconv.ParseInt(fields[6], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	flushes, err = strconv.ParseInt(fields[15], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return written * sector, flushes
}

func (v volume) remove(b *testing.B) {
	b.Helper()
	if err := syscall.Unmount(v.folder, 0); err != nil {
		b.Fatal(err)
	}
	run(b, "losetup", "--detach", v.device)
	if err := os.Remove(v.file); err != nil {
		b.Fatal(err)
	}
}

// run runs a program to its end and gives the line that it says.
func run(b *testing.B, argv ...string) string {
	b.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
