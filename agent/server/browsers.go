package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/agent/server/view"
	"vitrine/content/digest"
	"vitrine/content/manifest"
	"vitrine/platform/atomicfile"
)

const (
	// linkKey is the length of the key in a link: 80 random bits in letters and digits that a person can type with a remote control.
	linkKey = 16
	// maxEndedLinks is how many former links of a viewer are told that they have ended.
	maxEndedLinks = 16
)

// A Remote looks at other web servers, for browsers: their feeds are fetched and kept here, and they are told which web pages can be shown.
type Remote struct {
	// Run fetches feeds until ctx ends, those that Want was last told.
	Run  func(ctx context.Context) error
	Want func(urls []string)
	// Feed and Reachable are the player's (player.Config).
	Feed      func(ctx context.Context, url string) (any, error)
	Reachable func(ctx context.Context, url string) error
}

// newView makes what serves browsers on open ports.
func (s *Server) newView(door *view.Door) *view.View {
	c := view.Config{
		Issue: s.site.browserCertificate, CA: s.site.ca.Raw, Site: s.site.Name(), Version: s.config.Version,
		Links:  s.site.links,
		Assets: s.browserAsset,
		Played: s.browserPlayed,
		Failed: s.browserFailed,
		Log:    s.log,
	}
	if r := s.config.Remote; r != nil {
		c.Feed, c.Reachable = r.Feed, r.Reachable
	}
	return view.New(door, c)
}

// browserAsset opens an asset for browsers. What is not in the media folder any more, as it is in the programme, isn't there.
func (s *Server) browserAsset(d digest.Digest) (io.ReadSeekCloser, error) {
	f, _, err := s.openAsset(d)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", fs.ErrNotExist, err)
	}
	return f, nil
}

// showBrowsers gives the browsers the programme that is out.
func (s *Server) showBrowsers() {
	if s.view == nil {
		return
	}
	out, ok := s.publisher.programme()
	if !ok {
		return
	}
	data, ok := s.publisher.manifest(out.Manifest.Digest)
	if !ok {
		s.log.Error("The programme's manifest is missing, so that browsers can't be shown it", "digest", out.Manifest.Digest.Short())
		return
	}
	m, err := manifest.Parse(data)
	if err != nil {
		s.log.Error("The programme's manifest can't be read, so that browsers can't be shown it", "err", err)
		return
	}
	if s.config.Remote != nil {
		var feeds []string
		for item := range m.Items() {
			if item.Type == manifest.Feed && !slices.Contains(feeds, item.URL) {
				feeds = append(feeds, item.URL)
			}
		}
		s.config.Remote.Want(feeds)
	}
	s.view.Show(player.Programme{Generation: out.Manifest.Digest, Manifest: m})
}

// browserPlayed keeps proof of play, durably, before the page hears that it is kept.
func (s *Server) browserPlayed(viewer string, p player.Play) error {
	_, err := s.register.add(viewer, []protocol.Play{{
		ID: p.ID, Start: p.Start, Trust: "server", Seconds: p.Length.Seconds(), Complete: p.Complete,
		Generation: p.Generation, Presentation: p.Presentation, Zone: p.Zone, Item: p.Item, Type: p.Type, Asset: p.Asset, Name: p.Name,
	}})
	return err
}

// browserFailed keeps what a browser couldn't show among what happened to it.
func (s *Server) browserFailed(viewer string, f player.Failure) {
	if f.Again {
		return
	}
	e := protocol.Event{ID: newID(), Name: "item-failed", At: time.Now().UTC(), Message: fmt.Sprintf("the page can't show %q: %s", f.Name, f.Reason)}
	if _, err := s.history.add(viewer, e); err != nil {
		s.log.Error("What happened to a browser can't be kept", "viewer", s.nameOf(viewer), "err", err)
	}
}

// browserStatus is a viewer that is a browser, with what is known of it.
func (s *Server) browserStatus(v Viewer) ViewerStatus {
	status := ViewerStatus{Viewer: v}
	if s.view == nil {
		return status
	}
	if known, ok := s.view.Status(v.ID); ok {
		status.Online, status.Pages, status.Heard, status.Reported = known.Pages > 0, known.Pages, known.Heard, known.Reported
	}
	return status
}

