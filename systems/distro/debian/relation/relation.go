// Package relation parses the fields by which Debian's packages speak of each
// other: Depends, Conflicts, Provides and the like (Debian policy 7.1).
package relation

import (
	"fmt"
	"slices"
	"strings"

	"sysc/systems/distro/debian/version"
)

// MaxRelations is the most relations that one field may have.
const MaxRelations = 1 << 16

// An Op is how a version is compared.
type Op string

const (
	Any          Op = ""
	Less         Op = "<<"
	LessEqual    Op = "<="
	Equal        Op = "="
	GreaterEqual Op = ">="
	Greater      Op = ">>"
)

// A Relation is one package name with what is asked of its version.
type Relation struct {
	Name string
	// Arch is what stands after a colon: "", "any", "native", or an
	// architecture.
	Arch string
	// Op is Any when every version will do; then Version is "".
	Op      Op
	Version string
}

// A Group is a relation with its alternatives, the preferred one first. Any
// one of them satisfies it.
type Group []Relation

// Parse reads a field whose groups are separated by commas and whose
// alternatives are separated by bars. It fails on anything that policy does not
// allow in a binary package, but white space counts nowhere and empty groups
// are left out, as dpkg does.
func Parse(field string) ([]Group, error) {
	var groups []Group
	count := 0
	for text := range strings.SplitSeq(field, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		var group Group
		for alternative := range strings.SplitSeq(text, "|") {
			r, err := parseOne(alternative)
			if err != nil {
				return nil, fmt.Errorf("parse relation %q: %v", text, err)
			}
			if count++; count > MaxRelations {
				return nil, fmt.Errorf("parse relations: more than %d", MaxRelations)
			}
			group = append(group, r)
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// ParseList reads a field without alternatives: Provides, Conflicts, Breaks,
// Replaces.
func ParseList(field string) ([]Relation, error) {
	groups, err := Parse(field)
	if err != nil {
		return nil, err
	}
	list := make([]Relation, 0, len(groups))
	for _, g := range groups {
		if len(g) != 1 {
			return nil, fmt.Errorf("parse relation %q: alternatives are not allowed here", g)
		}
		list = append(list, g[0])
	}
	return list, nil
}

// Restrict leaves out of a field of a source package what does not count for an
// architecture, in a build without profiles (policy 7.1, "Build-Depends"): alternatives
// behind which there is "[ARCHITECTURE… ]" or "[!ARCHITECTURE… ]" of others, or "<PROFILE…>"
// of other builds. What remains is a field of a binary package.
func Restrict(field, architecture string) (string, error) {
	var groups []string
	for text := range strings.SplitSeq(field, ",") {
		var group []string
		for alternative := range strings.SplitSeq(text, "|") {
			plain, counts, err := restrictOne(alternative, architecture)
			if err != nil {
				return "", fmt.Errorf("parse relation %q: %v", strings.TrimSpace(text), err)
			}
			if counts && plain != "" {
				group = append(group, plain)
			}
		}
		if len(group) > 0 {
			groups = append(groups, strings.Join(group, " | "))
		}
	}
	return strings.Join(groups, ", "), nil
}

// restrictOne takes the restrictions off an alternative. Of several "<…>" one has to hold.
func restrictOne(text, architecture string) (plain string, counts bool, err error) {
	text = strings.TrimSpace(text)
	counts = true
	plain, rest := text, ""
	// Operators of versions have angle brackets as well, inside of their parentheses.
	if i := strings.IndexAny(text, "[(<"); i >= 0 && text[i] == '(' {
		end := strings.IndexByte(text, ')')
		if end < 0 {
			return "", false, fmt.Errorf("%q has no end", text[i:])
		}
		plain, rest = text[:end+1], text[end+1:]
	} else if i >= 0 {
		plain, rest = text[:i], text[i:]
	}
	formulas, holds := 0, false
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		closing := map[byte]string{'[': "]", '<': ">"}[rest[0]]
		inside, after, ok := strings.Cut(rest[1:], closing)
		if closing == "" || !ok {
			return "", false, fmt.Errorf("%q is no restriction", rest)
		}
		words := strings.Fields(inside)
		if rest[0] == '[' {
			counts = counts && matchesArchitecture(words, architecture)
		} else {
			formulas++
			// Without profiles every "!PROFILE" is true.
			holds = holds || !slices.ContainsFunc(words, func(w string) bool { return !strings.HasPrefix(w, "!") })
		}
		rest = after
	}
	return strings.TrimSpace(plain), counts && (formulas == 0 || holds), nil
}

// matchesArchitecture reports whether one is in a list of a restriction: names, "any",
// "linux-any", "any-amd64", or all of them with "!".
func matchesArchitecture(words []string, architecture string) bool {
	negated := false
	for _, w := range words {
		name, not := strings.CutPrefix(w, "!")
		negated = negated || not
		switch name {
		case architecture, "any", "linux-any", "any-" + architecture, "linux-" + architecture:
			return !not
		}
	}
	return negated
}

// parseOne reads "name[:arch] [(op version)]".
func parseOne(text string) (Relation, error) {
	var r Relation
	text = strings.TrimSpace(text)
	name := text
	if i := strings.IndexAny(text, " \t\n(["); i >= 0 {
		name = text[:i]
		constraint := strings.TrimSpace(text[i:])
		if !strings.HasPrefix(constraint, "(") || !strings.HasSuffix(constraint, ")") {
			return r, fmt.Errorf("%q is not \"(operator version)\"", constraint)
		}
		var err error
		if r.Op, r.Version, err = parseConstraint(constraint[1 : len(constraint)-1]); err != nil {
			return r, err
		}
	}
	r.Name, r.Arch, _ = strings.Cut(name, ":")
	if err := CheckName(r.Name); err != nil {
		return r, err
	}
	if r.Arch == "" && strings.HasSuffix(name, ":") {
		return r, fmt.Errorf("%q: nothing after the colon", name)
	}
	return r, nil
}

// parseConstraint reads "op version". A lone "<" or ">" means what dpkg takes
// it for, or-equal; a version alone means "=".
func parseConstraint(text string) (Op, string, error) {
	text = strings.TrimSpace(text)
	n := len(text) - len(strings.TrimLeft(text, "<>="))
	op, v := Op(text[:n]), strings.TrimSpace(text[n:])
	switch op {
	case Less, LessEqual, Equal, GreaterEqual, Greater:
	case "":
		op = Equal
	case "<":
		op = LessEqual
	case ">":
		op = GreaterEqual
	default:
		return "", "", fmt.Errorf("unknown operator %q", op)
	}
	if v == "" || strings.ContainsAny(v, " \t\n()") {
		return "", "", fmt.Errorf("%q is not \"operator version\"", text)
	}
	return op, v, nil
}

// CheckName reports why name cannot be a package's name (policy 5.6.7).
// Upper-case letters and underscores are let pass, as dpkg does.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("empty package name")
	}
	for i := range len(name) {
		c := name[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && (i == 0 || strings.IndexByte("+-._", c) < 0) {
			return fmt.Errorf("%q is no package name: %q", name, c)
		}
	}
	return nil
}

// Satisfied reports whether a version is one that the relation asks for.
func (r Relation) Satisfied(v string) bool {
	if r.Op == Any {
		return true
	}
	c := version.Compare(v, r.Version)
	switch r.Op {
	case Less:
		return c < 0
	case LessEqual:
		return c <= 0
	case Equal:
		return c == 0
	case GreaterEqual:
		return c >= 0
	case Greater:
		return c > 0
	}
	return false
}

// ProvidedBy reports whether an entry of a Provides field satisfies the
// relation: one without version satisfies a relation without version only.
// The names are taken to be equal.
func (r Relation) ProvidedBy(provided Relation) bool {
	if r.Op == Any {
		return true
	}
	return provided.Op == Equal && r.Satisfied(provided.Version)
}

// String writes the relation as it stands in a field.
func (r Relation) String() string {
	name := r.Name
	if r.Arch != "" {
		name += ":" + r.Arch
	}
	if r.Op == Any {
		return name
	}
	return name + " (" + string(r.Op) + " " + r.Version + ")"
}

// String writes the alternatives with bars between them.
func (g Group) String() string {
	parts := make([]string, len(g))
	for i, r := range g {
		parts[i] = r.String()
	}
	return strings.Join(parts, " | ")
}
