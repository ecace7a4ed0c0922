package diag

import (
	"fmt"
	"strings"
)

// maxSuggested bounds names, in bytes: one may be from a hostile text, and the
// distance is quadratic.
const maxSuggested = 200

// Suggest returns the candidate that name was probably meant to be: the
// nearest by edit distance, near enough to be no guess. Equally near ones are
// decided by their order in the alphabet.
func Suggest(name string, candidates []string) (string, bool) {
	if len(name) > maxSuggested {
		return "", false
	}
	best, bestDist := "", len(name)/3+2 // what is as far as that is no good
	lower := strings.ToLower(name)
	for _, c := range candidates {
		if c == name || len(c) > maxSuggested || abs(len(c)-len(name)) > bestDist {
			continue
		}
		d := distance(lower, strings.ToLower(c), bestDist)
		// Where half of a name is another, that is no slip, or in a longer one, a slip behind
		// the start.
		const longer = 4
		if whole := max(len(name), len(c)); 2*d > whole || 2*d == whole && (whole < longer || lower[0] != strings.ToLower(c)[0]) {
			continue
		}
		if d < bestDist || d == bestDist && best != "" && c < best {
			best, bestDist = c, d
		}
	}
	return best, best != ""
}

// DidYouMean returns ` Did you mean "x"?` with a leading space, or "" when no
// candidate is near.
func DidYouMean(name string, candidates []string) string {
	s, ok := Suggest(name, candidates)
	if !ok {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", s)
}

// distance is the Damerau-Levenshtein distance (optimal string alignment):
// insertions, deletions, substitutions and swapped neighbours count 1. What is more
// than most may come out as less than it is, but as more than most.
func distance(a, b string, most int) int {
	// Lowering a name may lengthen it, but not that much.
	var rows [3][2*maxSuggested + 1]int16
	if max(len(a), len(b)) > 2*maxSuggested {
		return most + 1
	}
	before, prev, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		prev[j] = int16(j)
	}
	for i := 1; i <= len(a); i++ {
		row[0] = int16(i)
		least := int16(i)
		for j := 1; j <= len(b); j++ {
			cost := int16(1)
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		// A row is never less than the least of the two before it.
		if int(least) > most+1 {
			return most + 1
		}
		before, prev, row = prev, row, before
	}
	return int(prev[len(b)])
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// WithArticle returns a noun with "a" or "an" in front of it.
func WithArticle(noun string) string {
	if noun != "" && strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
