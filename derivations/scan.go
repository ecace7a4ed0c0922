package derivations

import (
	"strings"

	"sysc/store"
)

const dirPrefix = store.Dir + "/"

// eachPath calls fn with the position of every id that stands in a text behind
// "/sysc/store/": 32 characters and a dash follow at[i:].
func eachPath(text string, fn func(at int)) {
	for at := 0; ; {
		i := strings.Index(text[at:], dirPrefix)
		if i < 0 {
			return
		}
		at += i + len(dirPrefix)
		if len(text) > at+store.IDLen && text[at+store.IDLen] == '-' {
			fn(at)
		}
	}
}

// pathAt reads the store path that begins at text[at]. Its name reaches as far
// as characters may stand in a name.
func pathAt(text string, at int) (store.Path, bool) {
	end := at + store.IDLen + 1
	for end < len(text) && nameChar(text[end]) {
		end++
	}
	p, err := store.ParsePath(text[at:end])
	return p, err == nil
}

func nameChar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' ||
		strings.IndexByte("+-._?=", c) >= 0
}

// texts calls fn with every text of d that may name a store path.
func (d *Derivation) texts(fn func(text string)) {
	for _, a := range d.Args {
		fn(a)
	}
	for _, v := range d.Env {
		fn(v)
	}
	fn(string(d.Attrs))
	fn(d.Root)
	d.Limits.texts(fn)
}
