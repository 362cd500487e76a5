package agent

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/update"
	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/release"
	"vitrine/platform/clock"
)

// A wantedRelease is one whose document is on disk, and signed by somebody who is believed.
type wantedRelease struct {
	update.Release
	document  []byte
	signature string
	program   library.File
	expires   time.Time
}

// read gives the wanted release once its document is on disk, and has it fetched until then. The error says that it can't be believed.
func (u *updates) read(ref protocol.ReleaseRef) (*wantedRelease, error) {
	if u.wanted != nil && u.wanted.Digest == ref.Digest {
		return u.wanted, nil
	}
	u.since = time.Time{}
	if ref.Size > release.MaxSize {
		return nil, fmt.Errorf("its document of %d bytes is too long", ref.Size)
	}
	if !u.store.Has(ref.Digest, ref.Size) {
		u.library.Also(library.File{Digest: ref.Digest, Size: ref.Size, Type: release.ContentType, Name: "release"})
		return nil, nil
	}
	document, err := u.readAsset(ref.Digest)
	if err != nil {
		return nil, err
	}
	if err := release.Verify(u.config.Update.Keys, document, ref.Signature); err != nil {
		return nil, err
	}
	r, err := release.Parse(document)
	if err != nil {
		return nil, err
	}
	here := thisPlatform()
	p, ok := r.For(here)
	if !ok {
		return nil, fmt.Errorf("it has no program for this machine (%v)", here)
	}
	u.wanted = &wantedRelease{
		Release:  update.Release{Digest: ref.Digest, Version: r.Version, Made: r.Made, Program: p.Digest, Size: p.Size},
		document: document, signature: ref.Signature, expires: r.Expires,
		program: library.File{Digest: p.Digest, Size: p.Size, Type: release.ProgramType, Name: "release " + r.Version},
	}
	return u.wanted, nil
}

func (u *updates) readAsset(d digest.Digest) ([]byte, error) {
	f, err := u.store.Open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, release.MaxSize+1))
}

// thisPlatform is what this program was built for.
func thisPlatform() release.Platform {
	p := release.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	if p.Arch != "arm" {
		return p
	}
	p.ARM = 5 // which runs anywhere
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return p
	}
	for _, s := range info.Settings {
		if s.Key == "GOARM" && strings.HasPrefix(s.Value, "6") {
			p.ARM = 6
		} else if s.Key == "GOARM" && strings.HasPrefix(s.Value, "7") {
			p.ARM = 7
		}
	}
	return p
}

// allows says why a release isn't to be tried, or not any more. Its time is judged by a clock that can be relied on; with a session there soon is one.
func (u *updates) allows(w wantedRelease) error {
	if u.clock.Trust() >= clock.TrustServer && u.clock.Now().After(w.expires) {
		return fmt.Errorf("its time was over on %s; it must be signed again", w.expires.Format(time.DateOnly))
	}
	made := u.config.Build
	if own := u.releases.own; own != (update.Release{}) {
		made = own.Made
	}
	return u.releases.folder.Record.Refuses(w.Release, made)
}
