package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"vitrine/content/digest"
)

// Desired is what the server wants of a viewer.
type Desired struct {
	// Rev grows with every change; a viewer reports the one it has.
	Rev int64 `json:"rev"`
	// Manifest is the programme to play; nil leaves what plays.
	Manifest *ManifestRef `json:"manifest,omitempty"`
	// Servers are the site's servers; empty leaves what the viewer knows.
	Servers []Server `json:"servers,omitempty"`
	// Update is the release of the viewer that it is to run; nil leaves what was wanted.
	Update *ReleaseRef `json:"update,omitempty"`
}

// ReleaseRef names a release of the viewer, and proves that its vendor made it. An empty one says that none is wanted.
type ReleaseRef struct {
	Digest digest.Digest `json:"digest,omitzero"`
	// Size is the length of the release's document in bytes.
	Size int64 `json:"size,omitempty"`
	// Signature is a detached JWS over the document's bytes, by a key of the vendor's.
	Signature string `json:"signature,omitempty"`
}

// ManifestRef names a manifest and proves that the site's publisher made it.
type ManifestRef struct {
	Digest digest.Digest `json:"digest"`
	// Size is the manifest's length in bytes.
	Size int64 `json:"size"`
	// Signature is a detached JWS over the manifest's bytes (RFC 7515, appendix F) by the site's publishing key.
	Signature string `json:"signature"`
}

// A Server is one server of the site.
type Server struct {
	ID string `json:"id"`
	// Role is RoleMain or RoleBackup.
	Role string `json:"role"`
	// Priority ranks servers of one role; the lowest is tried first.
	Priority int `json:"priority"`
	// Location is whom the server is for; empty for the whole site.
	Location Location `json:"location,omitempty"`
	// Addrs are "host:port" addresses of the session port, in the order to try.
	Addrs []string `json:"addrs,omitempty"`
	// HTTPS are "host:port" addresses of content, enrolment and renewal, in the order to try; empty means that they are at the
	// session's own address.
	HTTPS []string `json:"https,omitempty"`
	// NTP is the UDP port where the server answers SNTP; 0 means NTPPort.
	NTP uint16 `json:"ntp,omitempty"`
}

// ParseDesired reads and checks a `desired` message.
func ParseDesired(data []byte) (Desired, error) {
	var d Desired
	if err := decode("desired", data, &d); err != nil {
		return Desired{}, err
	}
	if d.Rev < 1 {
		return Desired{}, fmt.Errorf("desired.rev: %d is not a revision; it starts at 1", d.Rev)
	}
	if m := d.Manifest; m != nil && (m.Digest.IsZero() || m.Size < 1 || m.Signature == "") {
		return Desired{}, errors.New("desired.manifest: digest, size and signature are all required")
	}
	if u := d.Update; u != nil && *u != (ReleaseRef{}) && (u.Digest.IsZero() || u.Size < 1 || u.Signature == "") {
		return Desired{}, errors.New("desired.update: digest, size and signature are all required, or none of them")
	}
	for i, s := range d.Servers {
		if s.ID == "" || (s.Role != RoleMain && s.Role != RoleBackup) {
			return Desired{}, fmt.Errorf("desired.servers[%d]: id, and a role of %q or %q, are required", i, RoleMain, RoleBackup)
		}
	}
	return d, nil
}

// Reported is what a viewer says of itself. It is also, with nothing added yet, what the viewer answers on its loopback
// address under /v1/status.
type Reported struct {
	Viewer string `json:"viewer,omitempty"`
	Name   string `json:"name"`
	Site   string `json:"site,omitempty"`
	// Location is where the viewer is, as its settings say.
	Location Location `json:"location,omitempty"`
	// Labels are words by which it can be told from others, as its settings say.
	Labels  []string      `json:"labels,omitempty"`
	Rev     int64         `json:"rev"`
	Version string        `json:"version"`
	Started time.Time     `json:"started"`
	Session SessionStatus `json:"session"`
	Clock   ClockStatus   `json:"clock"`
	Content ContentStatus `json:"content"`
	// Schedule is absent while there is no programme.
	Schedule *ScheduleStatus `json:"schedule,omitempty"`
	// Plays is the proof of play that waits on the viewer's disk to be sent.
	Plays   PlaysStatus `json:"plays,omitzero"`
	Playing []Playing   `json:"playing"`
	// Browser is the one that the viewer runs; absent if it runs none.
	Browser *BrowserStatus `json:"browser,omitempty"`
	// Standby is absent while the viewer is awake in its operating hours.
	Standby *StandbyStatus `json:"standby,omitempty"`
	Display DisplayStatus  `json:"display,omitzero"`
	// Update is how far the viewer is with the release of itself that is wanted; absent if none is, and none ever ran.
	Update *UpdateStatus `json:"update,omitempty"`
	Faults []Fault       `json:"faults"`
	Device Device        `json:"device"`
}

