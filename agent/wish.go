package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/platform/atomicfile"
)

// wishFile keeps the last wish of the site: which programme, and which servers there are.
const wishFile = "desired.json"

// A wish is what the site last wanted of this viewer, as it is kept on disk.
type wish struct {
	// Viewer is the identity that it was for: a viewer that was enrolled anew has no wish yet.
	Viewer string `json:"viewer"`
	protocol.Desired
	// Declined is the manifest that was rolled back from: it isn't wanted any more, whatever the server says, until that is another one.
	Declined digest.Digest `json:"declined,omitzero"`
	// Stick is the programme that came on a USB stick. It stands in place of the server's until that has another one.
	Stick *protocol.ManifestRef `json:"stick,omitempty"`
	// trying is the programme of a stick that is being taken; nil if none is. It isn't kept on disk: it may turn out that it can't be had.
	trying *protocol.ManifestRef
}

// openWish reads the last wish. One that can't be read is no loss: the server says it again.
func (a *Agent) openWish() {
	w, err := readWish(a.config.State)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		a.log.Warn("What the server last wanted can't be read; it will say it again", "err", err)
		return
	}
	e, _ := a.identity.Enrolment()
	if w.Viewer != e.Viewer {
		return
	}
	a.wish = w
	a.want()
}

func readWish(state string) (w wish, err error) {
	data, err := os.ReadFile(filepath.Join(state, wishFile))
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	return w, err
}

func (a *Agent) wishPath() string { return filepath.Join(a.config.State, wishFile) }

// desired takes what the server wants. A site has one count of revisions, so that a backup server that is behind the main one doesn't
// take the programme back: what has a lower revision is not followed, nor another programme with the same one.
func (a *Agent) desired(d protocol.Desired) {
	e, _ := a.identity.Enrolment()
	a.mu.Lock()
	old := a.wish
	if old.Viewer != e.Viewer {
		old = wish{Viewer: e.Viewer}
	}
	stale := d.Rev < old.Rev || d.Rev == old.Rev && !sameProgramme(d, old.Desired)
	if !stale {
		if d.Manifest == nil {
			d.Manifest = old.Manifest
		}
		if len(d.Servers) == 0 {
			d.Servers = old.Servers
		}
		if d.Update == nil {
			d.Update = old.Update
		}
		a.wish = wish{Viewer: e.Viewer, Desired: d, Declined: old.Declined}
		if d.Rev == old.Rev || sameProgramme(d, old.Desired) {
			a.wish.Stick, a.wish.trying = old.Stick, old.trying
		}
		if d.Manifest != nil && d.Manifest.Digest != old.Declined {
			a.wish.Declined = digest.Digest{}
		}
	}
	w := a.wish
	a.mu.Unlock()
	if stale {
		a.log.Info("The server's wish is not followed: this viewer has a later one", "rev", d.Rev, "has", old.Rev)
		return
	}
	a.keepWish(w)
	a.followTime()
	a.want()
	a.updateNews()
	a.session.Report()
}

func (a *Agent) keepWish(w wish) {
	if err := atomicfile.WriteJSON(a.wishPath(), w, 0o600); err != nil {
		a.log.Warn("What the server wants can't be kept on disk", "err", err)
	}
}

// declineWish makes the viewer stay away from a programme that was rolled back from.
func (a *Agent) declineWish(d digest.Digest) {
	a.mu.Lock()
	a.wish.Declined = d
	if a.wish.Stick != nil && a.wish.Stick.Digest == d {
		a.wish.Stick = nil
	}
	w := a.wish
	a.mu.Unlock()
	a.keepWish(w)
	a.want()
}

// sameProgramme tells whether two wishes of one revision can stand beside each other: a wish may leave the programme out.
func sameProgramme(a, b protocol.Desired) bool {
	return a.Manifest == nil || b.Manifest == nil || a.Manifest.Digest == b.Manifest.Digest
}

// want has the library get what is wanted.
func (a *Agent) want() {
	a.mu.Lock()
	m, declined := a.wish.wanted(), a.wish.declines()
	a.mu.Unlock()
	if declined {
		a.fault(faultRolledBack, errors.New("the programme was rolled back; the viewer waits for another one from the server"))
		return
	}
	a.fault(faultRolledBack, nil)
	if m != nil {
		a.library.Want(library.Ref{Digest: m.Digest, Size: m.Size, Signature: m.Signature})
	}
}

// wanted is the programme that is wanted, or nil.
func (w wish) wanted() *protocol.ManifestRef {
	switch {
	case w.trying != nil:
		return w.trying
	case w.Stick != nil:
		return w.Stick
	}
	return w.Manifest
}

// declines tells whether what is wanted is what was rolled back from, and nobody has brought it on a stick again.
func (w wish) declines() bool {
	m := w.wanted()
	return m != nil && m.Digest == w.Declined && w.trying == nil
}

// siteServers are the site's servers, as the server last said or as the enrolment did.
func (a *Agent) siteServers() []protocol.Server {
	e, _ := a.identity.Enrolment()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wish.Viewer == e.Viewer && len(a.wish.Servers) > 0 {
		return a.wish.Servers
	}
	return e.Servers
}
