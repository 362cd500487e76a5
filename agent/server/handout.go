package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"vitrine/agent/protocol"
)

// lookAtUpdate is how often is looked whether viewers on trial have fallen silent, and whether the folder has another release.
const lookAtUpdate = time.Minute

// A handout is the release that the running server hands out. It is safe for concurrent use.
type handout struct {
	mu sync.Mutex
	// update is nil if none was published.
	update *Update
	// sent is what each viewer was told last.
	sent map[string]protocol.ReleaseRef
	news chan struct{}
}

func newHandout() *handout {
	return &handout{sent: map[string]protocol.ReleaseRef{}, news: make(chan struct{}, 1)}
}

func (h *handout) now() *Update {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.update
}

// loadUpdate reads which release is handed out, and gives what is wanted of viewers another revision if that is another one.
func (s *Server) loadUpdate() error {
	u, err := s.site.Update()
	if errors.Is(err, ErrNoUpdate) {
		return nil
	}
	if err != nil {
		return err
	}
	s.handout.mu.Lock()
	s.handout.update = &u
	s.handout.mu.Unlock()
	return s.publisher.updated(u.Serial)
}

// updateFor is what a viewer is told of releases; nil if there is nothing to say. The caller sends it.
func (s *Server) updateFor(v Viewer, labels []string) *protocol.ReleaseRef {
	s.handout.mu.Lock()
	defer s.handout.mu.Unlock()
	u := s.handout.update
	if u == nil {
		return nil
	}
	var ref protocol.ReleaseRef
	if u.ended() == "" && u.chooses(v, labels) {
		ref = u.Release
	}
	return &ref
}

// heardOfUpdate follows what a viewer says: its labels may be others now, or it has failed.
func (s *Server) heardOfUpdate(viewer string, r protocol.Reported) {
	s.handout.mu.Lock()
	before, told := s.handout.sent[viewer]
	s.handout.mu.Unlock()
	if !told {
		return
	}
	if v, err := s.site.Viewer(viewer); err == nil && *s.updateFor(v, r.Labels) != before {
		s.sendDesired(viewer)
	}
	if r.Update != nil && r.Update.State == protocol.UpdateFailed {
		select {
		case s.handout.news <- struct{}{}:
		default:
		}
	}
}

// watchUpdate ends a release with which too many viewers fail.
func (s *Server) watchUpdate(ctx context.Context) error {
	ticker := time.NewTicker(lookAtUpdate)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.handout.news:
		case <-ctx.Done():
			return nil
		}
		s.followUpdate()
		u := s.handout.now()
		if u == nil || u.ended() != "" {
			continue
		}
		status, err := s.updateStatus(*u)
		if err != nil {
			s.log.Error("The viewers can't be listed", "err", err)
			continue
		}
		if why := status.tooMany(); why != "" {
			s.log.Error("The update to release "+u.Version+" is halted", "err", why)
			err = errors.Join(s.site.haltUpdate(u.Serial, why), s.loadUpdate())
			s.sendAll()
		}
		if err != nil {
			s.log.Error("That an update is halted can't be kept", "err", err)
		}
	}
}

// followUpdate takes what has changed in the site's folder by itself: on a backup server that is a copy.
func (s *Server) followUpdate() {
	before := s.handout.now()
	if err := s.loadUpdate(); err != nil {
		s.log.Error("Which release is handed out can't be read; the one before stays", "err", err)
		return
	}
	if now := s.handout.now(); now != nil && (before == nil || before.Serial != now.Serial) {
		s.sendAll()
	}
}

// updateStatus is how far the viewers are with a release.
func (s *Server) updateStatus(u Update) (UpdateStatus, error) {
	viewers, err := s.site.Viewers()
	if err != nil {
		return UpdateStatus{}, err
	}
	var list []standing
	for _, v := range viewers {
		if v.admitted() == nil && !v.Browser() {
			list = append(list, standing{v, s.fleet.get(v.ID)})
		}
	}
	return u.tally(list, time.Now()), nil
}

// sendAll tells every viewer what is wanted of it.
func (s *Server) sendAll() {
	viewers, err := s.site.Viewers()
	if err != nil {
		s.log.Error("The viewers can't be listed", "err", err)
	}
	for _, v := range viewers {
		if v.admitted() == nil && !v.Browser() {
			s.sendDesired(v.ID)
		}
	}
}

// postUpdate takes what was changed in the site's folder.
func (s *Server) postUpdate(w http.ResponseWriter, r *http.Request) {
	if err := s.loadUpdate(); err != nil {
		protocol.WriteProblem(w, http.StatusInternalServerError, err.Error())
		return
	}
	if u := s.handout.now(); u != nil {
		s.log.Info("An update was changed", "version", u.Version, "percent", u.Percent, "ended", u.ended())
	}
	s.sendAll()
	s.getUpdate(w, r)
}

func (s *Server) getUpdate(w http.ResponseWriter, _ *http.Request) {
	u := s.handout.now()
	if u == nil {
		protocol.WriteProblem(w, http.StatusNotFound, ErrNoUpdate.Error())
		return
	}
	status, err := s.updateStatus(*u)
	if err != nil {
		protocol.WriteProblem(w, http.StatusInternalServerError, err.Error())
		return
	}
	writeJSON(w, status)
}

// UpdateStatus is how far the viewers are with the release that is handed out; with changed set, the server first takes what was changed in its folder.
func (c *Control) UpdateStatus(ctx context.Context, changed bool) (UpdateStatus, error) {
	method := http.MethodGet
	if changed {
		method = http.MethodPost
	}
	var s UpdateStatus
	err := c.do(ctx, method, "/update", nil, &s)
	return s, err
}