// The states of a session.
const (
	StateSearching = "searching"
	StateEnrolling = "enrolling"
	// StatePending is that of a viewer that a person at the site must approve.
	StatePending    = "pending approval"
	StateConnecting = "connecting"
	StateConnected  = "connected"
	// StateDegraded is connected, but not to the server that it should be: to a backup, or to one that others come before.
	StateDegraded = "degraded"
	StateOffline  = "offline"
)

// SessionStatus is the state of the outbound session.
type SessionStatus struct {
	// State is one of the State constants.
	State string `json:"state"`
	// Server is the "host:port" that the viewer is connected or connecting to.
	Server string `json:"server,omitempty"`
	// Proxy is the "host:port" of the HTTP proxy through which it is; empty without one.
	Proxy string `json:"proxy,omitempty"`
	// Since is when the state was entered.
	Since time.Time `json:"since"`
	// Error is why the last try failed, or why the session is degraded, in a technician's words.
	Error string `json:"error,omitempty"`
	// Waiting is how many events and results wait on the viewer's disk to be sent, and Lost how many were given up since it was set
	// up, because too many waited.
	Waiting int    `json:"waiting,omitempty"`
	Lost    uint64 `json:"lost,omitempty"`
}

// Up tells whether there is a session.
func (s SessionStatus) Up() bool { return s.State == StateConnected || s.State == StateDegraded }

// ClockSource is what an NTP server says, as a viewer sees it.
type ClockSource struct {
	Server string `json:"server"`
	// Verdict says whether it is used, or why not.
	Verdict string `json:"verdict"`
	// Offset is what it says that the viewer's clock lacks, and Error the most by which it can be wrong, in seconds.
	Offset float64 `json:"offset"`
	Error  float64 `json:"error,omitempty"`
	// RTT is the round trip of the last exchange, in seconds, Stratum the server's distance from a reference clock, and Reach the last eight
	// questions as bits, 1 for one that was answered, the last one lowest.
	RTT     float64 `json:"rtt,omitempty"`
	Stratum int     `json:"stratum,omitempty"`
	Reach   int     `json:"reach"`
	// Poll is the time between questions, in seconds.
	Poll float64 `json:"poll"`
}

// ClockStatus is the state of the viewer's clock.
type ClockStatus struct {
	// Trust is unset, saved, rtc, server or ntp.
	Trust string `json:"trust"`
	// Offset is what the agent adds to the system clock to get the time, in seconds.
	Offset float64 `json:"offset"`
	// Error is the most by which the time can be wrong, in seconds, as long as the servers that it follows are right; 0 while it isn't measured.
	Error float64 `json:"error,omitempty"`
	// Frequency is by how much the machine's crystal is slow, in parts per million.
	Frequency float64 `json:"frequency_ppm,omitempty"`
	// Source is where the time comes from.
	Source string `json:"source,omitempty"`
	// System says whether the system clock is kept as well: "kept", or why not; empty if it isn't to be.
	System string `json:"system,omitempty"`
	// Sources are the NTP servers that are asked.
	Sources []ClockSource `json:"sources,omitempty"`
}

// ContentStatus is the state of the content on the viewer's disk.
type ContentStatus struct {
	// Generation is the digest of the active manifest.
	Generation digest.Digest `json:"generation"`
	// ID is that manifest's own id.
	ID        string    `json:"id,omitempty"`
	Activated time.Time `json:"activated,omitzero"`
	// Sync tells how far the fetch of a wanted generation is; nil while none is under way.
	Sync *SyncStatus `json:"sync,omitempty"`
}

// SyncStatus is the progress towards a wanted generation.
type SyncStatus struct {
	Wanted    digest.Digest `json:"wanted"`
	Files     int           `json:"files"`
	FilesDone int           `json:"files_done"`
	Bytes     int64         `json:"bytes"`
	BytesDone int64         `json:"bytes_done"`
	// Rate is how many bytes per second came in the last seconds, and Left how many seconds the rest takes at that rate; 0 if
	// that can't be said.
	Rate int64 `json:"rate,omitempty"`
	Left int64 `json:"left,omitempty"`
}

