package syntax

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sysc/lang/diag"
)

// parseWhole is Parse without pieces.
func parseWhole(src string) (blocks []*Block, attrs []*Attr, diags diag.List) {
	f := &source{name: "a", src: []byte(src)}
	body, diags := f.parse()
	diags = diags[:min(len(diags), maxDiagsPerFile)]
	if body != nil {
		b := f.body(body, nil)
		blocks, attrs = b.Blocks, b.Attrs
	}
	return blocks, attrs, diags
}

// samePieces compares what is read in pieces with what is read at once.
func samePieces(t *testing.T, src string) {
	t.Helper()
	blocks, attrs, wholeDiags := parseWhole(src)
	m, diags := Parse("", map[string][]byte{"a": []byte(src)})
	if len(diags)+len(wholeDiags) > 0 && !reflect.DeepEqual(diags, wholeDiags) {
		t.Errorf("problems differ:\n in pieces %v\n at once   %v", diags.Err(), wholeDiags.Err())
	}
	if dumped(m.Attrs) != dumped(attrs) {
		t.Error("arguments differ")
	}
	if dumped(m.Blocks) != dumped(blocks) {
		t.Error("blocks differ")
	}
}

// pad is text that is longer than a piece, so that a cut may follow it.
var pad = "# " + strings.Repeat("x", minPiece) + "\n"

// trickyPieces have ends of pieces where no block ends, and what is looked at in
// tokens alone.
var trickyPieces = []string{
	"a \"b\" {\n  c = 1\n}\n" + pad + "d {\n  e = \"${f.g}\"\n}\n" + pad + "h {\n}\n",
	"a {\n  b = <<E\n" + pad + "}\nc {\n}\n" + pad + "}\nE\n}\n",
	"a {\n  b = <<-E\n" + pad + "\n}\n  c ${d\n}\n E\n}\n" + pad + "d {\n}\n",
	"/*\n" + pad + "}\na {\n}\n" + pad + "}\n*/\nb {\n}\n",
	"a {\n  b = {\n" + pad + "}\n}\n" + pad + "c {\n}\n",
	"a {\n  b = [\n{\n" + pad + "}\n]\n}\n" + pad + "c {\n}\n",
	"a {\n  b = {a = 1, \"a\" = 2}\n" + pad + "\n}\n" + pad + "c {\n  d = {a = 1, a = 2}\n}\n",
	"a = 1\n" + pad + "b {\n\n}\n" + pad + "\n}\na = 2\n",
	"a {\n" + pad + "\n}\n" + pad + "b {\n  c = 1e999\n}\n",
	"a {\n" + pad + "\n}\n" + pad + "b {\n  c = 1e1e5\n}\n",
	"a {\n" + pad + "\n}\n" + pad + "b {\n  c = \"e\u0301\"\n}\n",
	"a {\n" + pad + "\n}\n" + pad + "b {\n  c = \"e\\u0301\"\n}\n",
	"a {\n" + pad + "\n}\n" + pad + "b {\n  c = " + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "\n}\n",
	"a {\n" + pad + "\n}\n" + pad + "b {\n  c = 1" + strings.Repeat("+1", 3000) + "\n}\n",
	"a {\n" + pad + "\n}\n" + pad + "b {\n  c = <<E\n" + strings.Repeat("x\n", longHeredoc+1) + "E\n}\n",
	"a {\r\n" + pad + "\r\n}\r\n" + pad + "b {\r\n}\r\n",
	"\uFEFFa {\n" + pad + "\n}\n" + pad + "b {\n}\n",
	"a {\n" + pad + "\n}\n\uFEFF" + pad + "b {\n}\n",
	"a {\n" + pad + "\n}\n" + pad + "b {",
	"a {\n" + pad + "\n}\n" + strings.Repeat("b 'c' {\n"+pad+"\n}\n", 120),
}

func TestPieces(t *testing.T) {
	for i, src := range trickyPieces {
		t.Run(fmt.Sprint(i), func(t *testing.T) { samePieces(t, src) })
	}
	f := &source{name: "a", src: []byte(trickyPieces[0])}
	if n := len(f.pieces()); n < 2 {
		t.Errorf("%d pieces: nothing is cut", n)
	}
	for _, p := range f.pieces() {
		if !p.parse() {
			t.Errorf("the piece at line %d is not read by itself", p.start.Line)
		}
	}
}

// FuzzPieces puts what it is given into a text of several pieces.
func FuzzPieces(f *testing.F) {
	for _, src := range trickyPieces {
		f.Add(strings.ReplaceAll(src, pad, "@"))
	}
	f.Fuzz(func(t *testing.T, src string) {
		const most = 20
		if strings.Count(src, "@") > most {
			return
		}
		samePieces(t, strings.ReplaceAll(src, "@", pad))
	})
}
