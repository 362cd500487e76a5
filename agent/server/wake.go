package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"

	"vitrine/agent/protocol"
	"vitrine/platform/network"
	"vitrine/platform/wake"
)

// maxHelpers is how many awake viewers are asked to send magic packets for one that sleeps.
const maxHelpers = 3

// A Woken is what was done to wake a viewer.
type Woken struct {
	Viewer string `json:"viewer"`
	// Online is true for one that had a session: it was told to leave standby, and no packet was sent.
	Online bool `json:"online"`
	// Sent says where this server has sent magic packets to, and By where awake viewers on its networks have, by name.
	Sent []string            `json:"sent,omitempty"`
	By   map[string][]string `json:"by,omitempty"`
	// Problems are what didn't work.
	Problems []string `json:"problems,omitempty"`
}

// noteLinks keeps by what network interfaces a viewer can be woken: when it sleeps it is too late to ask.
func (s *Server) noteLinks(viewer string, before, now protocol.Device) {
	if len(now.Links) == 0 || reflect.DeepEqual(before.Links, now.Links) {
		return
	}
	if v, err := s.site.Viewer(viewer); err != nil || reflect.DeepEqual(v.Device.Links, now.Links) {
		return
	}
	err := s.site.change(viewer, func(v *Viewer) error {
		v.Device.Links = now.Links
		return nil
	})
	if err != nil {
		s.log.Warn("It can't be kept how a viewer can be woken", "viewer", s.nameOf(viewer), "err", err)
	}
}

// postWake wakes a viewer: one with a session by a command, another by magic packets.
func (s *Server) postWake(w http.ResponseWriter, r *http.Request) {
	v, err := s.site.Viewer(r.PathValue("viewer"))
	if err != nil {
		protocol.WriteProblem(w, http.StatusNotFound, err.Error())
		return
	}
	done, err := s.wake(r.Context(), v, r.URL.Query().Get("password"))
	if err != nil {
		protocol.WriteProblem(w, http.StatusConflict, err.Error())
		return
	}
	writeJSON(w, done)
}

func (s *Server) wake(ctx context.Context, v Viewer, password string) (Woken, error) {
	done := Woken{Viewer: v.Name, By: map[string][]string{}}
	if s.fleet.get(v.ID).Presence.Online {
		result, err := s.command(ctx, v, protocol.Command{Name: protocol.CommandWake})
		if err == nil && result.State == protocol.ResultDone {
			done.Online = true
			return done, nil
		}
		// It may have fallen asleep a moment ago.
	}
	links := v.Device.Links
	if len(links) == 0 {
		for _, mac := range v.Device.MACs { // of a version that didn't say more
			links = append(links, protocol.Link{MAC: mac})
		}
	}
	if len(links) == 0 {
		return done, fmt.Errorf("viewer %s has never said which network interfaces it has; wake it by `vitrine wake MAC`, or `vitrine-server viewers wake-peer VIEWER MAC`", v.Name)
	}
	for _, link := range links {
		if err := s.wakeLink(ctx, link, password, &done); err != nil {
			done.Problems = append(done.Problems, err.Error())
		}
	}
	if len(done.Sent) == 0 && len(done.By) == 0 {
		return done, fmt.Errorf("no magic packet could be sent for viewer %s: %v", v.Name, done.Problems)
	}
	s.log.Info("A viewer is being woken", "viewer", v.Name, "sent", done.Sent, "by", done.By)
	return done, nil
}

// wakeLink sends magic packets for one network interface: from here, and by viewers that are on one of its networks.
func (s *Server) wakeLink(ctx context.Context, link protocol.Link, password string, done *Woken) error {
	mac, err := net.ParseMAC(link.MAC)
	if err != nil {
		return err
	}
	options := wake.SendOptions{Ports: []uint16{9, 7}}
	if password != "" {
		if options.Password, err = wake.ParsePassword(password); err != nil {
			return err
		}
	}
	sent, err := wake.Send(ctx, mac, options)
	for _, to := range sent {
		if !slices.Contains(done.Sent, to) {
			done.Sent = append(done.Sent, to)
		}
	}
	failures := []error{err}
	if err != nil && len(sent) > 0 {
		failures = nil // some of its networks can't be sent to
	}
	if near, err := reaches(link); err == nil && near {
		return errors.Join(failures...)
	}
	helpers, err := s.helpers(link)
	failures = append(failures, err)
	for _, h := range helpers {
		args, err := json.Marshal(map[string]string{"mac": link.MAC, "interface": h.link, "password": password})
		if err != nil {
			return err
		}
		result, err := s.command(ctx, h.viewer, protocol.Command{Name: protocol.CommandWakePeer, Args: args})
		var data struct{ Sent []string }
		switch {
		case err == nil && result.State == protocol.ResultFailed:
			failures = append(failures, fmt.Errorf("viewer %s: %s", h.viewer.Name, result.Error))
		case err != nil:
			failures = append(failures, err)
		case json.Unmarshal(result.Data, &data) == nil:
			done.By[h.viewer.Name] = append(done.By[h.viewer.Name], data.Sent...)
		}
	}
	return errors.Join(failures...)
}

// reaches tells whether this machine is on one of a link's networks itself. Link-local addresses say nothing of that.
func reaches(link protocol.Link) (bool, error) {
	for _, n := range link.Networks {
		if n.Addr().IsLinkLocalUnicast() {
			continue
		}
		if on, err := network.Connected(n.Addr()); err != nil || on {
			return on, err
		}
	}
	return false, nil
}

// A helper is an awake viewer, and its interface that is on the same network.
type helper struct {
	viewer Viewer
	link   string
}

// helpers are awake viewers on one of a link's networks.
func (s *Server) helpers(link protocol.Link) ([]helper, error) {
	viewers, err := s.site.Viewers()
	if err != nil {
		return nil, err
	}
	var list []helper
	for _, v := range viewers {
		if len(list) == maxHelpers || !s.fleet.get(v.ID).Presence.Online {
			continue
		}
		for _, l := range v.Device.Links {
			if l.MAC != link.MAC && shareNetwork(l.Networks, link.Networks) {
				list = append(list, helper{v, l.Name})
				break
			}
		}
	}
	return list, nil
}

// shareNetwork tells whether two interfaces are on one network. That both have link-local addresses, as every one has, says nothing.
func shareNetwork(a, b []netip.Prefix) bool {
	return slices.ContainsFunc(a, func(p netip.Prefix) bool {
		return !p.Addr().IsLinkLocalUnicast() && slices.ContainsFunc(b, func(q netip.Prefix) bool { return p.Masked() == q.Masked() })
	})
}

// Wake wakes a viewer, by id or name. password is a SecureOn password, or empty.
func (c *Control) Wake(ctx context.Context, viewer, password string) (Woken, error) {
	var done Woken
	path := "/viewers/" + url.PathEscape(viewer) + "/wake"
	if password != "" {
		path += "?password=" + url.QueryEscape(password)
	}
	err := c.do(ctx, http.MethodPost, path, nil, &done)
	return done, err
}
