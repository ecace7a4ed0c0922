package copyright

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const format = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"files and texts", format + "\nFiles: *\nLicense: GPL-2+\n\nFiles: a\nLicense: Expat\n Text\n .\n more\n\nLicense: GPL-2+\n Text\n", []string{"Expat", "GPL-2+"}},
		{"in the header alone", format + "License: MPL-2.0\n", []string{"MPL-2.0"}},
		{"nothing", format, nil},
		{"a line that is wrong", format + "\nFiles: *\nLicense: ISC\n\nwrong\n\nFiles: b\nLicense: Zlib\n", []string{"ISC"}},
		{"blanks", format + "\nFiles: *\nLicense:  GPL-2+   or\tArtistic\n", []string{"GPL-2+ or Artistic"}},
		{"an old address", "Format-Specification: http://svn.debian.org/wsvn/dep/web/deps/dep5.mdwn?rev=135\n\nFiles: *\nLicense: ISC\n", []string{"ISC"}},
	} {
		f := Read(strings.NewReader(tt.text))
		if f == nil || !slices.Equal(f.Licenses, tt.want) {
			t.Errorf("%s: got %+v, want %q", tt.name, f, tt.want)
		}
	}
	for _, text := range []string{"", "This package was debianized by somebody.\n", "Name: x\n\nFiles: *\nLicense: ISC\n"} {
		if f := Read(strings.NewReader(text)); f != nil {
			t.Errorf("%q: got %+v", text, f)
		}
	}
}

func TestExpression(t *testing.T) {
	for _, tt := range []struct {
		licenses []string
		want     string
	}{
		{nil, ""},
		{[]string{"Expat"}, "MIT"},
		{[]string{"GPL-2+"}, "GPL-2.0-or-later"},
		{[]string{"GPL-2.0"}, "GPL-2.0-only"},
		{[]string{"LGPL-2.1"}, "LGPL-2.1-only"},
		{[]string{"GPL-9"}, "LicenseRef-Debian-GPL-9"},
		{[]string{"GFDL-NIV-1.3+"}, "GFDL-1.3-no-invariants-or-later"},
		{[]string{"GPL-1+ or Artistic"}, "GPL-1.0-or-later OR LicenseRef-Debian-Artistic"},
		{[]string{"GPL-1+ or Artistic", "Expat"}, "(GPL-1.0-or-later OR LicenseRef-Debian-Artistic) AND MIT"},
		{[]string{"GPL-2+ with OpenSSL exception"}, "LicenseRef-Debian-GPL-2P-with-OpenSSL-exception"},
		{[]string{"GPL-2+ or Artistic-2.0, and BSD-3-clause"}, "(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause"},
		{[]string{"Expat", "MIT/X11 (BSD like)"}, "MIT AND LicenseRef-Debian-MIT-X11--BSD-like-"},
		{[]string{"a/b", "a b"}, "LicenseRef-Debian-a-b AND LicenseRef-Debian-a-b-"},
		{[]string{"or"}, "LicenseRef-Debian-or"},
		{[]string{", and x"}, "LicenseRef-Debian-and-x"},
		{[]string{"GPL-2 and"}, "LicenseRef-Debian-GPL-2-and"},
	} {
		f := &File{Licenses: tt.licenses}
		if got, _ := f.Expression(); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.licenses, got, tt.want)
		}
	}
}

var expression = regexp.MustCompile(`^(\(*[A-Za-z0-9][A-Za-z0-9.-]*\)*( (AND|OR) \(*[A-Za-z0-9][A-Za-z0-9.-]*\)*)*)?$`)

// FuzzRead: what comes out is an expression, and every name of ours in it is explained.
func FuzzRead(f *testing.F) {
	f.Add("License: GPL-2+ or Artistic, and BSD\n")
	f.Add("License: ,or and,,(x) or\n\nFiles: *\nLicense: a with b and c\n")
	f.Fuzz(func(t *testing.T, text string) {
		file := Read(strings.NewReader(format + text))
		if file == nil {
			return
		}
		got, refs := file.Expression()
		if !expression.MatchString(got) || strings.Count(got, "(") != strings.Count(got, ")") {
			t.Errorf("%q: %q", file.Licenses, got)
		}
		for _, word := range strings.Fields(got) {
			if ref := strings.Trim(word, "()"); strings.HasPrefix(ref, refPrefix) && refs[ref] == "" {
				t.Errorf("%q: %s stands for nothing", got, ref)
			}
		}
	})
}

// TestIdentifiers looks for all of SPDX's identifiers in the list that CycloneDX's schema
// has of them.
func TestIdentifiers(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema", "spdx.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Enum []string `json:"enum"`
	}
	if err := json.Unmarshal(text, &schema); err != nil || len(schema.Enum) < 100 {
		t.Fatal(len(schema.Enum), err)
	}
	ids := slices.Collect(maps.Values(identifiers))
	for family, versions := range gnuVersions {
		for _, v := range versions {
			ids = append(ids, versioned(family+"-"+v), versioned(family+"-"+v+"+"))
		}
	}
	for _, id := range ids {
		if !slices.Contains(schema.Enum, id) {
			t.Errorf("SPDX has no %q", id)
		}
	}
}
