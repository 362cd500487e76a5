package server

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/release"
	"vitrine/platform/atomicfile"
)

const (
	// updateFile says which release of the viewer is handed out, and releasesDir has its files, by digest.
	updateFile  = "update.json"
	releasesDir = "releases"
)

// An Update is a release of the viewer that the site's viewers are to run.
type Update struct {
	// Serial grows with each change.
	Serial  int64               `json:"serial"`
	Release protocol.ReleaseRef `json:"release"`
	Version string              `json:"version"`
	Made    time.Time           `json:"made"`
	Expires time.Time           `json:"expires"`
	// Percent of the viewers get it, of those with a name or id of Viewers, or one of Labels, if there are some.
	Percent float64  `json:"percent"`
	Viewers []string `json:"viewers,omitempty"`
	Labels  []string `json:"labels,omitempty"`
	// Published is when it was last changed, Withdrawn that nobody is to get it any more, and Halted why the server itself has ended it.
	Published time.Time `json:"published"`
	Withdrawn bool      `json:"withdrawn,omitempty"`
	Halted    string    `json:"halted,omitempty"`
}

// A Stage says who gets a release.
type Stage struct {
	Percent         float64
	Viewers, Labels []string
}

// ErrNoUpdate is that the site hands no release out.
var ErrNoUpdate = errors.New("no release was published here; `vitrine-server update publish FOLDER` does that")

// Update is the release that was published last. The error is ErrNoUpdate if none was.
func (s *Site) Update() (u Update, err error) {
	err = readJSON(filepath.Join(s.dir, updateFile), &u)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNoUpdate
	}
	return u, err
}

func (s *Site) writeUpdate(u Update) (Update, error) {
	u.Serial = max(u.Serial+1, time.Now().UnixMilli()) // also in a folder that was restored from a backup
	u.Published = time.Now().UTC().Truncate(time.Second)
	return u, atomicfile.WriteJSON(filepath.Join(s.dir, updateFile), u, 0o600)
}

// ChangeUpdate gives the release that was published last to others, and goes on if that was ended.
func (s *Site) ChangeUpdate(stage Stage) (Update, error) {
	u, err := s.Update()
	if err != nil {
		return u, err
	}
	u.Percent, u.Viewers, u.Labels, u.Withdrawn, u.Halted = stage.Percent, stage.Viewers, stage.Labels, false, ""
	return s.writeUpdate(u)
}

// WithdrawUpdate has nobody get it any more who doesn't have it yet.
func (s *Site) WithdrawUpdate() (Update, error) {
	u, err := s.Update()
	if err != nil {
		return u, err
	}
	u.Withdrawn = true
	return s.writeUpdate(u)
}

// haltUpdate ends a release, since too many viewers fail with it.
func (s *Site) haltUpdate(serial int64, why string) error {
	u, err := s.Update()
	if err != nil || u.Serial != serial || u.Halted != "" || u.Withdrawn {
		return err // somebody has changed it meanwhile
	}
	u.Halted = why
	_, err = s.writeUpdate(u)
	return err
}

// PublishUpdate hands out the release in a folder, as `vitrine-server release sign` leaves it. Its files are checked, and copied.
func (s *Site) PublishUpdate(folder string, stage Stage) (Update, error) {
	document, signature, r, err := ReadRelease(folder)
	if err != nil {
		return Update{}, err
	}
	if time.Now().After(r.Expires) {
		return Update{}, fmt.Errorf("release %s: its time was over on %s, and no viewer takes it any more; sign it again", r.Version, r.Expires.Format(time.DateOnly))
	}
	dir := filepath.Join(s.dir, releasesDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Update{}, err
	}
	ref := protocol.ReleaseRef{Digest: digest.Of(document), Size: int64(len(document)), Signature: signature}
	keep := []string{ref.Digest.Hex()}
	for _, p := range r.Programs {
		if err := copyProgram(filepath.Join(dir, p.Digest.Hex()), filepath.Join(folder, filepath.FromSlash(p.File)), p); err != nil {
			return Update{}, err
		}
		keep = append(keep, p.Digest.Hex())
	}
	if err := atomicfile.Write(filepath.Join(dir, keep[0]), document, 0o600); err != nil {
		return Update{}, err
	}
	u, err := s.Update()
	if err != nil && !errors.Is(err, ErrNoUpdate) {
		return Update{}, err
	}
	u = Update{Serial: u.Serial, Release: ref, Version: r.Version, Made: r.Made, Expires: r.Expires, Percent: stage.Percent, Viewers: stage.Viewers, Labels: stage.Labels}
	if u, err = s.writeUpdate(u); err != nil {
		return Update{}, err
	}
	return u, forgetReleases(dir, keep)
}

