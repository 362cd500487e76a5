package kiosk

import (
	"os"
	"path/filepath"
)

// Until its page is painted a browser shows a window of its own colour, which for seconds would be a white flash on a wall in a dark shop. Chromium takes that colour
// from GTK's theme, once its profile says so: theirs is one in which everything is black, and which is found in the home that the browser is given.
const (
	blackTheme       = "vitrine-black"
	blackStyle       = "* { background: #000; color: #fff; }\n"
	blackPreferences = `{"extensions":{"theme":{"system_theme":1}}}` // SystemTheme::kGtk
)

// blackArguments are for a Chromium without GTK, as on Windows: there its window is dark grey. Pages must not become dark by that, nor by the theme: with or without
// them they are told that light is preferred (blink::mojom::PreferredColorScheme::kLight), as by a machine on which nobody has said anything. So, it seems, is
// Chromium's first, empty document: at about one start in five something white flashes for less than half a second, and without that argument it never did.
var blackArguments = []string{"--force-dark-mode", "--blink-settings=preferredColorScheme=1"}

// blacken writes the theme, and that it is wanted, into a profile of Chromium's.
func blacken(profile string) error {
	theme := filepath.Join(profile, ".themes", blackTheme)
	for file, text := range map[string]string{
		filepath.Join(theme, "gtk-3.0", "gtk.css"):       blackStyle,
		filepath.Join(theme, "gtk-4.0", "gtk.css"):       blackStyle,
		filepath.Join(profile, "Default", "Preferences"): blackPreferences,
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
