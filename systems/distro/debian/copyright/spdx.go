package copyright

import (
	"slices"
	"strings"
)

// refPrefix is what names begin with that SPDX has no identifier for.
const refPrefix = "LicenseRef-Debian-"

// Expression writes the licences as an SPDX license expression (SPDX 2.3, annex D), all of
// which hold, "" when there are none; and says what the names in it that SPDX does not know
// stand for.
func (f *File) Expression() (expression string, refs map[string]string) {
	refs = map[string]string{}
	var all []string
	for _, l := range f.Licenses {
		one := choices(l, refs)
		if one == "" {
			continue
		}
		if strings.Contains(one, " ") && len(f.Licenses) > 1 {
			one = "(" + one + ")"
		}
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return strings.Join(all, " AND "), refs
}

// choices writes one license field. A comma binds less than "or" and "and" do
// (copyright-format 1.0, "License specification").
func choices(text string, refs map[string]string) string {
	var b strings.Builder
	parts := strings.Split(text, ",")
	for _, part := range parts {
		words := strings.Fields(part)
		link := "AND"
		if b.Len() > 0 && len(words) > 1 && isLink(words[0]) {
			link, words = strings.ToUpper(words[0]), words[1:]
		}
		if len(words) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(" " + link + " ")
		}
		one := sequence(words, refs)
		if len(parts) > 1 && strings.Contains(one, " ") {
			one = "(" + one + ")"
		}
		b.WriteString(one)
	}
	return b.String()
}

func isLink(word string) bool { return strings.EqualFold(word, "or") || strings.EqualFold(word, "and") }

// sequence writes names with "or" and "and" between them. What else there is between
// two of them is one name, as in "GPL-2+ with OpenSSL exception".
func sequence(words []string, refs map[string]string) string {
	var b strings.Builder
	var name []string
	flush := func() {
		if len(name) > 0 {
			b.WriteString(identifier(strings.Join(name, " "), refs))
			name = nil
		}
	}
	for i, w := range words {
		if !isLink(w) || len(name) == 0 || i == len(words)-1 {
			name = append(name, w)
			continue
		}
		flush()
		b.WriteString(" " + strings.ToUpper(w) + " ")
	}
	flush()
	return b.String()
}

// identifier returns SPDX's identifier of a licence that Debian knows by a name, or one of
// our own, which it notes in refs.
func identifier(name string, refs map[string]string) string {
	lower := strings.ToLower(name)
	if id, ok := identifiers[lower]; ok {
		return id
	}
	if id := versioned(lower); id != "" {
		return id
	}
	ref := refPrefix + strings.Map(func(c rune) rune {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '.', c == '-':
			return c
		case c == '+':
			return 'P'
		}
		return '-'
	}, name)
	// Two names may look alike when their other characters are gone.
	for refs[ref] != "" && refs[ref] != name {
		ref += "-"
	}
	refs[ref] = name
	return ref
}

// gnuVersions are the versions of GNU's licences.
var gnuVersions = map[string][]string{
	"gpl": {"1", "2", "3"}, "lgpl": {"2", "2.1", "3"}, "agpl": {"3"}, "gfdl": {"1.1", "1.2", "1.3"}, "gfdl-niv": {"1.1", "1.2", "1.3"},
}

// versioned returns the identifier of one of GNU's licences, as of "lgpl-2.1+"; "" for
// any other.
func versioned(lower string) string {
	rest, later := strings.CutSuffix(lower, "+")
	at := strings.LastIndexByte(rest, '-')
	if at < 0 {
		return ""
	}
	family, number := rest[:at], strings.TrimSuffix(rest[at+1:], ".0")
	if !slices.Contains(gnuVersions[family], number) {
		return ""
	}
	if !strings.Contains(number, ".") {
		number += ".0"
	}
	base, invariants, _ := strings.Cut(strings.ToUpper(family), "-")
	id := base + "-" + number
	if invariants != "" {
		id += "-no-invariants"
	}
	if later {
		return id + "-or-later"
	}
	return id + "-only"
}

// identifiers are SPDX's names for Debian's, in lower case, of licences whose texts are
// the same. Those that Debian uses for several texts ("Artistic", "BSD") are not in it.
var identifiers = map[string]string{
	"0bsd":         "0BSD",
	"apache-1.0":   "Apache-1.0",
	"apache-1.1":   "Apache-1.1",
	"apache-2":     "Apache-2.0",
	"apache-2.0":   "Apache-2.0",
	"artistic-2":   "Artistic-2.0",
	"artistic-2.0": "Artistic-2.0",
	"bsd-2-clause": "BSD-2-Clause",
	"bsd-3-clause": "BSD-3-Clause",
	"bsd-4-clause": "BSD-4-Clause",
	"bsl-1":        "BSL-1.0",
	"bsl-1.0":      "BSL-1.0",
	"cc-by-3.0":    "CC-BY-3.0",
	"cc-by-4.0":    "CC-BY-4.0",
	"cc-by-sa-3.0": "CC-BY-SA-3.0",
	"cc-by-sa-4.0": "CC-BY-SA-4.0",
	"cc0":          "CC0-1.0",
	"cc0-1.0":      "CC0-1.0",
	"cddl-1.0":     "CDDL-1.0",
	"cddl-1.1":     "CDDL-1.1",
	"cpl-1.0":      "CPL-1.0",
	"curl":         "curl",
	"epl-1.0":      "EPL-1.0",
	"epl-2.0":      "EPL-2.0",
	"expat":        "MIT",
	"ftl":          "FTL",
	"isc":          "ISC",
	"lppl-1.3c":    "LPPL-1.3c",
	"mpl-1.1":      "MPL-1.1",
	"mpl-2.0":      "MPL-2.0",
	"ncsa":         "NCSA",
	"ofl-1.1":      "OFL-1.1",
	"openssl":      "OpenSSL",
	"postgresql":   "PostgreSQL",
	"qpl-1.0":      "QPL-1.0",
	"ruby":         "Ruby",
	"sil-1.1":      "OFL-1.1",
	"tcl":          "TCL",
	"unlicense":    "Unlicense",
	"w3c":          "W3C",
	"wtfpl":        "WTFPL",
	"wtfpl-2":      "WTFPL",
	"x11":          "X11",
	"zlib":         "Zlib",
	"zpl-2.1":      "ZPL-2.1",
}
