package universe

import (
	"cmp"
	"slices"
)

// How many names a person wants to read: of packages that provide what was
// asked for, and of packages that are spelled alike.
const (
	maxProviders = 12
	maxSpellings = 5
)

// Suggest returns the names of packages that someone who wrote name may have
// meant, the most likely first: those that provide it, or else those that are
// spelled nearly so. Those of other inputs are left out, unless input is "".
func (u *Universe) Suggest(name, input string) []string {
	has := func(id ID) bool { return input == "" || u.IsFrom(id, input) }
	var names []string
	for _, p := range u.providers[name] {
		if n := u.packages[p.ID].Name; has(p.ID) && !slices.Contains(names, n) && len(names) < maxProviders {
			names = append(names, n)
		}
	}
	if len(names) > 0 {
		return names
	}
	type near struct {
		name             string
		distance, common int
	}
	limit := 1 + len(name)/4
	var nearby []near
	for candidate := range u.Names {
		if d := distance(name, candidate, limit); d <= limit && slices.ContainsFunc(u.byName[candidate], has) {
			nearby = append(nearby, near{candidate, d, commonPrefix(name, candidate)})
		}
	}
	slices.SortFunc(nearby, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(b.common, a.common), cmp.Compare(a.name, b.name))
	})
	for _, n := range nearby[:min(len(nearby), maxSpellings)] {
		names = append(names, n.name)
	}
	return names
}

// commonPrefix counts the bytes that two names begin alike with: people err late
// in a word rather than early.
func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that make b of a (optimal string alignment). It gives up above
// limit, returning more than that.
func distance(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) > limit || len(a) > 128 || len(b) > 128 {
		return limit + 1
	}
	var rows [3][130]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
