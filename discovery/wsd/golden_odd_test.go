package wsd

// transmitter and onvifDevice are the types of ONVIF cameras.
var (
	transmitter = Name{"http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"}
	onvifDevice = Name{"http://www.onvif.org/ver10/device/wsdl", "Device"}
)

// onvifMessages are those of a camera that declares each namespace it knows, of one that takes liberties, and of a client.
func onvifMessages() map[string]*Message {
	const id, request = "urn:uuid:4b454441-cee2-b1f2-5690-0014100e01", "uuid:2f3c9bd1-67c0-4d0e-9c53-0f4f4d8d3a01"
	const stem = "onvif://www.onvif.org/"
	camera := []Endpoint{{
		EPR:   "urn:uuid:4b454441-cee2-b1f2-5690-0014100e0001",
		Types: []Name{transmitter, onvifDevice},
		Scopes: []string{stem + "type/video_encoder", stem + "Profile/Streaming", stem + "Profile/T", stem + "hardware/CAM-1",
			stem + "name/Entrance%20left", stem + "location/"},
		XAddrs:          []string{"http://192.0.2.64/onvif/device_service", "http://[fe80::214:10ff:fe0e:1]/onvif/device_service"},
		MetadataVersion: 10,
	}}
	list := map[string]*Message{
		"onvif-camera-hello":        {Action: Hello, MessageID: id + "01", Sequence: &Sequence{1700000000, "", 1}, Endpoints: camera},
		"onvif-camera-probematches": {Action: ProbeMatches, MessageID: id + "02", RelatesTo: request, Sequence: &Sequence{1700000000, "", 2}, Endpoints: camera},
		"onvif-camera-bye":          {Action: Bye, MessageID: id + "03", Sequence: &Sequence{1700000000, "", 3}, Endpoints: camera},
		"onvif-cheap-camera-probematches": {Action: ProbeMatches, MessageID: request, RelatesTo: request, Endpoints: []Endpoint{{
			EPR:             "uuid:3fa1fe68-b915-4053-a3e1-c006c3af0002",
			Types:           []Name{transmitter},
			Scopes:          []string{stem + "name/IPC", stem + "location/country/china", "http:123", stem + "extension/unique_identifier"},
			XAddrs:          []string{"http://192.0.2.65:2020/onvif/device_service"},
			MetadataVersion: 1,
		}}},
		"npm-onvif-probe": {Action: Probe, MessageID: "urn:uuid:595de75f-df01-b036-3499-ca0c0c9375d5", Query: Query{Types: []Name{transmitter}}},
	}
	for _, m := range list {
		m.Version = Version2005
	}
	return list
}

// oddMessages each break a rule and mean well, but for the last, which is as the standard shows it.
func oddMessages() map[string]*Message {
	const gsoap, request = "urn:uuid:bd4a5b5b-6a08-1b2f-8a7c-52540000000", "urn:uuid:5ecd7f4c-ae7d-4c0e-9d9a-0e9dcb0e3c5a"
	// The prefixes of its types are declared nowhere.
	npm := []Endpoint{{
		EPR:             "urn:uuid:7e57c0de-0000-4000-8000-00000000d001",
		XAddrs:          []string{"http://10.9.0.1:7238/", "https://10.9.0.1:7237/"},
		MetadataVersion: 1,
	}}
	const milliseconds = 1<<32 - 1 // as far as they fit
	return map[string]*Message{
		"gsoap-hello": {Version: Version11, Action: Hello, MessageID: gsoap + "1", Sequence: &Sequence{0, "", 1},
			Endpoints: []Endpoint{{EPR: gsoap + "9", XAddrs: []string{"http://192.0.2.40/"}, MetadataVersion: 1<<32 - 1}}},
		"gsoap-probematches": {Version: Version11, Action: ProbeMatches, MessageID: gsoap + "2", RelatesTo: request, Sequence: &Sequence{0, "", 2},
			Endpoints: []Endpoint{{
				EPR: gsoap + "9", Types: []Name{vitrineServer}, Scopes: []string{"urn:a"}, XAddrs: []string{"http://192.0.2.40/"}, MetadataVersion: 1,
			}}},
		"npm-hello": {Version: Version11, Action: Hello, MessageID: "urn:uuid:987a770d-c208-47e3-bf7b-cd5a90ad39bc",
			Sequence: &Sequence{milliseconds, "", 1}, Endpoints: npm},
		"npm-probematches": {Version: Version11, Action: ProbeMatches, MessageID: "urn:uuid:7634060b-1d16-4fa6-a254-123bc5f68f2a",
			RelatesTo: "urn:uuid:0bac05b2-92b2-4219-aef0-ad213bba0d16", Sequence: &Sequence{milliseconds, "", 3}, Endpoints: npm},
		"mono-probe": {Version: Version2005, Action: Probe, MessageID: "uuid:6c3f1b1a-51a5-4f6e-8a0f-8b6b0c1d2e01",
			Query: Query{Types: []Name{{"http://tempuri.org/", "ISign"}}}},
		"proxy-suppression-hello": {Version: Version11, Action: Hello, MessageID: "urn:uuid:0a6dc791-2be6-4991-9af1-454778a19101",
			RelatesTo: request, Sequence: &Sequence{1077004800, "", 1}, Endpoints: []Endpoint{{
				EPR:             "urn:uuid:98190dc2-0890-4ef8-ac9a-5940995e6119",
				Types:           []Name{{vocabularies[Version11].discovery, "DiscoveryProxy"}},
				Scopes:          []string{"urn:site:a", "urn:site:b"},
				XAddrs:          []string{"http://proxy.example/discovery"},
				MetadataVersion: 75965,
			}}},
	}
}
