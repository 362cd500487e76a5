package proxy

import "strings"

// Environment is what the environment says, by HTTPS_PROXY and NO_PROXY or their forms in lower case: a proxy's URL, which is
// not checked yet, and what it isn't for. HTTP_PROXY and ALL_PROXY mean nothing here. getenv is os.Getenv. Entries of NO_PROXY
// that can't be read are left out, as every other program does.
func Environment(getenv func(string) string) (proxy string, exempt []string) {
	either := func(name string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return getenv(strings.ToLower(name))
	}
	for s := range strings.SplitSeq(either("NO_PROXY"), ",") {
		if s = strings.TrimSpace(s); s != "" && CheckExempt(s) == nil {
			exempt = append(exempt, s)
		}
	}
	return either("HTTPS_PROXY"), exempt
}
