package agent

import "net/http"

// ContentTransport is what carries the agent's requests for content.
func (a *Agent) ContentTransport() http.RoundTripper { return a.contentTransport() }
