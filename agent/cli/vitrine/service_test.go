package vitrine

import (
	"testing"

	"vitrine/agent/cli"
	"vitrine/platform/service"
)

func TestServiceExit(t *testing.T) {
	for state, want := range map[service.State]error{service.Running: nil, service.Stopped: cli.Code(3), service.Failed: cli.Code(3), service.NotInstalled: cli.Code(4)} {
		if got := serviceExit(state); got != want {
			t.Errorf("%s: %v, want %v", state, got, want)
		}
	}
}
