package wsd

import "testing"

// What each datagram costs: a Probe and an answer as our programs send them, each message of others, and the hostile ones.
func BenchmarkParse(b *testing.B) {
	run := func(name string, data []byte) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				Parse(data)
			}
		})
	}
	run("probe", readGolden(b, "ours-1.1-probe"))
	run("probematches", readGolden(b, "ours-1.1-probematches"))
	for _, name := range []string{"wcf-11-probe", "wcf-11-probematches", "windows-probe", "wsdd-probematches", "onvif-camera-probematches"} {
		run(name, readGolden(b, name))
	}
	for name, data := range hostileDatagrams(b) {
		run("hostile-"+name, data)
	}
}

// The target of a Vitrine server against a viewer's query, and the most costly lists of scopes.
func BenchmarkMatch(b *testing.B) {
	run := func(name string, m match) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.query.Matches(Version11, m.target)
			}
		})
	}
	ours := ourMessages(Version11)
	run("all", match{ours["probe-all"].Query, ours["hello"].Endpoints[0]})
	run("probe", match{ours["probe"].Query, ours["hello"].Endpoints[0]})
	for name, m := range hostileMatches() {
		run("hostile-"+name, m)
	}
}

func BenchmarkMarshal(b *testing.B) {
	ours := ourMessages(Version11)
	for _, name := range []string{"probe", "probematches"} {
		data := readGolden(b, "ours-1.1-"+name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				ours[name].Marshal()
			}
		})
	}
}
