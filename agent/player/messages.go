package player

import (
	"encoding/json"
	"time"

	"vitrine/agent/schedule"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// The types of message. README.md says what each means.
const (
	typeHello     = "hello"
	typeStatus    = "status"
	typeProgramme = "programme"
	typeNext      = "next"
	typeIdentify  = "identify"
	typeReload    = "reload"
	typeTime      = "time"
	typeShown     = "shown"
	typeFailed    = "failed"
	typePlayed    = "played"
	typeNoted     = "noted"
	typeKept      = "kept"
	typeClock     = "clock"
	typePulse     = "pulse"
)

// messageVersion is the version of the protocol between agent and page.
const messageVersion = 1

// helloMessage is the first message on a connection.
type helloMessage struct {
	Type    string `json:"type"`
	Version int    `json:"version"`
	// Page is the version of the page that the agent serves now; a page with another one loads itself again.
	Page string `json:"page"`
	clocks
}

// clocks are what the agent's two clocks show.
type clocks struct {
	Now     millis `json:"now"`
	Playout millis `json:"playout"`
}

// The timelines that positions in playlists count by.
const (
	timelineCivil   = "civil"
	timelinePlayout = "playout"
)

// statusMessage is the State, for the set-up screen and the corner mark.
type statusMessage struct {
	Type string `json:"type"`
	State
	Connected bool `json:"connected"`
	// Faults is how many things are wrong, of which the viewer's status tells.
	Faults int `json:"faults"`
	// Trusted tells whether the agent's clock can be relied on.
	Trusted bool `json:"trusted"`
	// QR is the code as rows of modules, "1" for dark ones; none without a code.
	QR []string `json:"qr,omitempty"`
}

// programmeMessage is what is on.
type programmeMessage struct {
	Type         string        `json:"type"`
	Generation   digest.Digest `json:"generation"`
	Presentation string        `json:"presentation"`
	// Standby is set outside the operating hours, when there are no zones and the screen is to be dark.
	Standby bool `json:"standby,omitempty"`
	// Timezone is that of clocks that have none of their own.
	Timezone   string        `json:"timezone,omitempty"`
	Background string        `json:"background,omitempty"`
	Zones      []zoneMessage `json:"zones"`
	// Timeline is what Anchor and positions are of: timelinePlayout if the manifest has a group.
	Timeline string  `json:"timeline"`
	Anchor   millis  `json:"anchor"`
	Since    *millis `json:"since,omitempty"`
	Until    *millis `json:"until,omitempty"`
}

// zoneMessage is a zone and whether its position is a function of the clock.
type zoneMessage struct {
	manifest.Zone
	Timed bool `json:"timed"`
}

// identifyMessage puts a name on the screen.
type identifyMessage struct {
	Type    string  `json:"type"`
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// reloadMessage has a page load itself again.
type reloadMessage struct {
	Type string `json:"type"`
}

// timeMessage answers a page's question for the time.
type timeMessage struct {
	Type string `json:"type"`
	ID   int64  `json:"id"`
	clocks
}

// notedMessage tells that a play is known.
type notedMessage struct {
	Type string `json:"type"`
	Play string `json:"play"`
}

// pageMessage is any message from a page; which fields matter depends on Type.
type pageMessage struct {
	Type         string        `json:"type"`
	ID           int64         `json:"id"`
	Generation   digest.Digest `json:"generation"`
	Presentation string        `json:"presentation"`
	Zone         string        `json:"zone"`
	Index        int           `json:"index"`
	Asset        digest.Digest `json:"asset"`
	Since        millis        `json:"since"`
	Reason       string        `json:"reason"`
	// Play, Seconds and Complete are of an item that is over.
	Play     string  `json:"play"`
	Seconds  float64 `json:"seconds"`
	Complete bool    `json:"complete"`
	// The others are of the page's clock.
	RoundTrip float64 `json:"round_trip"`
	Spread    float64 `json:"spread"`
	Drift     float64 `json:"drift"`
	Error     float64 `json:"error"`
	pulse
}

// millis is a moment as a page counts it: milliseconds since the Unix epoch, with fractions down to the microsecond.
type millis time.Time

// MarshalJSON writes a number.
func (m millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Time(m).UnixMicro()) / 1000)
}

// UnmarshalJSON reads a number.
func (m *millis) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*m = millis(time.UnixMicro(int64(f * 1000)).UTC())
	return nil
}

// optional is t for a page, or nothing for the zero time.
func optional(t time.Time) *millis {
	if t.IsZero() {
		return nil
	}
	m := millis(t)
	return &m
}

// An identify is a name that is on the screens until a moment of the monotonic clock.
type identify struct {
	name  string
	until time.Time
}

func (p *Player) helloMessage() helloMessage {
	return helloMessage{Type: typeHello, Version: messageVersion, Page: p.web.version, clocks: p.clocks()}
}

// clocks reads both.
func (p *Player) clocks() clocks {
	return clocks{millis(p.cfg.Now()), millis(p.cfg.Playout())}
}

func (p *Player) statusMessage() statusMessage {
	return statusMessage{Type: typeStatus, State: p.state, Connected: p.state.connected(), Faults: p.faults, Trusted: p.cfg.Trusted(), QR: qrOf(p.state)}
}

func (p *Player) identifyMessage() identifyMessage {
	return identifyMessage{Type: typeIdentify, Name: p.identity.name, Seconds: max(0, time.Until(p.identity.until).Seconds())}
}

func (p *Player) programmeMessage() programmeMessage { return messageOf(p.current, p.current.state) }

// nextMessage is what comes on next, and when; there must be such a thing.
func (p *Player) nextMessage() programmeMessage {
	m := messageOf(p.current, *p.current.next)
	m.Type, m.Since = typeNext, optional(p.current.state.Until)
	return m
}

// messageOf is what a page is told of a programme at some state of its schedule.
func messageOf(p *programme, on schedule.State) programmeMessage {
	shown := p.Manifest.Presentations[on.Presentation]
	m := programmeMessage{
		Type:         typeProgramme,
		Generation:   p.Generation,
		Presentation: on.Presentation,
		Standby:      on.Standby,
		Timezone:     p.Manifest.Timezone,
		Background:   shown.Background,
		Zones:        []zoneMessage{},
		Timeline:     timelineCivil,
		Anchor:       millis(on.Anchor),
		Since:        optional(on.Since),
		Until:        optional(on.Until),
	}
	if p.grouped() {
		m.Timeline = timelinePlayout
	}
	for _, z := range shown.Zones {
		m.Zones = append(m.Zones, zoneMessage{z, schedule.Timed(z.Playlist)})
	}
	return m
}
