package remote

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	one := func(title, summary string) Feed { return Feed{Title: "News", Entries: []Entry{{title, summary}}} }
	rss := func(item string) string {
		return `<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>` + item + `</channel></rss>`
	}
	for _, c := range []struct {
		name, data string
		want       Feed
		err        string
	}{
		{"RSS 2.0", rss(`<item><title>One</title><description>First</description></item>`), one("One", "First"), ""},
		{"RSS 1.0", `<rdf:RDF xmlns:rdf="x" xmlns="http://purl.org/rss/1.0/"><channel><title>News</title></channel><item rdf:about="x"><title>One</title></item></rdf:RDF>`, one("One", ""), ""},
		{"Atom", `<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title><entry><title type="html">A &amp;amp; B</title><summary>First</summary><content>Rest</content></entry></feed>`, one("A & B", "First"), ""},
		{"Atom with content alone", `<feed><title>News</title><entry><title>One</title><content type="xhtml"><div><p>a</p><p>b</p></div></content></entry></feed>`, one("One", "a b"), ""},
		{"Atom with a prefix", `<atom:feed><atom:title>News</atom:title><atom:entry><atom:title>One</atom:title></atom:entry></atom:feed>`, one("One", ""), ""},
		{"markup", rss(`<item><title><![CDATA[<b>One</b> &euro; 5 < 6 &#x2014; &#8364;]]></title><description>&lt;p&gt;a&lt;br/&gt;b&lt;/p&gt;&lt;script&gt;x</description></item>`), one("One € 5 < 6 — €", "a b x"), ""},
		{"markup that isn't escaped", rss(`<item><title>One<br>two</title><description><p>a<p>b</description></item>`), one("One two", "a b"), ""},
		{"an ampersand alone", rss(`<item><title>R&D</title></item>`), one("R&D", ""), ""},
		{"elements of others", rss(`<item><title>One</title><media:title>Two</media:title><media:content><media:description>x</media:description></media:content></item>`), one("One", ""), ""},
		{"picture of the channel", rss(`<image><title>Logo</title></image><item><title>One</title></item>`), one("One", ""), ""},
		{"no title", rss(`<item><description>Words</description></item><item><link>x</link></item>`), one("Words", ""), ""},
		{"white space", rss("<item><title>\n a\t b\u00a0c\u200b\u202e </title></item>"), one("a b c", ""), ""},
		{"ISO 8859-1", "<?xml version='1.0' encoding='ISO-8859-1'?><rss><channel><title>News</title><item><title>caf\xe9 \x80</title></item></channel></rss>", one("café €", ""), ""},
		{"cut off", rss(`<item><title>One</title></item><item><title>Tw`)[:120], one("One", ""), ""},
		{"long", rss(`<item><title>` + strings.Repeat("word ", 100) + `</title></item>`), one(strings.Repeat("word ", 58)+"word…", ""), ""},

		{"a page", `<!doctype html><html><head><title>Log in</title></head></html>`, Feed{}, "neither RSS nor Atom"},
		{"nothing", ``, Feed{}, "neither RSS nor Atom"},
		{"no news", rss(``), Feed{}, "no news"},
		{"JSON", `{"items": []}`, Feed{}, "neither"},
		{"another encoding", `<?xml version="1.0" encoding="Shift_JIS"?><rss/>`, Feed{}, "Shift_JIS"},
		{"too deep", rss(strings.Repeat("<x>", 200)), Feed{}, "too deeply"},
	} {
		got, err := parse([]byte(c.data))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
}

// A feed of any length costs no more than what a screen shows.
func TestParseStopsInTime(t *testing.T) {
	got, err := parse([]byte("<rss><channel>" + strings.Repeat("<item><title>x</title></item>", 10*maxEntries)))
	if err != nil || len(got.Entries) != maxEntries {
		t.Errorf("%d entries, %v", len(got.Entries), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<rss><channel><title>News</title><item><title>A &amp; <![CDATA[<b>]]></title><description>&#65;</description></item></channel></rss>`))
	f.Add([]byte(`<feed><entry><title>x</title><content><div>y</content></entry></feed>`))
	f.Add([]byte("<?xml version='1.0' encoding='ISO-8859-1'?><RDF><item><title>\xe9</title></item></RDF>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		feed, err := parse(data)
		if (err == nil) != (len(feed.Entries) > 0) || len(feed.Entries) > maxEntries {
			t.Fatalf("%d entries, %v", len(feed.Entries), err)
		}
		check := func(s string, most int) {
			if !utf8.ValidString(s) || utf8.RuneCountInString(s) > most || strings.ContainsFunc(s, unicode.IsControl) {
				t.Fatalf("%q", s)
			}
		}
		check(feed.Title, maxTitle)
		for _, e := range feed.Entries {
			check(e.Title, maxTitle)
			check(e.Summary, maxSummary)
			if e.Title == "" {
				t.Fatal("no title")
			}
		}
	})
}
