package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"

	"sysc/internal/gitfetch"
)

// maxConstraint bounds the text of a constraint, in bytes.
const maxConstraint = 500

// A Constraint says which versions will do: Terraform's =, !=, >, >=, <, <= and
// ~>, separated by commas. Make it with [ParseConstraint].
type Constraint struct {
	text  string
	parts version.Constraints
}

// ParseConstraint reads a constraint as it is written in a module block.
func ParseConstraint(text string) (Constraint, error) {
	parts, err := version.NewConstraint(text)
	if err != nil || len(text) > maxConstraint {
		return Constraint{}, fmt.Errorf("%q is not a version constraint. It is made of =, !=, >, >=, <, <=, ~> and versions, separated by commas, as in \"~> 1.2\" or \">= 1.2, < 3\"", text)
	}
	return Constraint{text: text, parts: parts}, nil
}

func (c Constraint) String() string { return c.text }

// Allows reports whether a version will do. A pre-release will only where a
// constraint names it, as in Terraform: "1.3.0-rc.1".
func (c Constraint) Allows(v Version) bool {
	if v.parsed == nil {
		return false
	}
	if v.parsed.Prerelease() == "" {
		return c.parts.Check(v.parsed)
	}
	named := false
	for _, part := range c.parts {
		text := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(part.String()), "="))
		exact, err := version.NewVersion(text)
		named = named || err == nil && exact.Equal(v.parsed)
	}
	return named
}

// A Version is a tag that is a version: "v1.2.0", or without the letter.
type Version struct {
	Tag    gitfetch.Tag
	parsed *version.Version
}

// String returns the version without the letter.
func (v Version) String() string { return strings.TrimPrefix(v.Tag.Name, "v") }

// ParseVersion reads the name of a tag. Versions have three numbers, as Semantic
// Versioning 2.0.0 says, and may have a "v" in front.
func ParseVersion(tag gitfetch.Tag) (Version, bool) {
	parsed, err := version.NewSemver(strings.TrimPrefix(tag.Name, "v"))
	numbers, _, _ := strings.Cut(strings.TrimPrefix(tag.Name, "v"), "-")
	numbers, _, _ = strings.Cut(numbers, "+")
	if err != nil || strings.Count(numbers, ".") != 2 {
		return Version{}, false
	}
	return Version{Tag: tag, parsed: parsed}, true
}

// Versions returns the versions among tags, newest first. Of two tags for one
// version, "v1.2.0" and "1.2.0", it is the one with the letter.
func Versions(tags []gitfetch.Tag) []Version {
	var out []Version
	for _, tag := range tags {
		if v, ok := ParseVersion(tag); ok {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b Version) int {
		if c := b.parsed.Compare(a.parsed); c != 0 {
			return c
		}
		return strings.Compare(b.Tag.Name, a.Tag.Name)
	})
	return slices.CompactFunc(out, func(a, b Version) bool { return a.parsed.Equal(b.parsed) && a.parsed.Metadata() == b.parsed.Metadata() })
}

// Choose returns the newest version that all constraints allow; without any, the
// newest that is no pre-release.
func Choose(versions []Version, constraints []Constraint) (Version, bool) {
	for _, v := range versions {
		if len(constraints) == 0 && v.parsed.Prerelease() != "" {
			continue
		}
		if !slices.ContainsFunc(constraints, func(c Constraint) bool { return !c.Allows(v) }) {
			return v, true
		}
	}
	return Version{}, false
}