// PlaysStatus is how many plays wait to be sent, and how many were given up since the viewer was set up, because too many waited.
type PlaysStatus struct {
	Waiting int    `json:"waiting,omitempty"`
	Lost    uint64 `json:"lost,omitempty"`
}

// BrowserStatus is how the browser does that a viewer keeps on its screen.
type BrowserStatus struct {
	Running bool `json:"running"`
	// Paused is true while none is to run, so that the display can be off.
	Paused bool `json:"paused,omitempty"`
	// Program, PID and Since are of the one that runs.
	Program string    `json:"program,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// Starts is how often one was started since the agent was.
	Starts int `json:"starts"`
	// Memory is how many bytes it uses, and Limit how many it may; 0 if that can't be said.
	Memory int64 `json:"memory,omitempty"`
	Limit  int64 `json:"limit,omitempty"`
}

// ScheduleStatus is what the schedule says is on.
type ScheduleStatus struct {
	// Presentation is empty on standby.
	Presentation string `json:"presentation,omitempty"`
	// Event is the index in the manifest of the event that put it on; absent if none did.
	Event *int `json:"event,omitempty"`
	// Standby tells that it is outside the operating hours, and the screen is dark because it should be.
	Standby bool `json:"standby,omitempty"`
	// Since and Until are when it came on, and when something else does; absent if unknown.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// Why a viewer is on standby, or awake outside its operating hours.
const (
	// StandbyHours is that it is outside the operating hours, and StandbyAsked that somebody asked for it.
	StandbyHours = "hours"
	StandbyAsked = "asked"
	// OwnHours is whose hours they are if it isn't the programme that says so, but the viewer.
	OwnHours = "the viewer's own settings"
	// StandbyWoken is that it is awake, though it is outside the operating hours.
	StandbyWoken = "woken"
)

// StandbyStatus is whether a viewer is on standby, and why.
type StandbyStatus struct {
	// Active is false for one that was woken outside its operating hours.
	Active bool   `json:"active"`
	Why    string `json:"why"`
	// By is who asked for it or woke the viewer.
	By    string    `json:"by,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Until is the next start, or the end of the wake; absent if none is known.
	Until time.Time `json:"until,omitzero"`
}

// DisplayStatus is the state of the display.
type DisplayStatus struct {
	// State is on, off or unknown.
	State string `json:"state"`
	// Method is how it is switched; empty if the viewer has no way to.
	Method string `json:"method,omitempty"`
	// Error is why it couldn't be.
	Error string `json:"error,omitempty"`
}

// The states of a wanted release.
const (
	// UpdateFetching is that it isn't on disk yet, and UpdateWaiting that it waits for a moment at which the change isn't noticed.
	UpdateFetching = "fetching"
	UpdateWaiting  = "waiting"
	// UpdateTrial is that it runs and is to prove itself, UpdateKept that it has, and UpdateFailed that it has not: the one before runs.
	UpdateTrial  = "trial"
	UpdateKept   = "kept"
	UpdateFailed = "failed"
	// UpdateRefused is that this viewer doesn't try it.
	UpdateRefused = "refused"
)

// UpdateStatus is how far a viewer is with the release of itself that is wanted.
type UpdateStatus struct {
	// Release is the digest of the wanted one, and Version what it is called; empty until its document has been read.
	Release digest.Digest `json:"release,omitzero"`
	Version string        `json:"version,omitempty"`
	// State is one of the Update constants; empty if none is wanted.
	State string `json:"state,omitempty"`
	// Error is why it isn't kept, or can't be had.
	Error string `json:"error,omitempty"`
	// Installed is the version of the program that is installed, if a release runs in its place.
	Installed string `json:"installed,omitempty"`
}

// Playing is what is on in one zone.
type Playing struct {
	Zone         string        `json:"zone"`
	Presentation string        `json:"presentation"`
	Item         int           `json:"item"`
	Asset        digest.Digest `json:"asset,omitzero"`
	Name         string        `json:"name,omitempty"`
	Since        time.Time     `json:"since,omitzero"`
	// Shown is true if a page has said that it shows this, false if it only should be on.
	Shown bool `json:"shown"`
}

// FaultCloned is the code of the fault that another machine uses a viewer's identity.
const FaultCloned = "cloned"

