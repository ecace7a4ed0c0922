// Package version compares Debian's version numbers, [epoch:]upstream[-revision]
// (deb-version(7), Debian policy 5.6.12).
package version

import (
	"cmp"
	"fmt"
	"strings"
)

// MaxLen bounds a version's text, in bytes. The longest real ones have about 70.
const MaxLen = 512

// Check reports why v is no version. It is as strict as dpkg is with what it
// is asked to compare: a digit first, legal characters, a numeric epoch, and
// nothing empty.
func Check(v string) error {
	if v == "" {
		return fmt.Errorf("empty version")
	}
	if len(v) > MaxLen {
		return fmt.Errorf("version of %d characters, at most %d", len(v), MaxLen)
	}
	rest := v
	if epoch, after, ok := strings.Cut(v, ":"); ok {
		if len(epoch) > 9 || !allDigits(epoch) {
			return fmt.Errorf("version %q: epoch is not a number", v)
		}
		rest = after
	}
	upstream, revision := split(rest)
	switch {
	case upstream == "" || revision == "" && strings.HasSuffix(rest, "-"):
		return fmt.Errorf("version %q: empty part", v)
	case upstream[0] < '0' || '9' < upstream[0]:
		return fmt.Errorf("version %q: does not begin with a digit", v)
	}
	for i := range len(rest) {
		if c := rest[i]; !isDigit(c) && !isAlpha(c) && strings.IndexByte("+.~-:", c) < 0 {
			return fmt.Errorf("version %q: %q cannot stand in a version", v, c)
		}
	}
	if strings.IndexByte(revision, ':') >= 0 {
		return fmt.Errorf("version %q: colon in the revision", v)
	}
	return nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// Compare returns -1, 0 or +1 as a is older than, as new as, or newer than b.
// It gives an answer for any text; see [Check] for what a version is.
func Compare(a, b string) int {
	if a == b {
		return 0
	}
	epochA, restA := epoch(a)
	epochB, restB := epoch(b)
	if c := compareDigits(epochA, epochB); c != 0 {
		return c
	}
	upA, revA := split(restA)
	upB, revB := split(restB)
	if c := compareParts(upA, upB); c != 0 {
		return c
	}
	return compareParts(revA, revB)
}

// epoch splits off the epoch, "" when there is none.
func epoch(v string) (string, string) {
	if e, rest, ok := strings.Cut(v, ":"); ok && allDigits(e) {
		return e, rest
	}
	return "", v
}

// split cuts a version without epoch at its last hyphen. A missing revision is
// as "0", and as "" too: both compare equal.
func split(v string) (upstream, revision string) {
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return v[:i], v[i+1:]
	}
	return v, ""
}

// compareParts compares upstream versions or revisions: by turns the longest
// prefix without digits, in which a tilde sorts before the end, the end before
// letters, and letters before all else; and the longest number, by value.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if c := cmp.Compare(order(a), order(b)); c != 0 {
				return c
			}
			// Equal orders mean equal bytes, or both at their end or a digit;
			// the latter cannot be, as the loop saw a character on one side.
			a, b = a[1:], b[1:]
		}
		var numA, numB string
		numA, a = digits(a)
		numB, b = digits(b)
		if c := compareDigits(numA, numB); c != 0 {
			return c
		}
	}
	return 0
}

// order is the weight of the first character of s.
func order(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isAlpha(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

func digits(s string) (number, rest string) {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

// compareDigits compares numbers of any length; "" is zero.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlpha(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
