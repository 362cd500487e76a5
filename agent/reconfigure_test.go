package agent

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"vitrine/agent/config"
)

// Every setting counts at once or from the next start on, and none is forgotten.
func TestEverySettingCounts(t *testing.T) {
	atOnce := []string{"Name", "Token", "Servers", "Location", "Labels", "Operating"}
	elsewhere := []string{"Log"} // in agent/cli
	renamed := map[string]string{"Zone": "timezone", "Reboot": "power"}
	fields := reflect.TypeFor[config.Config]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if slices.Contains(elsewhere, name) {
			continue
		}
		if _, ok := reflect.TypeFor[Config]().FieldByName(name); !ok {
			t.Errorf("the agent has no setting %s", name)
		}
		inFile := strings.ToLower(name)
		if other, ok := renamed[name]; ok {
			inFile = other
		}
		later := slices.ContainsFunc(atNextStart, func(p part) bool { return p.name == inFile })
		if slices.Contains(atOnce, name) == later {
			t.Errorf("%s counts at once and later, or never", name)
		}
	}
}
