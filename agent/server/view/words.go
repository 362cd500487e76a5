package view

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
)

// words are a page that says something to whoever stands before the screen.
type words struct{ title, text string }

var (
	unknownLink = words{"This link leads nowhere", "Compare it with the one that \"vitrine-server viewers link NAME\" printed: every character counts."}
	endedLink   = words{"This link has ended", "The site has taken this screen out, or given it another link. A new one is made with \"vitrine-server viewers link NAME\" on the server."}
)

const style = "body{margin:0;min-height:100vh;display:grid;place-content:center;background:#0a0d12;color:#a9b4c2;font:2.6vmin/1.5 system-ui,sans-serif}" +
	"main{max-width:36em;padding:4vmin}h1{margin:0 0 .6em;font-weight:300;font-size:2.2em;line-height:1.15;color:#e9edf2}" +
	"a{color:#8fb9b2}code{font-size:.85em;overflow-wrap:anywhere;color:#e9edf2}"

// stylePolicy lets the pages of words have their one style, and nothing else.
var stylePolicy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// setHeaders forbids what no answer needs. No address that has a key in it is passed on.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex")
}

// tell answers with words.
func tell(w http.ResponseWriter, status int, say words) {
	writePage(w, status, say.title, "<p>"+html.EscapeString(say.text)+"</p>")
}

func writePage(w http.ResponseWriter, status int, title, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", stylePolicy)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	title = html.EscapeString(title)
	// An error means that the browser has gone.
	_, _ = io.WriteString(w, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>"+title+
		"</title><style>"+style+"</style><main><h1>"+title+"</h1>"+body+"</main></html>\n")
}

// serveDoor says what this is, and how a browser comes to believe it.
func (v *View) serveDoor(w http.ResponseWriter, _ *http.Request) {
	body := "<p>This server shows the screens of the site <b>" + html.EscapeString(v.cfg.Site) + "</b>. To have this browser be one of them, open its link: " +
		"<code>vitrine-server viewers link NAME</code> prints it on the server.</p>"
	if v.tls != nil && !v.certs.operators() {
		body += "<p>If the browser warns of the certificate: it is signed by the site's own CA, which browsers don't know. Have it believe <a href=\"/ca.crt\">this CA</a> " +
			"(on Android and Chromebooks under Security, Certificates; on a computer in the browser's settings for certificates), or give the server a certificate that browsers know, with " +
			"<code>--view-cert</code>. Compare its SHA-256 first with the one that <code>viewers link</code> prints: <code>" + Fingerprint(v.cfg.CA) + "</code></p>"
	}
	writePage(w, http.StatusOK, "Vitrine", body)
}

// serveCA gives the site's CA.
func (v *View) serveCA(w http.ResponseWriter, _ *http.Request) {
	if v.tls == nil || v.certs.operators() {
		tell(w, http.StatusNotFound, words{"No CA is needed", "This server's certificate is the operator's, or it has none."})
		return
	}
	w.Header().Set("Content-Type", "application/x-x509-ca-cert")
	w.Write(v.cfg.CA)
}

// SiteCA tells whether browsers are shown a certificate of the site's CA.
func (v *View) SiteCA() bool { return v.tls != nil && !v.certs.operators() }

// Fingerprint is the SHA-256 of a certificate, as browsers show it.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	var pairs []string
	for _, b := range sum {
		pairs = append(pairs, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(pairs, ":")
}

// workerOf is the service worker of a version of the page with those files.
func workerOf(version string, files []string) []byte {
	return fmt.Appendf(nil, "const VERSION = %q;\nconst FILES = %s;\n%s", version, quoted(files), workerCode)
}

// quoted is a list of file names as JavaScript has it.
func quoted(names []string) string {
	var list []string
	for _, name := range names {
		list = append(list, fmt.Sprintf("%q", name))
	}
	return "[" + strings.Join(list, ", ") + "]"
}
