package wsd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What wsdd 0.7 sends in answer to a Probe: SOAP 1.2, draft of 2005, no transport addresses.
const wsddProbeMatches = `<?xml version="1.0" encoding="utf-8"?>` +
	`<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" ` +
	`xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof" ` +
	`xmlns:pub="http://schemas.microsoft.com/windows/pub/2005/07"><soap:Header>` +
	`<wsa:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</wsa:To>` +
	`<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</wsa:Action>` +
	`<wsa:MessageID>urn:uuid:0b0f2d6c-5d3d-11ee-9f3b-525400123456</wsa:MessageID>` +
	`<wsa:RelatesTo>urn:uuid:5ecd7f4c-ae7d-4c0e-9d9a-0e9dcb0e3c5a</wsa:RelatesTo>` +
	`<wsd:AppSequence InstanceId="1700000000" SequenceId="urn:uuid:6c1b2a30-5d3d-11ee-9f3b-525400123456" MessageNumber="0" />` +
	`</soap:Header><soap:Body><wsd:ProbeMatches><wsd:ProbeMatch>` +
	`<wsa:EndpointReference><wsa:Address>urn:uuid:aa5e2c4e-3b9a-5a8b-8e7f-1d2c3b4a5968</wsa:Address></wsa:EndpointReference>` +
	`<wsd:Types>wsdp:Device pub:Computer</wsd:Types><wsd:MetadataVersion>1</wsd:MetadataVersion>` +
	`</wsd:ProbeMatch></wsd:ProbeMatches></soap:Body></soap:Envelope>`

// The shape of WCF's answers: default namespaces, declarations on inner elements, mustUnderstand, a URL as endpoint
// reference, no SequenceId, a contract's name as type, several schemes.
const wcfProbeMatches = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>` +
	`<a:Action s:mustUnderstand="1">http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/ProbeMatches</a:Action>` +
	`<h:AppSequence InstanceId="1287077525" MessageNumber="1" xmlns:h="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01" xmlns="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01"/>` +
	`<a:MessageID>urn:uuid:9af1a1f4-5f0e-4d4a-8b39-0f6e33a6ae43</a:MessageID>` +
	`<a:RelatesTo>urn:uuid:3b6e4f7d-6b0c-4a4c-a5d9-c1a1c6b0d2e7</a:RelatesTo>` +
	`<a:To s:mustUnderstand="1">http://www.w3.org/2005/08/addressing/anonymous</a:To></s:Header>` +
	`<s:Body><ProbeMatches xmlns="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><ProbeMatch>` +
	`<a:EndpointReference><a:Address>net.tcp://player-7:7237/Calculator</a:Address></a:EndpointReference>` +
	`<d:Types xmlns:d="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01" xmlns:dp0="http://tempuri.org/">dp0:ICalculator</d:Types>` +
	`<Scopes>ldap:///ou=engineering,o=exampleorg,c=us http://site/floor1</Scopes>` +
	`<XAddrs>net.tcp://player-7:7237/Calculator http://player-7:8080/Calculator</XAddrs>` +
	`<MetadataVersion>0</MetadataVersion><Metadata xmlns="http://example.org/extension"><Types>x:y</Types></Metadata>` +
	`</ProbeMatch></ProbeMatches></s:Body></s:Envelope>`

// The shape of a WCF client's Probe, with its own extensions last.
const wcfProbe = `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>` +
	`<a:Action s:mustUnderstand="1">http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/Probe</a:Action>` +
	`<a:MessageID>urn:uuid:3b6e4f7d-6b0c-4a4c-a5d9-c1a1c6b0d2e7</a:MessageID>` +
	`<a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>` +
	`<a:To s:mustUnderstand="1">urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01</a:To></s:Header>` +
	`<s:Body><Probe xmlns="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01">` +
	`<d:Types xmlns:d="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01" xmlns:dp0="http://tempuri.org/">dp0:ICalculator</d:Types>` +
	`<Scopes MatchBy="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/rfc3986">http://site</Scopes>` +
	`<Duration xmlns="http://schemas.microsoft.com/ws/2008/06/discovery">PT20S</Duration></Probe></s:Body></s:Envelope>`

// gSOAP answers 1.1 in an envelope of SOAP 1.1 by default, with a newline after it.
const gsoapHello = `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:wsa5="http://www.w3.org/2005/08/addressing" xmlns:wsdd="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01"><SOAP-ENV:Header><wsa5:MessageID>urn:uuid:bd4a5b5b-6a08-1b2f-8a7c-525400123456</wsa5:MessageID><wsa5:To SOAP-ENV:mustUnderstand="1">urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01</wsa5:To><wsa5:Action SOAP-ENV:mustUnderstand="1">http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/Hello</wsa5:Action><wsdd:AppSequence InstanceId="0" MessageNumber="1"></wsdd:AppSequence></SOAP-ENV:Header><SOAP-ENV:Body><wsdd:Hello><wsa5:EndpointReference><wsa5:Address>urn:uuid:bd4a5b5b-6a08-1b2f-8a7c-525400000001</wsa5:Address></wsa5:EndpointReference><wsdd:XAddrs>http://10.0.0.3/</wsdd:XAddrs><wsdd:MetadataVersion>4294967295</wsdd:MetadataVersion></wsdd:Hello></SOAP-ENV:Body></SOAP-ENV:Envelope>
`