// refreshBrowsers has what was changed in the site's folder count at once.
func (s *Server) refreshBrowsers() {
	if s.view == nil {
		return
	}
	if err := s.view.Refresh(); err != nil {
		s.log.Error("The links of browsers can't be read", "err", err)
	}
}

// commandBrowser has a browser do something.
func (s *Server) commandBrowser(w http.ResponseWriter, v Viewer, c protocol.Command) {
	if s.view == nil {
		protocol.WriteProblem(w, http.StatusConflict, errNoView.Error())
		return
	}
	c.ID = newID()
	writeJSON(w, s.view.Do(v.ID, c))
}

var errNoView = errors.New("this server doesn't serve browsers; run it with --view, such as --view :443")

// postLink makes a link for the viewer whose name is in the path, with the host that stands in the body.
func (s *Server) postLink(w http.ResponseWriter, r *http.Request) {
	var host string
	if err := json.NewDecoder(io.LimitReader(r.Body, protocol.MaxMessage)).Decode(&host); err != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	if s.view == nil {
		protocol.WriteProblem(w, http.StatusConflict, errNoView.Error())
		return
	}
	v, key, err := s.site.MakeLink(r.PathValue("viewer"))
	if err != nil {
		protocol.WriteProblem(w, http.StatusConflict, err.Error())
		return
	}
	s.refreshBrowsers()
	s.log.Info("A link for a browser was made", "viewer", v.Name)
	made := MadeLink{Viewer: v, Link: s.view.Link(host, v.Name, key.Reveal()), Plain: s.config.Browsers.TLS == ""}
	if s.view.SiteCA() {
		made.CA = view.Fingerprint(s.site.ca.Raw)
	}
	writeJSON(w, made)
}

// MakeLink makes the key of a link by which a browser is the viewer called name. The viewer is a new one, or a browser that the site has, whose
// former link ends, and which is taken back if it was revoked.
func (s *Site) MakeLink(name string) (Viewer, protocol.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(rand.Text()[:linkKey])
	if err := protocol.CheckName(name); err != nil {
		return Viewer{}, protocol.Secret{}, err
	}
	viewers, err := s.Viewers()
	if err != nil {
		return Viewer{}, protocol.Secret{}, err
	}
	v := Viewer{ID: newID(), Name: name, Enrolled: time.Now().UTC().Truncate(time.Second)}
	for _, known := range viewers {
		switch {
		case known.Name != name && known.ID != name:
		case !known.Browser():
			return Viewer{}, protocol.Secret{}, fmt.Errorf("viewer %s is a device with an agent, which needs no link; give the browser another name", known.Name)
		default:
			v = known
			v.EndedLinks = append(slices.Clone(v.EndedLinks), v.Link)
			v.EndedLinks = v.EndedLinks[max(0, len(v.EndedLinks)-maxEndedLinks):]
			v.Revoked = time.Time{}
		}
	}
	v.Link = view.HashKey(key)
	return v, protocol.NewSecret(key), atomicfile.WriteJSON(s.viewerPath(v.ID), v, 0o600)
}

// links are those of all browsers.
func (s *Site) links() ([]view.Link, error) {
	viewers, err := s.Viewers()
	if err != nil {
		return nil, err
	}
	var links []view.Link
	for _, v := range viewers {
		switch {
		case !v.Browser():
		case v.admitted() != nil:
			links = append(links, view.Link{ID: v.ID, Name: v.Name, Ended: append(slices.Clone(v.EndedLinks), v.Link)})
		default:
			links = append(links, view.Link{ID: v.ID, Name: v.Name, Hash: v.Link, Ended: v.EndedLinks})
		}
	}
	return links, nil
}

// browserCertificate makes a certificate of the site's CA for browsers, which look at names and addresses.
func (s *Site) browserCertificate(names []string, addresses []net.IP) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := s.issueFor(names, addresses, s.record.Server, key.Public(), serverLife, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, s.ca.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
