package store

import (
	"fmt"
	"strings"
)

// Dir is the logical directory of every store. Builds see it through their
// mount namespace, wherever the store really is.
const Dir = "/sysc/store"

// IDLen is the number of characters of an object's id.
const IDLen = 32

// MaxNameLen bounds an object's name, so that "<id>-<name>" with a suffix
// remains a legal file name everywhere.
const MaxNameLen = 211

// alphabet is Nix's base-32 alphabet: no e, o, u, t, so that no id spells a
// word that somebody would rather not read.
const alphabet = "0123456789abcdfghijklmnpqrsvwxyz"

// A Path names a store object: "<id>-<name>", without a directory.
type Path string

// MakePath joins an id and a name.
func MakePath(id, name string) (Path, error) { return ParsePath(id + "-" + name) }

// ParsePath checks that s is "<id>-<name>".
func ParsePath(s string) (Path, error) {
	if len(s) < IDLen+2 || s[IDLen] != '-' {
		return "", fmt.Errorf("parse store path %q: want <id>-<name> with an id of %d characters", s, IDLen)
	}
	for i := range IDLen {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return "", fmt.Errorf("parse store path %q: %q cannot occur in an id", s, s[i])
		}
	}
	if err := CheckName(s[IDLen+1:]); err != nil {
		return "", fmt.Errorf("parse store path %q: %w", s, err)
	}
	return Path(s), nil
}

// ParseLogical reads a path in its logical form, below [Dir]. It returns the
// path and what follows it ("" or "/…").
func ParseLogical(s string) (p Path, rest string, err error) {
	base, ok := strings.CutPrefix(s, Dir+"/")
	if !ok {
		return "", "", fmt.Errorf("parse store path %q: not below %s", s, Dir)
	}
	if i := strings.IndexByte(base, '/'); i >= 0 {
		base, rest = base[:i], base[i:]
	}
	p, err = ParsePath(base)
	return p, rest, err
}

// CheckName reports why name cannot be an object's name: it must be 1 to
// [MaxNameLen] characters of [0-9a-zA-Z+-._?=] and not begin with a dot.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("empty name")
	case len(name) > MaxNameLen:
		return fmt.Errorf("name of %d characters, at most %d", len(name), MaxNameLen)
	case name[0] == '.':
		return fmt.Errorf("name %q begins with a dot", name)
	}
	for i := range len(name) {
		if c := name[i]; !inName(c) {
			return fmt.Errorf("name %q: %q is not one of 0-9 a-z A-Z + - . _ ? =", name, c)
		}
	}
	return nil
}

func inName(c byte) bool {
	alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	return alnum || strings.IndexByte("+-._?=", c) >= 0
}

// CleanName returns a text with a hyphen in the place of each byte that no name
// may have. [CheckName] may still find it empty, too long, or beginning with a dot.
func CleanName(text string) string {
	clean := []byte(text)
	for i, c := range clean {
		if !inName(c) {
			clean[i] = '-'
		}
	}
	return string(clean)
}

// ID returns the 32 characters that identify the object.
func (p Path) ID() string { return string(p[:IDLen]) }

// Name returns the part that is for people.
func (p Path) Name() string { return string(p[IDLen+1:]) }

// Logical returns the path as builds see it: [Dir] and p.
func (p Path) Logical() string { return Dir + "/" + string(p) }

// EncodeID writes the first 160 bits of sum in the id alphabet.
func EncodeID(sum [32]byte) string {
	const bits = 5
	var out [IDLen]byte
	for i := range out {
		bit := i * bits
		window := uint16(sum[bit/8])<<8 | uint16(sum[bit/8+1])
		out[i] = alphabet[window>>(16-bits-bit%8)&31]
	}
	return string(out[:])
}
