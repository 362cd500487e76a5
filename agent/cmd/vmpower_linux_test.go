package cmd_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/content/digest"
	"vitrine/content/manifest"
	"vitrine/content/store"
)

// cutsBetween is the environment variable with the number of moments between two flushes at which the power is cut as well.
const cutsBetween = "VITRINE_CUTS"

// How the guest mounts its disk. The first has ext4 do nothing for programs that don't sync, such as writing the bytes of a file before its name: what
// holds there holds by our own doing. The second is what devices have; it is only in the long version.
const (
	strict = "data=writeback,noauto_da_alloc"
	usual  = "data=ordered"
)

// The power is cut in a virtual machine at every flush of its disk, and at moments between, while a viewer gets its first programme, then a
// second one, and goes back: what its ext4 has then, on a fresh disk, is whole, and not older than what was confirmed. Each write of the disk
// was recorded by the guest's kernel.
func TestVMPowerCut(t *testing.T) {
	t.Parallel()
	needVM(t)
	needRoot(t)
	t.Run("strict", func(t *testing.T) { cutPower(t, strict) })
	if os.Getenv(cutsBetween) != "" {
		t.Run("usual", func(t *testing.T) { cutPower(t, usual) })
	}
}

func cutPower(t *testing.T, mode string) {
	dmsetup, err := exec.LookPath("dmsetup")
	if err != nil {
		needProgram(t, "dmsetup", "dmsetup")
	}
	s := site{state: shortDir(t), media: t.TempDir()}
	pictures(t, s.media, 0, 1, 2, 3, 4)
	_, addr := s.serve(t, "127.0.0.1:0")
	_, port, _ := strings.Cut(addr, ":")
	disk := diskImage(t, 256<<20, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,nodiscard", "-N", "1024")
	fresh := filepath.Join(t.TempDir(), "fresh.img")
	command(t, "cp", "--sparse=always", disk, fresh)
	log := diskImage(t, 1<<30)

	g := boot(t, nil, "--disk", disk, "--disk", log, "--add", dmsetup, "--add", s.token(t))
	g.run("dmsetup create log --table \"0 $(cat /sys/block/vda/size) log-writes /dev/vda /dev/vdb\"")
	mark := func(name string) { g.run("dmsetup message log 0 mark " + name) }
	g.view("-o "+mode+" /dev/mapper/log", "--server 10.0.2.2:"+port+" --token-file /host/token --name screen")
	var programmes []digest.Digest
	gets := func(what string) {
		got := g.awaitStatus("playing "+what, func(s agent.Status) bool {
			return whole(s) && !slices.Contains(programmes, s.Content.Generation)
		})
		mark(what)
		programmes = append(programmes, got.Content.Generation)
	}
	gets("first")
	// In one moment, so that it is one programme.
	more := t.TempDir()
	pictures(t, more, 5, 6, 7)
	command(t, "sh", "-c", "mv "+more+"/*.png "+s.media+" && rm "+s.media+"/3.png")
	gets("second")
	g.run("vitrine content rollback --state /state/vitrine")
	mark("rollback")
	// The end of the log: the viewer is killed, and the disk is let go of.
	g.run("killall -9 vitrine; while pidof vitrine; do usleep 10000; done; umount /state && dmsetup remove log")
	g.kill()

	p := &powerCuts{t: t, fresh: fresh, dir: t.TempDir()}
	// What may play after each confirmation: that, or what was to come next.
	first, second := programmes[0], programmes[1]
	p.plays = map[string][]digest.Digest{"": {{}, first}, "first": {first, second}, "second": {second, first}, "rollback": {first}}
	p.run(log)
}

// pictures writes some that can't be compressed into a folder, by their numbers.
func pictures(t *testing.T, dir string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", n)), noise(t, uint64(n)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// powerCuts looks at what a disk has after power cuts at the moments of its log.
type powerCuts struct {
	t *testing.T
	// fresh is the disk as it was before the log, and is written to; dir is for what is made of it.
	fresh, dir string
	// plays is what may play after each mark; no digest is that nothing does.
	plays map[string][]digest.Digest
	found map[digest.Digest]int
	looks int
}

// run goes through a log.
func (p *powerCuts) run(log string) {
	t := p.t
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	writes, err := parseDiskLog(f)
	if err != nil {
		t.Fatal(err)
	}
	disk, err := os.OpenFile(p.fresh, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	p.found = map[digest.Digest]int{}
	r := &replay{writes: writes, disk: disk}
	cuts := r.cuts()
	between := p.between(cuts)
	for i, cut := range cuts {
		if err := r.to(cut); err != nil {
			t.Fatal(err)
		}
		p.look(r, fmt.Sprintf("after %d of %d writes", cut, len(writes)), nil)
		for n := range between[i] {
			p.lookBetween(r, writes[cut:cuts[i+1]], n)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d writes, %d cuts at flushes and marks; found %v", len(writes), len(cuts), p.found)
	if len(cuts) < 50 || len(r.confirmed) < 3 || len(p.found) != 3 {
		t.Errorf("%d cuts, %v confirmed: this tests little", len(cuts), r.confirmed)
	}
}

// between chooses how often the power is cut between each cut and the next one, where there is anything between them.
func (p *powerCuts) between(cuts []int) []int {
	n := 60
	if text := os.Getenv(cutsBetween); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 0 {
			p.t.Fatalf("%s=%s: want a number", cutsBetween, text)
		}
	}
	var gaps []int
	for i := range len(cuts) - 1 {
		if cuts[i+1]-cuts[i] > 1 {
			gaps = append(gaps, i)
		}
	}
	list, random := make([]int, len(cuts)), rand.New(rand.NewPCG(1, 2))
	for range n {
		list[gaps[random.IntN(len(gaps))]]++
	}
	return list
}

// lookBetween cuts the power while these writes are under way: the disk has the first of them, or any of them.
func (p *powerCuts) lookBetween(r *replay, under []diskWrite, seed int) {
	random := rand.New(rand.NewPCG(uint64(r.done), uint64(seed)))
	first := 1 + random.IntN(len(under)-1)
	any := random.IntN(2) == 0
	p.look(r, fmt.Sprintf("after %d of %d writes, and of the next %d some (any: %v, seed %d)", r.done, len(r.writes), len(under), any, seed), func(disk io.WriterAt) error {
		for i, w := range under {
			if any && random.IntN(2) == 0 || !any && i >= first {
				continue
			}
			if _, err := disk.WriteAt(w.data, w.at); err != nil {
				return err
			}
		}
		return nil
	})
}

// look mounts a copy of the disk, with more written to it, and looks at the content there.
func (p *powerCuts) look(r *replay, moment string, more func(io.WriterAt) error) {
	t := p.t
	t.Helper()
	// Another name each time: the kernel may have the one before for a moment after it was unmounted.
	p.looks++
	copied, mounted := filepath.Join(p.dir, fmt.Sprintf("copy%d.img", p.looks)), filepath.Join(p.dir, "mounted")
	defer os.Remove(copied)
	command(t, "cp", "--sparse=always", p.fresh, copied)
	if more != nil {
		f, err := os.OpenFile(copied, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := more(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := os.MkdirAll(mounted, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "mount", "-t", "ext4", "-o", "loop", copied, mounted)
	defer command(t, "umount", mounted)
	confirmed := ""
	if n := len(r.confirmed); n > 0 {
		confirmed = r.confirmed[n-1]
	}
	got, err := wholeProgramme(t, filepath.Join(mounted, "vitrine", "content"))
	if err != nil {
		t.Errorf("%s: %v", moment, err)
	}
	if allowed, ok := p.plays[confirmed]; ok && !slices.Contains(allowed, got) {
		t.Errorf("%s: programme %v plays, though %q was confirmed", moment, got, confirmed)
	}
	p.found[got]++
	if got.IsZero() {
		return
	}
	if out, err := exec.Command(static(t, "vitrine"), "content", "verify", "--state", filepath.Join(mounted, "vitrine")).CombinedOutput(); err != nil {
		t.Errorf("%s: vitrine content verify: %v\n%s", moment, err, out)
	}
}

// wholeProgramme opens a content folder as the next start would, and reads all of its programme. No digest is that there is none.
func wholeProgramme(t *testing.T, dir string) (digest.Digest, error) {
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		return digest.Digest{}, err
	}
	defer s.Close()
	g, ok := s.Current()
	if !ok {
		return digest.Digest{}, nil
	}
	f, err := s.Open(g.Manifest)
	if err != nil {
		return g.Manifest, err
	}
	defer f.Close()
	document, err := io.ReadAll(f)
	if err != nil {
		return g.Manifest, err
	}
	if digest.Of(document) != g.Manifest {
		return g.Manifest, fmt.Errorf("the manifest of programme %v has other bytes", g.Manifest)
	}
	m, err := manifest.Parse(document)
	if err != nil {
		return g.Manifest, err
	}
	for _, d := range m.Used() {
		if err := s.Verify(t.Context(), d); err != nil {
			return g.Manifest, fmt.Errorf("programme %v: %w", g.Manifest, err)
		}
	}
	return g.Manifest, nil
}
