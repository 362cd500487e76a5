package vitrine

import (
	"fmt"
	"strings"
	"testing"

	"vitrine/agent"
)

// Whoever asks for a viewer that nobody has seen is told whom there is, where names come from, and what else can be given.
func TestUnknownViewer(t *testing.T) {
	many := agent.Known{}
	for n := range 20 {
		many[fmt.Sprintf("screen-%02d", n)] = []string{"02:00:00:00:00:01"}
	}
	for want, known := range map[string]agent.Known{
		"has seen no viewer yet, so that none can be woken by name": {},
		"by name it can wake Hall, Lobby. Names":                    {"Lobby": {"02:00:00:00:00:01"}, "Hall": {"02:00:00:00:00:02"}},
		"screen-10, screen-11 and 8 more. Names":                    many,
	} {
		text := unknownViewer("nobody", known, nil).Error()
		for _, word := range []string{want, `"nobody"`, "vitrine discover --viewers", "02:11:22:33:44:55", "`vitrine-server viewers wake nobody`"} {
			if !strings.Contains(text, word) {
				t.Errorf("want %q in:\n%s", word, text)
			}
		}
		if strings.Contains(text, "[") {
			t.Error(text)
		}
	}
}
