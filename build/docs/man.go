package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// manual is a program's manual page, in the language of man(7).
func manual(list []page, files [][2]string, made edition) string {
	var b strings.Builder
	program := list[0].command
	fmt.Fprintf(&b, ".TH %s 1 %s \"Vitrine %s\"\n.nh\n.ad l\n", strings.ToUpper(program.Name), made.date, made.version)
	_, purpose, _ := strings.Cut(program.Summary, " is the ")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(program.Name), roff(strings.TrimSuffix(purpose, ".")))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH COMMANDS\n", roff(program.Name))
	for _, p := range list {
		if p.command.Commands == nil {
			writeCommand(&b, p)
		}
	}
	b.WriteString(".SH FILES\n")
	for _, f := range files {
		fmt.Fprintf(&b, ".TP\n.I %s\n%s\n", roff(f[0]), roff(f[1]))
	}
	b.WriteString(".SH EXIT STATUS\n0 if it was done, 2 if the command line can't be understood, and 1 if anything else went wrong, where nothing else is said above.\n")
	return b.String()
}

func writeCommand(b *strings.Builder, p page) {
	fmt.Fprintf(b, ".SS %s %s\n%s\n", roff(p.path), roff(p.command.Usage), roff(sentence(p.command.Summary)))
	if p.command.Help != "" {
		fmt.Fprintf(b, ".PP\n%s\n", prose(p.command.Help))
	}
	for _, o := range p.options {
		fmt.Fprintf(b, ".TP\n.B %s\n", roff(strings.TrimSpace("--"+o.name+" "+strings.ToUpper(o.kind))))
		usage := sentence(o.usage)
		if o.standard != "" {
			usage += " Default: " + o.standard + "."
		}
		b.WriteString(roff(usage) + "\n")
	}
}

// settingsManual is the manual page of vitrine.toml: the file with all settings, as it is.
func settingsManual(settings string, made edition) string {
	return fmt.Sprintf(`.TH VITRINE.TOML 5 %s "Vitrine %s"
.nh
.ad l
.SH NAME
vitrine.toml \- settings of a signage viewer
.SH SYNOPSIS
.I /etc/vitrine/vitrine.toml
.SH DESCRIPTION
The settings of
.BR vitrine (1),
in TOML. Here are all of them, each with an example; every one may be left out.
.PP
.nf
%s.fi
.SH SEE ALSO
.BR vitrine (1)
`, made.date, made.version, lines(settings))
}

// prose writes a text of paragraphs; lines that begin with a space stay as they are.
func prose(text string) string {
	var b strings.Builder
	kept := false
	for line := range strings.SplitSeq(text, "\n") {
		keep := strings.HasPrefix(line, " ")
		switch {
		case keep && !kept:
			b.WriteString(".nf\n")
		case !keep && kept:
			b.WriteString(".fi\n")
		}
		kept = keep
		if line == "" {
			b.WriteString(".PP\n")
			continue
		}
		b.WriteString(roff(line) + "\n")
	}
	if kept {
		b.WriteString(".fi\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// lines writes a text line by line.
func lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(roff(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}

// roff writes a line of text so that nothing in it is a request, and that what is copied from it can be typed.
func roff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "…", "...").Replace(line)
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	return line
}

// sentence begins a text with a capital and ends it with a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if text = string(unicode.ToUpper(first)) + text[size:]; !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
