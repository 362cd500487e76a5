package wsd

import (
	"fmt"
	"strings"
)

// wcfMessages are the twelve messages of a WCF service and client, alike in both versions.
func wcfMessages() map[string]*Message {
	list := make(map[string]*Message)
	id := func(n int) string { return fmt.Sprintf("urn:uuid:9af1a1f4-5f0e-4d4a-8b39-0f6e33a6ae%02x", n) }
	const address = "net.tcp://player-7:7237/Sign"
	brief := Endpoint{
		EPR:    address,
		Types:  []Name{{"http://tempuri.org/", "ISign"}},
		Scopes: []string{"ldap:///ou=floor1,o=exampleorg,c=us", "http://site.example/floor1"},
		XAddrs: []string{address},
	}
	full := brief
	full.XAddrs = []string{address, "http://player-7:8080/Sign", "http://192.0.2.7:8080/Sign"}
	add := func(v Version, m Message, n, number int) {
		m.Version, m.MessageID = v, id(n)
		if number > 0 {
			m.Sequence = &Sequence{InstanceID: 1287077525, MessageNumber: uint32(number)}
		}
		name, _, _ := strings.Cut(v.String(), "/")
		list["wcf-"+strings.ReplaceAll(name, ".", "")+"-"+strings.ToLower(m.Action.String())] = &m
	}
	for _, v := range []Version{Version11, Version2005} {
		add(v, Message{Action: Hello, Endpoints: []Endpoint{brief}}, 1, 1)
		add(v, Message{Action: Bye, Endpoints: []Endpoint{brief}}, 2, 4)
		add(v, Message{Action: Probe, Query: Query{Types: brief.Types, Scopes: []string{"http://site.example"}, MatchBy: RulePrefix}}, 3, 0)
		add(v, Message{Action: ProbeMatches, RelatesTo: id(3), Endpoints: []Endpoint{full}}, 4, 2)
		add(v, Message{Action: Resolve, Endpoints: []Endpoint{{EPR: address}}}, 5, 0)
		add(v, Message{Action: ResolveMatches, RelatesTo: id(5), Endpoints: []Endpoint{full}}, 6, 3)
	}
	return list
}
