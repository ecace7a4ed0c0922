package modules

import (
	"strings"
	"testing"

	"sysc/systems/distro/debian"
)

// madeOf reads packages from words: NAME or NAME=VERSION, with + in front when added
// on top.
func madeOf(words string) []debian.Package {
	var packages []debian.Package
	for word := range strings.FieldsSeq(words) {
		word, added := strings.CutPrefix(word, "+")
		name, version, _ := strings.Cut(word, "=")
		packages = append(packages, debian.Package{Name: name, Version: version, Architecture: "amd64", Added: added})
	}
	return packages
}

func words(packages []debian.Package) string {
	var out []string
	for _, p := range packages {
		word := p.Name
		if p.Version != "" {
			word += "=" + p.Version
		}
		if p.Added {
			word = "+" + word
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

func TestAddedOnTop(t *testing.T) {
	for name, c := range map[string]struct{ before, now, want string }{
		"never locked":       {"", "a b", "a b"},
		"one more":           {"a b c d", "a b c d e", "a b c d +e"},
		"in the middle":      {"a b d e", "a b c d e", "a b +c d e"},
		"another one":        {"a b c d e f g h +x", "a b c d e f g h w x", "a b c d e f g h +w +x"},
		"one goes":           {"a b c d +e", "a b c d", "a b c d"},
		"an added changes":   {"a b c d +e=1", "a b c d e=2", "a b c d +e=2"},
		"one below goes":     {"a b c d +e", "a b c e", "a b c e"},
		"one below changes":  {"a=1 b c d +e", "a=2 b c d e", "a=2 b c d e"},
		"too many":           {"a b c d", "a b c d e f", "a b c d e f"},
		"asked for by name":  {"a b c d", "a b c d", "a b c d"},
		"nothing of the old": {"a b c d", "e", "e"},
	} {
		if got := words(addedOnTop(madeOf(c.before), madeOf(c.now))); got != c.want {
			t.Errorf("%s: from %q to %q are %q, want %q", name, c.before, c.now, got, c.want)
		}
	}
	foreign := madeOf("a b c d e")
	foreign[4].Architecture = "i386"
	if got := words(addedOnTop(madeOf("a b c d"), foreign)); got != "a b c d e" {
		t.Errorf("with the first of an architecture: %q", got)
	}
	// Where a file is, and why it is wanted, is nothing that a root has.
	before, now := madeOf("a b c d"), madeOf("a b c d")
	now[0].Archive, now[0].Filename, now[0].Explicit = "other", "pool/a", true
	if got := words(addedOnTop(before, now)); got != "a b c d" {
		t.Errorf("with another mirror: %q", got)
	}
}
