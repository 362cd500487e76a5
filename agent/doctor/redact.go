package doctor

import (
	"net/url"
	"regexp"
	"strings"
)

// redacted stands in place of a secret.
const redacted = "[redacted]"

var (
	// What is a secret by its look, wherever it stands.
	joinToken  = regexp.MustCompile(`vitrine1\.[^\s"'` + "`" + `\\]+`)
	userInfo   = regexp.MustCompile(`://[^\s/"'@]*(@[^\s/"'@]*)*@`)
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	// secretName is a setting whose value is a secret, also in a comment and in an inline table.
	secretName = regexp.MustCompile(`(?i)[\w."-]*(token|passw|passphrase|secret|psk|pin|(^|[^a-z])key)[\w."-]*\s*=`)
)

// leastSecret is the shortest value that is looked for everywhere: what is shorter would take harmless text with it.
const leastSecret = 4

// Redact takes secrets out of a text: those that are known by value, in whatever form a URL or JSON has them, and what looks like one.
func Redact(text string, secrets []string) string {
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), url.UserPassword("", s).String()[1:], strings.ReplaceAll(s, `"`, `\"`)} {
			if len(form) >= leastSecret {
				text = strings.ReplaceAll(text, form, redacted)
			}
		}
	}
	text = joinToken.ReplaceAllString(text, redacted)
	text = userInfo.ReplaceAllString(text, "://"+redacted+"@")
	return privateKey.ReplaceAllString(text, redacted)
}

// RedactSettings does the same to a settings file, and takes out the values of settings that are secrets by their name. It needn't be one
// that can be read: whoever asks for help may have made a mistake in it.
func RedactSettings(text string, secrets []string) string {
	var b strings.Builder
	end := "" // what a value that goes over several lines ends with
	for line := range strings.Lines(text) {
		if end != "" {
			if strings.Contains(line, end) {
				end = ""
			}
			continue
		}
		at := secretName.FindStringIndex(line)
		if at == nil {
			b.WriteString(line)
			continue
		}
		value := strings.TrimSpace(line[at[1]:])
		b.WriteString(line[:at[1]] + " " + redacted + "\n")
		for _, long := range []struct{ begin, end string }{{`"""`, `"""`}, {`'''`, `'''`}, {"[", "]"}} {
			if rest, ok := strings.CutPrefix(value, long.begin); ok && !strings.Contains(rest, long.end) {
				end = long.end
			}
		}
	}
	return Redact(b.String(), secrets)
}
