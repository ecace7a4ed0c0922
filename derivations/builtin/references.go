package builtin

import (
	"slices"
	"strings"

	"sysc/store"
)

const idAlphabet = "0123456789abcdfghijklmnpqrsvwxyz"

// References returns those of the candidates whose ids stand in a text, sorted.
// It finds them wherever they stand, with or without a directory before them.
func References(text string, candidates []store.Path) []store.Path {
	byID := make(map[string]store.Path, len(candidates))
	for _, c := range candidates {
		byID[c.ID()] = c
	}
	var found []store.Path
	run := 0
	for i := range len(text) {
		if strings.IndexByte(idAlphabet, text[i]) < 0 {
			run = 0
			continue
		}
		run++
		if run < store.IDLen {
			continue
		}
		if p, ok := byID[text[i+1-store.IDLen:i+1]]; ok {
			found = append(found, p)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// objectReferences returns what the contents of an object may name: what it is
// known to name, and itself where it does.
func objectReferences(o store.Object) []store.Path {
	refs := slices.Clone(o.References)
	if len(o.SelfReferences) > 0 {
		refs = append(refs, o.Path)
	}
	return refs
}