// Mono's client: byte order mark, types as {namespace}local, no To.
const monoProbe = "\ufeff" + `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>` +
	`<Action xmlns="http://schemas.xmlsoap.org/ws/2004/08/addressing">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</Action>` +
	`<MessageID xmlns="http://schemas.xmlsoap.org/ws/2004/08/addressing"> uuid:1 </MessageID></s:Header>` +
	`<s:Body><Probe xmlns="http://schemas.xmlsoap.org/ws/2005/04/discovery"><Types>{http://tempuri.org/}ITest</Types><Scopes/></Probe></s:Body></s:Envelope>`

func TestParseOthers(t *testing.T) {
	tests := map[string]struct {
		data string
		want *Message
	}{
		"wsdd answer": {wsddProbeMatches, &Message{
			Version: Version2005, Action: ProbeMatches,
			MessageID: "urn:uuid:0b0f2d6c-5d3d-11ee-9f3b-525400123456",
			RelatesTo: "urn:uuid:5ecd7f4c-ae7d-4c0e-9d9a-0e9dcb0e3c5a",
			Sequence:  &Sequence{1700000000, "urn:uuid:6c1b2a30-5d3d-11ee-9f3b-525400123456", 0},
			Endpoints: []Endpoint{{
				EPR:             "urn:uuid:aa5e2c4e-3b9a-5a8b-8e7f-1d2c3b4a5968",
				Types:           []Name{{devprof, "Device"}, {"http://schemas.microsoft.com/windows/pub/2005/07", "Computer"}},
				MetadataVersion: 1,
			}},
		}},
		"WCF answer": {wcfProbeMatches, &Message{
			Version: Version11, Action: ProbeMatches,
			MessageID: "urn:uuid:9af1a1f4-5f0e-4d4a-8b39-0f6e33a6ae43",
			RelatesTo: "urn:uuid:3b6e4f7d-6b0c-4a4c-a5d9-c1a1c6b0d2e7",
			Sequence:  &Sequence{InstanceID: 1287077525, MessageNumber: 1},
			Endpoints: []Endpoint{{
				EPR:    "net.tcp://player-7:7237/Calculator",
				Types:  []Name{{"http://tempuri.org/", "ICalculator"}},
				Scopes: []string{"ldap:///ou=engineering,o=exampleorg,c=us", "http://site/floor1"},
				XAddrs: []string{"net.tcp://player-7:7237/Calculator", "http://player-7:8080/Calculator"},
			}},
		}},
		"WCF probe": {wcfProbe, &Message{
			Version: Version11, Action: Probe,
			MessageID: "urn:uuid:3b6e4f7d-6b0c-4a4c-a5d9-c1a1c6b0d2e7",
			Query:     Query{Types: []Name{{"http://tempuri.org/", "ICalculator"}}, Scopes: []string{"http://site"}, MatchBy: RulePrefix},
		}},
		"gSOAP hello": {gsoapHello, &Message{
			Version: Version11, Action: Hello,
			MessageID: "urn:uuid:bd4a5b5b-6a08-1b2f-8a7c-525400123456",
			Sequence:  &Sequence{MessageNumber: 1},
			Endpoints: []Endpoint{{EPR: "urn:uuid:bd4a5b5b-6a08-1b2f-8a7c-525400000001", XAddrs: []string{"http://10.0.0.3/"}, MetadataVersion: 1<<32 - 1}},
		}},
		"Mono probe": {monoProbe, &Message{
			Version: Version2005, Action: Probe, MessageID: "uuid:1",
			Query: Query{Types: []Name{{"http://tempuri.org/", "ITest"}}},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

// The exact bytes matter: wsdd2 finds Action and MessageID by text search, wsdd compares "wsdp:Device" as text, WCF
// depends on the order.
func TestMarshalBytes(t *testing.T) {
	probe := &Message{
		Version: Version2005, Action: Probe, MessageID: "urn:uuid:1",
		Query: Query{Types: []Name{{devprof, "Device"}, {"urn:a&b", "T"}}, Scopes: []string{"http://x/?a&b", "urn:ü"}, MatchBy: RulePrefix},
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof" xmlns:t1="urn:a&amp;b"><soap:Header><wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</wsa:Action><wsa:MessageID>urn:uuid:1</wsa:MessageID><wsa:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</wsa:To></soap:Header><soap:Body><wsd:Probe><wsd:Types>wsdp:Device t1:T</wsd:Types><wsd:Scopes MatchBy="http://schemas.xmlsoap.org/ws/2005/04/discovery/rfc2396">http://x/?a&amp;b urn:ü</wsd:Scopes></wsd:Probe></soap:Body></soap:Envelope>`
	got, err := probe.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
}
