package protocol_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"vitrine/agent/protocol"
	"vitrine/discovery/wsd"
)

func TestTopics(t *testing.T) {
	viewer, kind, ok := protocol.ParseTopic(protocol.Topic("v1", protocol.KindDesired))
	if !ok || viewer != "v1" || kind != protocol.KindDesired {
		t.Errorf("%q %q %v", viewer, kind, ok)
	}
	for _, topic := range []string{
		"", "vitrine/1/v/", "vitrine/1/v/x", "vitrine/1/v/x/", "vitrine/1/v//reported", "vitrine/1/v/x/a/b",
		"vitrine/1/v/+/reported", "vitrine/1/v/x/#", "vitrine/1/v/x+/reported", "vitrine/2/v/x/reported", "$SYS/x",
	} {
		if viewer, kind, ok := protocol.ParseTopic(topic); ok {
			t.Errorf("%q was read as %q %q", topic, viewer, kind)
		}
	}
	if protocol.ViewerPublishes(protocol.KindDesired) || protocol.ViewerPublishes(protocol.KindCommand) || !protocol.ViewerPublishes(protocol.KindReported) {
		t.Error("who publishes what is mixed up")
	}
}

func TestContentURL(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.5:7237":       "https://10.0.0.5:7237/v1/enroll",
		"[fd00::5]:7237":      "https://[fd00::5]:7237/v1/enroll",
		"[fe80::5%eth0]:7237": "https://[fe80::5%25eth0]:7237/v1/enroll",
	} {
		got := protocol.ContentURL(addr, protocol.PathEnroll)
		u, err := url.Parse(got)
		if got != want || err != nil || u.Host != addr {
			t.Errorf("%s: %s, %v", addr, got, err)
		}
	}
}

func TestScopes(t *testing.T) {
	for _, want := range []protocol.Announced{
		{Site: "north", Role: protocol.RoleMain},
		{Site: "north", Role: protocol.RoleBackup, Name: "Kammer 3/b; ä%", Priority: 65535, Location: protocol.Location{"haus a", "2. Stock"}},
		{Site: "n", Name: "screen 12", MACs: []string{"02:11:22:33:44:55", "02:11:22:33:44:66"}},
	} {
		scopes := append([]string{"onvif://www.onvif.org/name/x", "vitrine://"}, want.Scopes()...)
		got, ok := protocol.ParseScopes(scopes)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", scopes, got, ok, want)
		}
		for _, s := range want.Scopes() {
			for _, scope := range []string{protocol.SiteScope(want.Site), protocol.LocationScope(want.Site, want.Location[:min(1, len(want.Location))])} {
				query := wsd.Query{Scopes: []string{scope}}
				if len(want.Location) > 0 && !query.Matches(wsd.Version11, wsd.Endpoint{Scopes: want.Scopes()}) {
					t.Errorf("%s doesn't match %s", scope, s)
				}
			}
		}
	}
	for _, scopes := range [][]string{nil, {"http://x/role/main"}, {"vitrine:///role/main"}, {"vitrine://No rth/role/main"}} {
		if got, ok := protocol.ParseScopes(scopes); ok {
			t.Errorf("%q: %+v", scopes, got)
		}
	}
	odd := []string{"vitrine://n/role/king", "vitrine://n/priority/-1", "vitrine://n/priority/x", "vitrine://n/name/%zz", "vitrine://n/name/%0a", "vitrine://n/location/a//b", "vitrine://n/location/a%2Fb", "vitrine://n/mac/02:11:22", "vitrine://n/mac/lobby", "vitrine://m/role/main"}
	if got, ok := protocol.ParseScopes(odd); !ok || !reflect.DeepEqual(got, protocol.Announced{Site: "n"}) {
		t.Errorf("%+v", got)
	}
}

func TestLocations(t *testing.T) {
	a, err := protocol.ParseLocation("building-a/floor 2/lobby")
	if err != nil || a.String() != "building-a/floor 2/lobby" {
		t.Fatal(a, err)
	}
	for other, want := range map[string]int{"": 0, "building-a": 1, "building-a/floor 2": 2, "building-a/floor 3/lobby": 1, "building-a/floor 2/lobby/left": 3, "b": 0} {
		b, err := protocol.ParseLocation(other)
		if err != nil || a.Shared(b) != want || b.Shared(a) != want {
			t.Errorf("%q: %d, %v; want %d", other, a.Shared(b), err, want)
		}
	}
	for _, bad := range []string{"/", "a/", "/a", "a//b", "a/../b", "a/\x00", "1/2/3/4/5/6/7/8/9"} {
		if l, err := protocol.ParseLocation(bad); err == nil {
			t.Errorf("%q is %q", bad, l)
		}
	}
}

