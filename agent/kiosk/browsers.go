package kiosk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A browser is a kind of browser: how it is found, and how it is told to be quiet.
type browser struct {
	name     string
	programs []string
	// arguments has it show a page, whose address comes behind them, full screen, with its profile in a folder.
	arguments func(profile string) []string
	// prepare writes what it needs into its profile; nil if it needs nothing.
	prepare func(profile string) error
	// environment are NAME=VALUE settings that it needs.
	environment []string
}

// chromiumArguments keep Chromium and its relatives from asking, updating, telling and remembering anything.
func chromiumArguments(profile string) []string {
	return append([]string{
		"--kiosk", "--user-data-dir=" + profile, pipeFlag,
		"--no-first-run", "--no-default-browser-check", "--noerrdialogs", "--disable-session-crashed-bubble", "--hide-crash-restore-bubble", "--disable-infobars",
		"--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--disable-sync", "--disable-breakpad",
		"--disable-crash-reporter", "--disable-hang-monitor", "--disable-domain-reliability", "--disable-client-side-phishing-detection", "--no-pings", "--metrics-recording-only",
		"--disable-features=Translate,MediaRouter,DialMediaRouteProvider,OptimizationHints,AutofillServerCommunication,CalculateNativeWinOcclusion,InterestFeedContentSuggestions",
		"--password-store=basic", "--ozone-platform-hint=auto", "--disable-pinch", "--overscroll-history-navigation=0", "--autoplay-policy=no-user-gesture-required",
		// The page plays on when something lies over it, and in a window that a display server thinks nobody sees.
		"--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows", "--disable-background-timer-throttling",
		// What the page needs is on this machine's disk already.
		"--disk-cache-size=1", "--renderer-process-limit=2",
	}, blackArguments...)
}

// firefoxPreferences do the same for Firefox.
const firefoxPreferences = `user_pref("browser.aboutConfig.showWarning", false);
user_pref("browser.cache.disk.enable", false);
user_pref("browser.sessionstore.resume_from_crash", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("app.update.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("media.autoplay.default", 0);
user_pref("dom.min_background_timeout_value", 4);
user_pref("toolkit.startup.max_resumed_crashes", -1);
`

// browsers are those that are known, the best first. Cog is first where it is: whoever has installed it has a small device.
var browsers = []browser{
	{name: "cog", programs: []string{"cog"}, arguments: func(string) []string {
		return []string{"--webprocess-failure=exit"}
	}},
	chromium("chromium", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"),
	chromium("edge", "msedge", "microsoft-edge-stable", "microsoft-edge"),
	{name: "firefox", programs: []string{"firefox-esr", "firefox"}, arguments: func(profile string) []string {
		return []string{"--kiosk", "--no-remote", "--profile", profile}
	}, prepare: func(profile string) error {
		return os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPreferences), 0o644)
	}},
}

// chromium is a browser of Chromium's kind.
func chromium(name string, programs ...string) browser {
	return browser{name: name, programs: programs, arguments: chromiumArguments, prepare: blacken, environment: []string{"GTK_THEME=" + blackTheme}}
}

// find is the browser that a setting names: "auto" for the first that is installed, a kind such as firefox, or the path of a program, which is of the kind that
// its name says, or else of Chromium's.
func find(setting string) (browser, string, error) {
	for _, b := range browsers {
		if setting != "auto" && setting != b.name {
			continue
		}
		for _, program := range append(b.programs, installed(b.name)...) {
			if path, err := exec.LookPath(program); err == nil {
				return b, path, nil
			}
		}
		if setting == b.name {
			return browser{}, "", fmt.Errorf("%s isn't installed (looked for %s); install it, or name another in kiosk.browser", b.name, strings.Join(b.programs, ", "))
		}
	}
	if setting == "auto" {
		return browser{}, "", fmt.Errorf("no browser is installed; install chromium, or name one in kiosk.browser")
	}
	path, err := exec.LookPath(setting)
	if err != nil {
		return browser{}, "", fmt.Errorf("kiosk.browser: %w", err)
	}
	base := strings.TrimSuffix(strings.ToLower(filepath.Base(path)), ".exe")
	i := slices.IndexFunc(browsers, func(b browser) bool { return slices.Contains(b.programs, base) })
	if i < 0 {
		i = slices.IndexFunc(browsers, func(b browser) bool { return b.name == "chromium" })
	}
	return browsers[i], path, nil
}

// installed are the places where Windows has its browsers, which aren't in its path.
func installed(name string) []string {
	if runtime.GOOS != "windows" {
		return nil
	}
	below := map[string]string{"edge": `Microsoft\Edge\Application\msedge.exe`, "chromium": `Google\Chrome\Application\chrome.exe`, "firefox": `Mozilla Firefox\firefox.exe`}[name]
	if below == "" {
		return nil
	}
	var paths []string
	for _, root := range []string{"ProgramFiles", "ProgramFiles(x86)"} {
		paths = append(paths, filepath.Join(os.Getenv(root), below))
	}
	return paths
}
