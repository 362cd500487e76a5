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
	name := r.FormValue("name")
	switch r.PathValue("what") {
	case "user", "vhost":
		return true // the certificate is of the site's CA
	case "resource":
		// The viewer's own queues, and the one exchange.
		return r.FormValue("resource") == "exchange" && name == "amq.topic" ||
			r.FormValue("resource") == "queue" && strings.HasPrefix(name, "mqtt-") && strings.Contains(name, "-"+viewer)
	case "topic":
		kind, own := strings.CutPrefix(r.FormValue("routing_key"), "vitrine.1.v."+viewer+".")
		return own && (r.FormValue("permission") == "read" || viewerWrites(kind))
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
