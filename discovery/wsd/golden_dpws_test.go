package wsd

import "strings"

// The types of hosts and printers.
var (
	dpwsDevice = Name{devprof, "Device"}
	computer   = Name{"http://schemas.microsoft.com/windows/pub/2005/07", "Computer"}
	printing   = Name{"http://schemas.microsoft.com/windows/2006/08/wdp/print", "PrintDeviceType"}
	scanning   = Name{"http://schemas.microsoft.com/windows/2006/08/wdp/scan", "ScanDeviceType"}
)

// windowsMessages are those of Windows 10 hosts and of a printer that is made for them.
func windowsMessages() map[string]*Message {
	const (
		id   = "urn:uuid:29cf10da-5c41-4d55-b184-5ee15e38ce"
		path = ":5357/16a65700-007c-1000-bb49-00505600a001/"
	)
	sequence := func(number uint32) *Sequence {
		return &Sequence{2, "urn:uuid:369a7d7b-5f87-48a4-aa9a-189edf2a8701", number}
	}
	host := func(xaddrs ...string) []Endpoint {
		return []Endpoint{{
			EPR: "urn:uuid:16a65700-007c-1000-bb49-00505600a001", Types: []Name{dpwsDevice, computer}, XAddrs: xaddrs, MetadataVersion: 2,
		}}
	}
	printer := Endpoint{
		EPR:             "urn:uuid:00000000-0000-1000-8000-00c0ee0a1b2c",
		Types:           []Name{dpwsDevice, printing, scanning},
		XAddrs:          []string{"http://192.0.2.30:5357/WSDevice", "http://[fe80::2c0:eeff:fe0a:1b2c]:5357/WSDevice"},
		MetadataVersion: 86,
	}
	brief := printer
	brief.Types, brief.XAddrs = brief.Types[:2], brief.XAddrs[:1]
	list := map[string]*Message{
		"windows-hello":          {Action: Hello, MessageID: id + "01", Sequence: sequence(14), Endpoints: host()},
		"windows-bye":            {Action: Bye, MessageID: id + "02", Sequence: sequence(18), Endpoints: []Endpoint{{EPR: host()[0].EPR}}},
		"windows-probe":          {Action: Probe, MessageID: id + "03", Query: Query{Types: []Name{dpwsDevice, computer}}},
		"windows-probematches":   {Action: ProbeMatches, MessageID: id + "04", RelatesTo: id + "03", Sequence: sequence(15), Endpoints: host("http://192.0.2.20" + path)},
		"windows-resolve":        {Action: Resolve, MessageID: id + "05", Endpoints: []Endpoint{{EPR: host()[0].EPR}}},
		"windows-resolvematches": {Action: ResolveMatches, MessageID: id + "06", RelatesTo: id + "05", Sequence: sequence(16), Endpoints: host("http://[fe80::250:56ff:fe00:a001]" + path)},
		"windows-branchcache-probe": {Action: Probe, MessageID: id + "07", Query: Query{
			Types:   []Name{{"http://schemas.microsoft.com/p2p/2007/09/PeerDistributionDiscovery", "PeerDistData"}},
			Scopes:  []string{strings.Repeat("0A", 32), strings.Repeat("1B", 32)},
			MatchBy: RuleExact,
		}},
		"printer-hello":        {Action: Hello, MessageID: id + "08", Sequence: sequence(1), Endpoints: []Endpoint{printer}},
		"printer-probematches": {Action: ProbeMatches, MessageID: id + "09", RelatesTo: id + "03", Sequence: sequence(2), Endpoints: []Endpoint{brief}},
	}
	for _, m := range list {
		m.Version = Version2005
	}
	return list
}

