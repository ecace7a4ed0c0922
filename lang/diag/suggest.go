package diag

import (
	"fmt"
	"slices"
	"strings"
)

// Suggest returns the candidate that name was probably meant to be: the
// nearest by edit distance, near enough to be no guess. Equally near ones are
// decided by their order in the alphabet.
func Suggest(name string, candidates []string) (string, bool) {
	const maxLen = 200 // a name from a hostile text; the distance is quadratic
	if len(name) > maxLen {
		return "", false
	}
	sorted := slices.Clone(candidates)
	slices.Sort(sorted)
	best, bestDist := "", len(name)/3+2
	for _, c := range sorted {
		if c == name || len(c) > maxLen || abs(len(c)-len(name)) >= bestDist {
			continue
		}
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if d < bestDist && d < max(len(name), len(c)) {
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
// insertions, deletions, substitutions and swapped neighbours count 1.
func distance(a, b string) int {
	var before []int
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev = prev, row
	}
	return prev[len(b)]
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
