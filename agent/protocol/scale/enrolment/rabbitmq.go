package main

import (
	"io"
	"net/http"
	"strings"
)

// rabbitmq answers the questions of RabbitMQ's plugin rabbitmq_auth_backend_http: may this user do that? Who the user is, the TLS
// certificate has shown. The broker writes topics with dots, and caches the answers.
func (s *service) rabbitmq(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	user := r.FormValue("username")
	answer := "deny"
	switch {
	case user == "backend":
		answer = "allow"
	case !s.isRevoked(user) && s.viewerMay(r, user):
		answer = "allow"
	}
	_, _ = io.WriteString(w, answer) // the broker asks again if it has gone
}

func (s *service) viewerMay(r *http.Request, viewer string) bool {
	switch r.PathValue("what") {
	case "user", "vhost":
		return true // the certificate is of the site's CA
	case "resource":
		return viewerUses(r.FormValue("resource"), r.FormValue("name"), viewer)
	case "topic":
		kind, own := strings.CutPrefix(r.FormValue("routing_key"), "vitrine.1.v."+viewer+".")
		return own && (r.FormValue("permission") == "read" || viewerWrites(kind))
	}
	return false
}

// viewerUses tells what a viewer may use inside the broker: the exchange of all topics, the one by which a delayed will goes back to it, and
// its own queues, for its session and for its will.
func viewerUses(kind, name, viewer string) bool {
	switch kind {
	case "exchange":
		return name == "amq.topic" || name == "amq.default"
	case "queue":
		return name == "mqtt-subscription-"+viewer+"qos0" || name == "mqtt-subscription-"+viewer+"qos1" || name == "mqtt-will-"+viewer
	}
	return false
}

// viewerWrites tells what a viewer may publish below its prefix; results also go to topics below "result", where commands ask for that.
func viewerWrites(kind string) bool {
	switch kind {
	case "reported", "presence", "result", "event", "plays":
		return true
	}
	return strings.HasPrefix(kind, "result.")
}
