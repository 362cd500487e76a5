package protocol_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"vitrine/agent/protocol"
)

func TestSecretsIn(t *testing.T) {
	type inner struct {
		Key  protocol.Secret
		Zone *time.Location
	}
	token := protocol.NewJoinToken(protocol.Pin{1})
	v := struct {
		Token *protocol.JoinToken
		None  *protocol.JoinToken
		List  []inner
		Map   map[string]*inner
		Empty protocol.Secret
		Log   *slog.Logger
		F     func()
		Any   any
	}{Token: &token, List: []inner{{Key: protocol.NewSecret("a"), Zone: time.UTC}}, Map: map[string]*inner{"x": {Key: protocol.NewSecret("b")}}, Log: slog.Default()}
	got := protocol.SecretsIn(v)
	if want := []string{token.Secret.Reveal(), "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
