package editor

import (
	"testing"

	"sysc/lang/syntax"
	"sysc/modules"
)

// A text means an input where it is known to be that of a package: in front of one that the
// lock file has, or in a list of packages.
func TestInputsInTexts(t *testing.T) {
	s := New(t.TempDir(), &modules.Options{}, nil)
	s.known.packages = map[string][]modules.LockedPackage{"debian": {{Name: "git"}}}
	for _, tt := range []struct {
		text string
		want string // what is named, with its place
	}{
		{`x = "debian:git"`, "debian"},
		{`x = "debian:git:i386"`, "debian"},
		{`x = "debian:git=1.0"`, "debian"},
		{`x = "debian:trixie"`, ""},
		{`x = "other:git"`, ""},
		{`x = "git"`, ""},
		{`packages = "debian:curl"`, "debian"},
		{`package = "other:${local.x}"`, "other"},
	} {
		a := syntax.ReadOutline([]byte(tt.text), "x").Body.Attrs[0]
		got, ok := s.textWord("locals", a.Name, a.Texts[0], s.own().Dir)
		if ok != (tt.want != "") || got.name != tt.want || tt.text[got.at.Start.Byte:got.at.End.Byte] != tt.want {
			t.Errorf("%s: %q at %v, %v, want %q", tt.text, got.name, got.at, ok, tt.want)
		}
	}
}