// A secret must not come out of a program by any ordinary way, also from inside other values.
func TestSecretsDontPrint(t *testing.T) {
	token := protocol.NewJoinToken(protocol.Pin{1})
	secret := token.Secret.Reveal()
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("x", "secret", token.Secret, "token", token)
	marshalled, err := json.Marshal(map[string]any{"token": token, "secret": token.Secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(token), fmt.Sprintf("%v %+v %#v %s %q", token, token, token, token.Secret, token.Secret),
		fmt.Sprintf("%#v", &token.Secret), log.String(), string(marshalled),
	} {
		if strings.Contains(text, secret) {
			t.Errorf("the secret is shown: %s", text)
		}
	}
}

func TestJoinToken(t *testing.T) {
	token := protocol.NewJoinToken(protocol.Pin{1, 2, 3})
	got, err := protocol.ParseJoinToken("  " + token.Reveal() + "\r\n")
	if err != nil || got.CA != token.CA || got.ID != token.ID || !got.Secret.Equal(token.Secret) {
		t.Errorf("%+v, %v", got, err)
	}
	parts := strings.Split(token.Reveal(), ".")
	for _, bad := range []string{
		"", "vitrine1", strings.Join(parts[:3], "."), token.Reveal() + ".x", "vitrine2" + token.Reveal()[8:],
		strings.Join([]string{parts[0], parts[1][1:], parts[2], parts[3]}, "."), strings.Join([]string{parts[0], parts[1], "../x", parts[3]}, "."),
		strings.Join([]string{parts[0], parts[1], parts[2], ""}, "."),
	} {
		_, err := protocol.ParseJoinToken(bad)
		if err == nil {
			t.Errorf("%q was read", bad)
		} else if strings.Contains(err.Error(), parts[3]) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func FuzzParseJoinToken(f *testing.F) {
	f.Add(protocol.NewJoinToken(protocol.Pin{9}).Reveal())
	f.Fuzz(func(t *testing.T, s string) {
		token, err := protocol.ParseJoinToken(s)
		if err == nil && token.Reveal() != strings.TrimSpace(s) {
			t.Errorf("%q becomes %q", s, token.Reveal())
		}
	})
}

func TestDocumentsNameWhatIsWrong(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 63) + "1"
	for name, c := range map[string]struct {
		parse      func([]byte) error
		text, want string
	}{
		"desired":                 {parseWith(protocol.ParseDesired), `{"rev":1,"later":{"x":1},"manifest":{"digest":"` + digest + `","size":1,"signature":"s"}}`, ""},
		"desired without rev":     {parseWith(protocol.ParseDesired), `{}`, "rev"},
		"desired, half a ref":     {parseWith(protocol.ParseDesired), `{"rev":1,"manifest":{"size":1}}`, "manifest"},
		"desired, bad digest":     {parseWith(protocol.ParseDesired), `{"rev":1,"manifest":{"digest":"md5:1","size":1,"signature":"s"}}`, "digest"},
		"desired, wrong type":     {parseWith(protocol.ParseDesired), `{"rev":"1"}`, "rev"},
		"desired, odd role":       {parseWith(protocol.ParseDesired), `{"rev":1,"servers":[{"id":"a","role":"king"}]}`, "servers[0]"},
		"desired, no JSON":        {parseWith(protocol.ParseDesired), `{"rev":1`, "desired"},
		"desired, half an update": {parseWith(protocol.ParseDesired), `{"rev": 1, "update": {"size": 5}}`, "desired.update"},
		"desired, too large":      {parseWith(protocol.ParseDesired), strings.Repeat(" ", protocol.MaxMessage+1), "limit"},
		"command":                 {parseWith(protocol.ParseCommand), `{"id":"a","name":"refresh"}`, ""},
		"command without id":      {parseWith(protocol.ParseCommand), `{"name":"refresh"}`, "id"},
		"command with a novel":    {parseWith(protocol.ParseCommand), `{"name":"refresh","id":"` + strings.Repeat("a", 65) + `"}`, "64"},
		"result":                  {parseWith(protocol.ParseResult), `{"id":"a","state":"done"}`, ""},
		"result, unknown state":   {parseWith(protocol.ParseResult), `{"id":"a","state":"perhaps"}`, "perhaps"},
		"reported":                {parseWith(protocol.ParseReported), `{"name":"a","new":[1]}`, ""},
		"reported, wrong type":    {parseWith(protocol.ParseReported), `{"clock":{"offset":"1"}}`, "offset"},
		"presence, wrong type":    {parseWith(protocol.ParsePresence), `{"online":"yes"}`, "online"},
		"event":                   {parseWith(protocol.ParseEvent), `{"id":"a","name":"wake","message":"x"}`, ""},
	} {
		err := c.parse([]byte(c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
}

func parseWith[T any](parse func([]byte) (T, error)) func([]byte) error {
	return func(b []byte) error {
		_, err := parse(b)
		return err
	}
}

func TestProblem(t *testing.T) {
	answer := httptest.NewRecorder()
	protocol.WriteProblem(answer, http.StatusForbidden, "make a new token")
	if err := protocol.ReadProblem(answer.Result()); err == nil || err.Error() != "make a new token" {
		t.Errorf("error %v", err)
	}
	other := &http.Response{Status: "502 Bad Gateway", Header: http.Header{}, Body: http.NoBody}
	if err := protocol.ReadProblem(other); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("error %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "north-1", strings.Repeat("a", 63)} {
		if err := protocol.CheckSite(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "North", "-a", "a-", "a b", "a/b", strings.Repeat("a", 64)} {
		if protocol.CheckSite(bad) == nil {
			t.Errorf("site %q was taken", bad)
		}
	}
	for _, good := range []string{"Lobby, left", "Empfang Süd", strings.Repeat("ä", 64)} {
		if err := protocol.CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", " a", "a\n", "a\x1b[2J", strings.Repeat("a", 65)} {
		if protocol.CheckName(bad) == nil {
			t.Errorf("name %q was taken", bad)
		}
	}
}

func TestCheckPlayID(t *testing.T) {
	for id, good := range map[string]bool{
		"01ARZ3NDEKTSV4RRFFQ69G5FAV": true, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ": true,
		"": false, "8ZZZZZZZZZZZZZZZZZZZZZZZZZ": false, "01ARZ3NDEKTSV4RRFFQ69G5FA": false, "01ARZ3NDEKTSV4RRFFQ69G5FAU": false, "01arz3ndektsv4rrffq69g5fav": false,
		"01ARZ3NDEKTSV4UUUUQ69G5FAV": false, "01ARZ3NDEKTS\n4RRFFQ69G5FAV": false,
	} {
		if err := protocol.CheckPlayID(id); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}