// ReadRelease reads the document of a release and its signature, which isn't checked.
func ReadRelease(folder string) (document []byte, signature string, r *release.Release, err error) {
	if document, err = readUpTo(filepath.Join(folder, release.DocumentFile), release.MaxSize); err != nil {
		return nil, "", nil, fmt.Errorf("%w; `vitrine-server release sign %s` makes it", err, folder)
	}
	line, err := readUpTo(filepath.Join(folder, release.SignatureFile), release.MaxSize)
	if err != nil {
		return nil, "", nil, err
	}
	r, err = release.Parse(document)
	return document, strings.TrimSpace(string(line)), r, err
}

func readUpTo(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

// copyProgram copies a program, and checks that it is the one of the release.
func copyProgram(to, from string, p release.Program) error {
	data, err := readUpTo(from, p.Size)
	if err != nil {
		return err
	}
	if int64(len(data)) != p.Size || digest.Of(data) != p.Digest {
		return fmt.Errorf("%s: isn't the program that was signed; sign the release again", from)
	}
	return atomicfile.Write(to, data, 0o600)
}

// forgetReleases removes the files of earlier releases.
func forgetReleases(dir string, keep []string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !slices.Contains(keep, e.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// releaseFile opens a file of the release that is handed out.
func (s *Site) releaseFile(d digest.Digest) (*os.File, string, error) {
	f, err := os.Open(filepath.Join(s.dir, releasesDir, d.Hex()))
	if err != nil {
		return nil, "", err
	}
	if u, err := s.Update(); err == nil && u.Release.Digest == d {
		return f, release.ContentType, nil
	}
	return f, release.ProgramType, nil
}

// ended says why nobody gets it any more; empty if somebody does.
func (u Update) ended() string {
	if u.Withdrawn {
		return "withdrawn"
	}
	return u.Halted
}

// chooses tells whether a viewer gets the release. Each viewer has a turn that differs from release to release, so that not always the same screens are the
// first; who has a turn within a percentage has one within any higher.
func (u Update) chooses(v Viewer, labels []string) bool {
	named := len(u.Viewers)+len(u.Labels) == 0 || slices.Contains(u.Viewers, v.ID) || slices.Contains(u.Viewers, v.Name) ||
		slices.ContainsFunc(u.Labels, func(l string) bool { return slices.Contains(labels, l) })
	sum := sha256.Sum256(append(u.Release.Digest[:], v.ID...))
	turn := float64(binary.BigEndian.Uint64(sum[:8])) / (1 << 64)
	return named && turn*100 < u.Percent
}

// An UpdateStatus is how far the viewers are with a release.
type UpdateStatus struct {
	Update
	// Viewers is how many devices the site has, and Chosen how many of them are to have the release.
	Devices int `json:"devices"`
	Chosen  int `json:"chosen"`
	// Count is how many of those are in each of the protocol's states, and "unknown" how many haven't said.
	Count map[string]int `json:"count"`
	// Silent are those that were heard of last while it was on trial, long ago.
	Silent int `json:"silent"`
	// Problems are the viewers that don't get it to run, with why.
	Problems []UpdateProblem `json:"problems"`
}

// An UpdateProblem is why a viewer doesn't run a release.
type UpdateProblem struct {
	Viewer string `json:"viewer"`
	State  string `json:"state"`
	Error  string `json:"error"`
}

// unknown is the state of a viewer that hasn't said anything of a release.
const unknown = "unknown"

// silence is how long ago a viewer on trial was heard of last for it to count as one that has failed: a trial is over by then.
const silence = time.Hour

// A standing is a viewer with what it said last.
type standing struct {
	Viewer
	live
}

// tally counts how far the viewers are.
func (u Update) tally(viewers []standing, now time.Time) UpdateStatus {
	s := UpdateStatus{Update: u, Count: map[string]int{}, Problems: []UpdateProblem{}}
	for _, v := range viewers {
		s.Devices++
		if !u.chooses(v.Viewer, v.Reported.Labels) {
			continue
		}
		s.Chosen++
		r := v.Reported.Update
		if r == nil || r.Release != u.Release.Digest || r.State == "" {
			s.Count[unknown]++
			continue
		}
		s.Count[r.State]++
		problem := r.Error
		if r.State == protocol.UpdateTrial && !v.Presence.Online && now.Sub(v.Heard) > silence {
			s.Silent++
			problem = "it hasn't been heard of since " + v.Heard.Local().Format(time.DateTime)
		}
		if problem != "" {
			s.Problems = append(s.Problems, UpdateProblem{v.Name, r.State, problem})
		}
	}
	slices.SortFunc(s.Problems, func(a, b UpdateProblem) int { return cmp.Compare(a.Viewer, b.Viewer) })
	return s
}

// tooMany says why a release is ended: at least two viewers have failed with it, and more than a tenth of those that have tried it.
func (s UpdateStatus) tooMany() string {
	bad := s.Count[protocol.UpdateFailed] + s.Silent
	tried := s.Count[protocol.UpdateKept] + bad
	if bad < 2 || bad*10 <= tried {
		return ""
	}
	return fmt.Sprintf("%d of the %d viewers that have tried it have failed; nobody else gets it", bad, tried)
}
