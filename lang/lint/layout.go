package lint

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/format"
	"sysc/lang/syntax"
)

// layout finds files that sysc fmt would change.
func (r *run) layout() {
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		src := r.Files[name]
		if !strings.HasSuffix(name, syntax.Extension) {
			continue
		}
		out, diags := format.Source(src, name)
		if diags.HasErrors() || bytes.Equal(src, out) {
			continue // one that has no other layout stays as it is
		}
		r.found(Layout, firstChange(src, out, name), "Not in the standard layout", "Here is the first line that would be another one. Run sysc fmt.")
	}
}

// firstChange is the first line of src that is not the same in out.
func firstChange(src, out []byte, name string) diag.Range {
	at := diag.Pos{Line: 1, Column: 1}
	rest, other := src, out
	for {
		line, next, more := bytes.Cut(rest, []byte("\n"))
		otherLine, otherNext, otherMore := bytes.Cut(other, []byte("\n"))
		if !bytes.Equal(line, otherLine) || !more || !otherMore {
			end := at
			end.Byte += len(line)
			end.Column += len([]rune(string(line)))
			return diag.Range{Filename: name, Start: at, End: end}
		}
		at.Line, at.Byte = at.Line+1, at.Byte+len(line)+1
		rest, other = next, otherNext
	}
}
