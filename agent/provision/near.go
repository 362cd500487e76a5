package provision

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"vitrine/agent/config"
)

// Bounds of the look for a file that was meant.
const (
	maxFolders = 100
	maxInside  = 1000
)

// nearMiss says what to do with a file that may well be the settings, but isn't where they are looked for; empty if there is none. The names are those at the
// root of the stick.
func nearMiss(root *os.Root, entries []fs.DirEntry) string {
	for _, e := range entries {
		if e.Type().IsRegular() && isMeant(e.Name()) {
			todo := "rename it to"
			if strings.HasSuffix(strings.ToLower(e.Name()), ".rtf") {
				todo = "save it as plain text, as"
			}
			return fmt.Sprintf("there is %.80q: %s %s", e.Name(), todo, config.FileName)
		}
	}
	folders := 0
	for _, e := range entries {
		if !e.IsDir() || isSystems(e.Name()) {
			continue
		}
		if folders++; folders > maxFolders {
			break
		}
		for _, inside := range list(root, e.Name(), maxInside) {
			if name := inside.Name(); inside.Type().IsRegular() && (strings.EqualFold(name, config.FileName) || isMeant(name)) {
				return fmt.Sprintf("there is %.80q: move it to the root of the stick, as %s", path.Join(e.Name(), name), config.FileName)
			}
		}
	}
	return ""
}

// list is what can be read of a folder.
func list(root *os.Root, name string, most int) []fs.DirEntry {
	dir, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(most)
	return entries
}

// isMeant tells whether a file's name looks like the settings' after a browser, an editor or a copy has changed it.
func isMeant(name string) bool {
	lower := strings.ToLower(name)
	return !isSystems(name) && strings.Contains(lower, "vitrine") && strings.Contains(lower, "toml") || lower == "vitrine.txt" || lower == "vitrine"
}

// isSystems tells whether a name is one that a computer gives to what people don't see, such as thrown-away files.
func isSystems(name string) bool { return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "$") }
