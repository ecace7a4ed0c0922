package localstore

import (
	"slices"

	"sysc/store"
)

// A scanner looks for the ids of store objects in bytes, all candidates at
// once, as Nix does: nothing but the 32 characters counts, so a reference is
// found whatever directory stands before it. Compressed or split text hides
// one.
type scanner struct {
	ids  map[[store.IDLen]byte]int // index of the candidate; selfIndex for the own id
	skip [256]bool                 // not a character of an id
}

// selfIndex stands for the object's own id.
const selfIndex = -1

func newScanner(candidates []store.Path, self string) *scanner {
	s := &scanner{ids: make(map[[store.IDLen]byte]int, len(candidates)+1)}
	for i, p := range candidates {
		s.ids[[store.IDLen]byte([]byte(p.ID()))] = i
	}
	if self != "" {
		s.ids[[store.IDLen]byte([]byte(self))] = selfIndex
	}
	for i := range s.skip {
		s.skip[i] = true
	}
	// What ids are made of, learned from the ids themselves: a character that
	// no candidate has ends a window just as well.
	for id := range s.ids {
		for _, c := range id {
			s.skip[c] = false
		}
	}
	return s
}

// scan calls found for each id in data, in order, with where it begins. It looks
// at the end of a window first: one foreign byte there rules out 32 places.
func (s *scanner) scan(data []byte, found func(index, at int)) {
	if len(s.ids) == 0 {
		return
	}
	checked := 0 // before it, the window holds characters of ids only
	for at := 0; at+store.IDLen <= len(data); {
		end := at + store.IDLen
		last := end - 1
		for last >= checked && !s.skip[data[last]] {
			last--
		}
		if last >= checked {
			at = last + 1
			checked = at
			continue
		}
		checked = end
		if index, ok := s.ids[[store.IDLen]byte(data[at:])]; ok {
			found(index, at)
			if index == selfIndex { // it is blank now
				at = end
				continue
			}
		}
		at++
	}
}

// A fileScan scans one file on its way into the store and blanks the object's
// own id in it. It implements filter.
type fileScan struct {
	*scanner
	refs map[int]bool // candidates that were seen
	self []int64      // offsets of the own id
}

func (f *fileScan) filter(window []byte, offset int64, last bool) int {
	if len(f.ids) == 0 {
		return len(window)
	}
	f.scan(window, func(index, at int) {
		if index != selfIndex {
			f.refs[index] = true
			return
		}
		f.self = append(f.self, offset+int64(at))
		clear(window[at : at+store.IDLen])
	})
	if last {
		return len(window)
	}
	// An id may begin in the last 31 bytes and end in what comes next.
	return max(0, len(window)-(store.IDLen-1))
}

// text scans a name or a link's target, and returns it with the own id
// blanked.
func (f *fileScan) text(text string) string {
	if len(text) < store.IDLen || len(f.ids) == 0 {
		return text
	}
	data := []byte(text)
	f.filter(data, 0, true)
	return string(data)
}

// found returns the candidates that were seen, sorted, without duplicates.
func found(candidates []store.Path, seen map[int]bool) []store.Path {
	var refs []store.Path
	for i := range seen {
		refs = append(refs, candidates[i])
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}
