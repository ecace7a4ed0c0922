package format

import (
	"bytes"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/internal/lazyregexp"
	"sysc/lang/syntax"
)

var startPos = hcl.Pos{Line: 1, Column: 1}

// An edit replaces the bytes [from, to) of a text.
type edit struct {
	from, to int
	text     string
}

// apply makes edits that do not overlap.
func apply(src []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	out := make([]byte, 0, len(src)+len(edits))
	at := 0
	for _, e := range edits {
		out = append(append(out, src[at:e.from]...), e.text...)
		at = e.to
	}
	return append(out, src[at:]...)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// spelling is what is written in another way whatever the values are: labels,
// ends of comments, and those of the file.
func spelling(f *syntax.File) []edit {
	edits := labels(f.Source, f.Body.Blocks)
	for _, tok := range f.Tokens {
		if tok.Type != hclsyntax.TokenComment || bytes.HasPrefix(tok.Bytes, []byte("/*")) {
			continue
		}
		line := bytes.TrimRight(tok.Bytes, "\r\n")
		if spaces := len(line) - len(bytes.TrimRight(line, " \t")); spaces > 0 {
			end := tok.Range.Start.Byte + len(line)
			edits = append(edits, edit{from: end - spaces, to: end})
		}
	}
	if bytes.HasPrefix(f.Source, byteOrderMark) {
		edits = append(edits, edit{from: 0, to: len(byteOrderMark)})
	}
	return append(edits, ending(f.Source)...)
}

// ending makes a text end in one newline, unless it is empty.
func ending(src []byte) []edit {
	n, text := len(src), len(bytes.TrimRight(src, " \t\r\n"))
	begin := n - len(bytes.TrimPrefix(src, byteOrderMark))
	newline := bytes.IndexByte(src[text:], '\n')
	switch {
	case text <= begin:
		return []edit{{from: begin, to: n}}
	case newline < 0:
		return []edit{{from: n, to: n, text: "\n"}}
	}
	return []edit{{from: text + newline + 1, to: n}}
}

func labels(src []byte, blocks []*syntax.Block) []edit {
	var edits []edit
	for _, b := range blocks {
		for _, r := range b.LabelRanges {
			if from, to := r.Start.Byte, r.End.Byte; src[from] != '"' {
				edits = append(edits, edit{from: from, to: from, text: `"`}, edit{from: to, to: to, text: `"`})
			}
		}
		edits = append(edits, labels(src, b.Body.Blocks)...)
	}
	return edits
}

var (
	wrapHead = lazyregexp.New(`^"\$\{~?[ \t]*$`)
	wrapTail = lazyregexp.New(`^[ \t]*~?\}"$`)
)

// values unwraps "${x}" where it is a whole value: of an argument, an element or
// key of a collection, an argument of a function. Elsewhere, as in "${a + b}" * 2,
// the quotes may be what holds the expression together.
func values(f *syntax.File) []edit {
	var edits []edit
	unwrap := func(e hclsyntax.Expression) {
		w, ok := e.(*hclsyntax.TemplateWrapExpr)
		if !ok {
			return
		}
		outer, in := w.SrcRange, w.Wrapped.Range()
		head := f.Source[outer.Start.Byte:in.Start.Byte]
		tail := f.Source[in.End.Byte:outer.End.Byte]
		oneLine := outer.Start.Line == outer.End.Line
		if oneLine && wrapHead().Match(head) && wrapTail().Match(tail) {
			edits = append(edits, edit{from: outer.Start.Byte, to: in.Start.Byte}, edit{from: in.End.Byte, to: outer.End.Byte})
		}
	}
	// VisitAll's diagnostics are not used.
	hclsyntax.VisitAll(f.Root, func(node hclsyntax.Node) hcl.Diagnostics {
		switch t := node.(type) {
		case *hclsyntax.Attribute:
			unwrap(t.Expr)
		case *hclsyntax.TemplateWrapExpr:
			unwrap(t.Wrapped)
		case *hclsyntax.TupleConsExpr:
			for _, e := range t.Exprs {
				unwrap(e)
			}
		case *hclsyntax.ObjectConsExpr:
			for _, it := range t.Items {
				unwrap(it.ValueExpr)
			}
		case *hclsyntax.FunctionCallExpr:
			for _, e := range t.Args {
				unwrap(e)
			}
		}
		return nil
	})
	return edits
}
