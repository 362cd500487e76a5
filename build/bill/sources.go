package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// A program is one of ours, for one platform, with what was linked into it.
type program struct {
	path, sum string
	modules   []module
}

// A module is foreign source: its licences by their SPDX names, and their texts.
type module struct {
	path, version string
	licences      []string
	texts         []string
}

// sources is where the source of modules is, and that of Go itself.
type sources struct{ modules, root string }

// read finds out what is in a program.
func (s sources) read(path string) (program, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return program{}, err
	}
	sum := sha256.Sum256(data)
	p := program{path: filepath.ToSlash(path), sum: hex.EncodeToString(sum[:])}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return program{}, err
	}
	standard, err := licensed(module{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}, s.root)
	if err != nil {
		return program{}, err
	}
	p.modules = append(p.modules, standard)
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		m, err := licensed(module{path: d.Path, version: d.Version}, filepath.Join(s.modules, escaped(d.Path)+"@"+escaped(d.Version)))
		if err != nil {
			return program{}, err
		}
		p.modules = append(p.modules, m)
	}
	return p, nil
}

// escaped is a module's path as its folder has it: a capital is an exclamation mark and the small letter.
func escaped(path string) string {
	var b strings.Builder
	for _, r := range path {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// licensed adds the licences that lie in a module's folder. One without any, or with one that isn't known, is not to be shipped.
func licensed(m module, folder string) (module, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return m, err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		licence := slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "EDL"}, func(start string) bool { return strings.HasPrefix(name, start) })
		if e.IsDir() || !licence && !strings.HasPrefix(name, "NOTICE") && !strings.HasPrefix(name, "PATENTS") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return m, err
		}
		m.texts = append(m.texts, strings.TrimSpace(string(text)))
		if !licence {
			continue
		}
		id := identify(string(text))
		if id == "" {
			return m, fmt.Errorf("%s: %s is a licence that build/bill doesn't know", m.path, e.Name())
		}
		m.licences = append(m.licences, id)
	}
	if m.licences == nil {
		return m, fmt.Errorf("%s: there is no licence in %s", m.path, folder)
	}
	return m, nil
}

// known are licences by a few of their words, the more special ones first.
var known = []struct{ id, words string }{
	{"EPL-2.0", "Eclipse Public License - v 2.0"},
	{"MPL-2.0", "Mozilla Public License"},
	{"Apache-2.0", "Apache License"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
	{"ISC", "Permission to use, copy, modify, and distribute this software for any purpose"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose"},
	{"Zlib", "This software is provided 'as-is', without any express or implied warranty"},
	{"BSD-3-Clause", "may be used to endorse or promote products derived from"},
	{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
}

// identify is the SPDX name of a licence; empty if it isn't known.
func identify(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, l := range known {
		if strings.Contains(strings.ToLower(text), strings.ToLower(l.words)) {
			return l.id
		}
	}
	return ""
}

// modulesOf are the modules of several programs, each once.
func modulesOf(programs []program) []module {
	var all []module
	for _, p := range programs {
		all = append(all, p.modules...)
	}
	slices.SortFunc(all, func(a, b module) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.version, b.version)) })
	return slices.CompactFunc(all, func(a, b module) bool { return a.path == b.path && a.version == b.version })
}