// A Fault is something that a technician should know.
type Fault struct {
	// Code is a short stable word for machines.
	Code    string `json:"code"`
	Message string `json:"message"`
	// Since is when the fault began; what is said of it may have changed meanwhile.
	Since time.Time `json:"since"`
}

// Device is what machine a viewer is. Every field may be empty.
type Device struct {
	Hostname string `json:"hostname,omitempty"`
	OS       string `json:"os,omitempty"`
	Arch     string `json:"arch,omitempty"`
	Model    string `json:"model,omitempty"`
	Serial   string `json:"serial,omitempty"`
	// Fingerprint is a hash that differs between machines, to notice cloned disks.
	Fingerprint string   `json:"fingerprint,omitempty"`
	MACs        []string `json:"macs,omitempty"`
	// Links are the network interfaces by which others can reach it, and wake it.
	Links     []Link       `json:"links,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// A Link is a network interface of a viewer.
type Link struct {
	Name string `json:"name"`
	MAC  string `json:"mac"`
	// Networks are its addresses, with the lengths of their networks' prefixes.
	Networks []netip.Prefix `json:"networks,omitempty"`
}

// ParseReported reads a `reported` message.
func ParseReported(data []byte) (Reported, error) {
	var r Reported
	err := decode("reported", data, &r)
	return r, err
}

// Presence says whether a viewer is connected. The viewer's will carries the Online=false form.
type Presence struct {
	Online bool      `json:"online"`
	Since  time.Time `json:"since"`
	// Boot is new for every run of the agent, so that a late will of an earlier run can be told from the present one.
	Boot string `json:"boot"`
}

// ParsePresence reads a `presence` message.
func ParsePresence(data []byte) (Presence, error) {
	var p Presence
	err := decode("presence", data, &p)
	return p, err
}

// Names of the commands that this version knows.
const (
	CommandRefresh       = "refresh"
	CommandIdentify      = "identify"
	CommandRestartPlayer = "restart-player"
	CommandRestartAgent  = "restart-agent"
	CommandReboot        = "reboot"
	CommandPowerOff      = "poweroff"
	CommandWake          = "wake"
	CommandWakePeer      = "wake-peer"
	CommandLogs          = "logs"
	CommandRollback      = "rollback"
	CommandPurgeCache    = "purge-cache"
	CommandStandby       = "standby"
	CommandScreenshot    = "screenshot"
	CommandDoctor        = "doctor"
)

// A Command is something to be done once, and not too late: it carries a time of expiry, here, or as MQTT's message expiry, or both.
type Command struct {
	// ID is unique; a viewer runs each at most once.
	ID   string          `json:"id"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args,omitempty"`
	// Expires is when it must no longer be begun.
	Expires time.Time `json:"expires,omitzero"`
}

// ParseCommand reads and checks a `command` message.
func ParseCommand(data []byte) (Command, error) {
	var c Command
	if err := decode("command", data, &c); err != nil {
		return Command{}, err
	}
	if c.ID == "" || len(c.ID) > 64 || c.Name == "" {
		return Command{}, errors.New("command: name, and an id of at most 64 characters, are required")
	}
	return c, nil
}

// States of a Result.
const (
	ResultAccepted = "accepted"
	ResultDone     = "done"
	ResultFailed   = "failed"
)

// A Result answers a Command.
type Result struct {
	ID    string `json:"id"`
	State string `json:"state"`
	// Error says why, in words, if State is ResultFailed.
	Error string `json:"error,omitempty"`
	// Data is what came of it, for commands that have more to say than that they are done.
	Data json.RawMessage `json:"data,omitempty"`
}

// ParseResult reads and checks a `result` message.
func ParseResult(data []byte) (Result, error) {
	var r Result
	if err := decode("result", data, &r); err != nil {
		return Result{}, err
	}
	switch r.State {
	case ResultAccepted, ResultDone, ResultFailed:
		return r, nil
	}
	return Result{}, fmt.Errorf("result.state: %q is not a state", r.State)
}

// An Event is something that happened on a viewer.
type Event struct {
	ID string `json:"id"`
	// Name is a short stable word, such as "wake" or "generation".
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	// Message says it in words.
	Message string `json:"message"`
}

// ParseEvent reads an `event` message.
func ParseEvent(data []byte) (Event, error) {
	var e Event
	err := decode("event", data, &e)
	return e, err
}