// linuxMessages were captured from wsdd and wsdd2. Note that wsdd takes a new SequenceId for each message.
func linuxMessages() map[string]*Message {
	types := []Name{dpwsDevice, computer}
	const wsdd, wsdd2 = "urn:uuid:e5e61fb5-d685-5b50-9ba7-acb6e6962ef3", "urn:uuid:3d1219c7-c4c5-404a-aa1f-6d2a48adfda4"
	xaddrs := []string{"http://10.9.0.1:5357/" + wsdd[9:]}
	xaddrs2 := []string{"http://10.9.0.1:3702/" + wsdd2[9:]}
	const first, second = 1795468042, 1795468064
	sequence := func(id string, number uint32) *Sequence {
		return &Sequence{first, "urn:uuid:" + id + "-e781-11f1-821b-a63801cc7e32", number}
	}
	sequence2 := func(number uint32) *Sequence {
		return &Sequence{second, "urn:uuid:1fe26cf0-cbf8-5075-fed4-0ee031dc9dc3", number}
	}
	host2 := []Endpoint{{EPR: wsdd2, Types: types, MetadataVersion: 2}}
	reached2 := []Endpoint{{EPR: wsdd2, Types: types, XAddrs: xaddrs2, MetadataVersion: 2}}
	list := map[string]*Message{
		"wsdd-hello": {Action: Hello, MessageID: "urn:uuid:e07a9850-e781-11f1-821b-a63801cc7e32", Sequence: sequence("e07a99cc", 0),
			Endpoints: []Endpoint{{EPR: wsdd, XAddrs: xaddrs, MetadataVersion: 1}}},
		"wsdd-bye": {Action: Bye, MessageID: "urn:uuid:ebb92646-e781-11f1-821b-a63801cc7e32", Sequence: sequence("ebb92894", 3),
			Endpoints: []Endpoint{{EPR: wsdd}}},
		"wsdd-probe": {Action: Probe, MessageID: "urn:uuid:f2934898-e781-11f1-b9b9-a63801cc7e32", Query: Query{Types: types[:1]}},
		"wsdd-probematches": {Action: ProbeMatches, MessageID: "urn:uuid:eb1e2722-e781-11f1-821b-a63801cc7e32",
			RelatesTo: "urn:uuid:19d65ff6-4673-4b3f-8d95-63a59d02c813", Sequence: sequence("eb1e2a42", 1),
			Endpoints: []Endpoint{{EPR: wsdd, Types: types, MetadataVersion: 1}}},
		"wsdd-resolvematches": {Action: ResolveMatches, MessageID: "urn:uuid:ebb717fc-e781-11f1-821b-a63801cc7e32",
			RelatesTo: "urn:uuid:efbef388-ef56-466c-9fc5-dbfe41aa8b49", Sequence: sequence("ebb71ad6", 2),
			Endpoints: []Endpoint{{EPR: wsdd, Types: types, XAddrs: xaddrs, MetadataVersion: 1}}},
		"wsdd2-hello": {Action: Hello, MessageID: "urn:uuid:1c96272a-b82f-7c23-3e3c-42f7dae09e82", Sequence: sequence2(1), Endpoints: host2},
		"wsdd2-bye":   {Action: Bye, MessageID: "urn:uuid:3fe7f67e-b2bd-951c-a414-99567476a0fc", Sequence: sequence2(4), Endpoints: host2},
		"wsdd2-probematches": {Action: ProbeMatches, MessageID: "urn:uuid:4a6dc61d-fbae-e5af-9263-495428235e4e",
			RelatesTo: "urn:uuid:c2817329-37a5-40e8-a155-1d67dc00c47d", Sequence: sequence2(2), Endpoints: reached2},
		"wsdd2-resolvematches": {Action: ResolveMatches, MessageID: "urn:uuid:c4d0533e-55c2-1b3e-dabb-9265403de610",
			RelatesTo: "urn:uuid:59773723-e7f3-4439-9b36-0c5c37f5f5d4", Sequence: sequence2(3), Endpoints: reached2},
	}
	for _, m := range list {
		m.Version = Version2005
	}
	return list
}
