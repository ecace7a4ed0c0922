package syntax

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Most of the text of many definitions is in scripts. A heredoc that is plain is
// not given to the HCL parser, which takes dozens of allocations and 4 KiB for each
// of its lines; and its tree is made when somebody asks for it, and dropped, as it
// takes ten times the memory that its text has. So it is with a name, a.b.c.
//
// A heredoc is plain when it is the whole of an argument, its text is printable
// ASCII, and there are no sequences in it but ${a.b.c}. What the parser makes of
// such a text is what [source.plainTree] makes of it: FuzzPlainHeredocs compares
// them.

// A span is where a plain expression begins and ends. There may be very many.
type span struct {
	start, end position
}

// A position is a hcl.Pos of a text that has no more than [MaxFileSize] bytes.
type position struct{ line, column, byte int32 }

func makeSpan(r hcl.Range) span {
	at := func(p hcl.Pos) position { return position{int32(p.Line), int32(p.Column), int32(p.Byte)} }
	return span{at(r.Start), at(r.End)}
}

func (p position) pos() hcl.Pos {
	return hcl.Pos{Line: int(p.line), Column: int(p.column), Byte: int(p.byte)}
}

func (s span) rng(file string) hcl.Range {
	return hcl.Range{Filename: file, Start: s.start.pos(), End: s.end.pos()}
}

// takePlainHeredocs finds the plain heredocs of a text that begins at start. It
// returns the text with each of them blanked out as [extractHeredocs] does, and
// where they are by the offset of their first byte. When it cannot be sure of
// every heredoc in the text, it takes none.
func takePlainHeredocs(text []byte, start hcl.Pos) ([]byte, map[int]span) {
	rest := text
	if !bytes.Contains(rest, []byte("<<")) {
		return text, nil
	}
	var out []byte
	var docs map[int]span
	pos := start
	for len(rest) > 0 {
		n := lineLength(rest)
		line := rest[:n]
		at := heredocStart(line)
		if at < 0 {
			// Whether a heredoc begins here, a comment that swallows others, or
			// nothing: that is for the lexer.
			if bytes.Contains(line, []byte("<<")) || bytes.Contains(line, []byte("/*")) {
				return text, nil
			}
			rest = rest[n:]
			pos.Line, pos.Byte = pos.Line+1, pos.Byte+n
			continue
		}
		size, lines, ok := plainLength(rest[at:])
		if !ok {
			return text, nil
		}
		from, to := pos.Byte+at-start.Byte, pos.Byte+at+size-start.Byte
		lastLine := to - 1 - bytes.LastIndexByte(text[:to], '\n')
		rng := hcl.Range{
			Start: hcl.Pos{Line: pos.Line, Column: at + 1, Byte: pos.Byte + at},
			End:   hcl.Pos{Line: pos.Line + lines, Column: lastLine + 1, Byte: pos.Byte + at + size},
		}
		if docs == nil {
			out, docs = bytes.Clone(text), make(map[int]span)
		}
		docs[rng.Start.Byte] = makeSpan(rng)
		blankOut(out[from:to])
		// The newline behind the closing word is there: plainLength saw it.
		rest = rest[at+size+1:]
		pos.Line, pos.Byte = rng.End.Line+1, rng.End.Byte+1
	}
	if docs == nil {
		return text, nil
	}
	return out, docs
}

// lineLength returns the length of the first line, with its newline.
func lineLength(text []byte) int {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return i + 1
	}
	return len(text)
}

// heredocStart returns where << is in a line that begins an argument with a
// heredoc, and -1 for any other line.
func heredocStart(line []byte) int {
	i := skipBlanks(line, 0)
	name := nameLength(line[i:])
	if name == 0 {
		return -1
	}
	i = skipBlanks(line, i+name)
	if i >= len(line) || line[i] != '=' {
		return -1
	}
	i = skipBlanks(line, i+1)
	if marker, _ := heredocMarker(line[i:]); marker == nil {
		return -1
	}
	return i
}

// heredocMarker returns the closing word that a heredoc asks for, whose text
// begins with <<; nil if it is none.
func heredocMarker(text []byte) (marker []byte, flush bool) {
	rest, ok := bytes.CutPrefix(text, []byte("<<"))
	if !ok {
		return nil, false
	}
	rest, flush = bytes.CutPrefix(rest, []byte("-"))
	n := nameLength(rest)
	if n == 0 || n >= len(rest) || rest[n] != '\n' {
		return nil, false
	}
	return rest[:n], flush
}

func skipBlanks(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	return i
}

// nameLength returns the length of the identifier that text begins with, 0 if it
// is not one of ASCII letters, digits, _ and -.
func nameLength(text []byte) int {
	for i, c := range text {
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-'):
		default:
			return i
		}
	}
	return len(text)
}

// plainLength returns the length of the plain heredoc that text begins with, from
// << to the closing word, and the number of newlines in it. ok is false when it is
// not plain, or has no end.
func plainLength(text []byte) (size, lines int, ok bool) {
	marker, _ := heredocMarker(text)
	size = lineLength(text)
	for lines = 1; size < len(text); lines++ {
		n := lineLength(text[size:])
		line := text[size : size+n]
		if bytes.Equal(bytes.TrimSpace(line), marker) {
			alone := skipBlanks(line, 0)+len(marker)+1 == len(line)
			return size + n - 1, lines, alone && lines > 1
		}
		if !isPlainLine(line) {
			return 0, 0, false
		}
		size += n
	}
	return 0, 0, false
}

// isPlainLine reports whether a line of a heredoc ends in a newline and has
// nothing in it but what [source.plainTree] knows.
func isPlainLine(line []byte) bool {
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\n':
			return true
		case c == '$' || c == '%':
			// The line ends in a newline or, being the last, is not plain.
			switch next := line[min(i+1, len(line)-1)]; {
			case c == '$' && next == '{':
				n := plainNameLength(line[i+2:])
				if n == 0 || line[i+2+n] != '}' {
					return false
				}
				i += n + 2
			case next == '{' || next == '$' || next == '%' || next == '\n':
				return false
			}
		case c < ' ' && c != '\t' || c >= 0x7f:
			return false
		}
	}
	return false
}

// plainNameLength returns the length of the a.b.c that text begins with and goes
// on behind, 0 if there is none.
func plainNameLength(text []byte) int {
	i := nameLength(text)
	switch string(text[:i]) {
	case "", "true", "false", "null":
		return 0
	}
	for i < len(text) && text[i] == '.' {
		n := nameLength(text[i+1:])
		if n == 0 {
			return 0
		}
		i += 1 + n
	}
	if i == len(text) {
		return 0
	}
	return i
}

// plainTree makes the tree of a plain expression.
func (f *source) plainTree(at span) hclsyntax.Expression {
	rng := at.rng(f.name)
	text := f.src[rng.Start.Byte:rng.End.Byte]
	if !bytes.HasPrefix(text, []byte("<<")) {
		b := plainBuilder{file: f.name, pos: rng.Start}
		return b.name(string(text))
	}
	_, flush := heredocMarker(text)
	body := text[lineLength(text) : bytes.LastIndexByte(text, '\n')+1]
	b := plainBuilder{
		file: f.name,
		pos:  hcl.Pos{Line: rng.Start.Line + 1, Column: 1, Byte: rng.Start.Byte + lineLength(text)},
	}
	if flush {
		b.indent = commonIndent(body)
	}
	b.parts = make([]hclsyntax.Expression, 0, 1+2*bytes.Count(body, []byte("${")))
	b.literal.Grow(len(body))
	for len(body) > 0 {
		n := lineLength(body)
		b.line(body[:n])
		body = body[n:]
	}
	b.endLiteral()
	return &hclsyntax.TemplateExpr{Parts: b.parts, SrcRange: rng}
}

// commonIndent is the number of blanks that all lines begin with, those with
// nothing else not counted.
func commonIndent(body []byte) int {
	least := -1
	for len(body) > 0 {
		n := lineLength(body)
		if blanks := skipBlanks(body[:n], 0); blanks < n-1 && (least < 0 || blanks < least) {
			least = blanks
		}
		body = body[n:]
	}
	return max(least, 0)
}

// A plainBuilder makes the parts of a plain heredoc.
type plainBuilder struct {
	file    string
	indent  int // blanks to leave out of each line
	pos     hcl.Pos
	parts   []hclsyntax.Expression
	literal strings.Builder
	from    hcl.Pos // where the literal begins
	started bool
}

func (b *plainBuilder) line(line []byte) {
	if blanks := skipBlanks(line, 0); blanks < len(line)-1 {
		line = line[b.indent:]
		b.advance(b.indent)
	}
	for len(line) > 0 {
		i := bytes.Index(line, []byte("${"))
		if i < 0 {
			b.text(line)
			b.pos = hcl.Pos{Line: b.pos.Line + 1, Column: 1, Byte: b.pos.Byte + len(line)}
			return
		}
		if i > 0 || b.indent > 0 && b.pos.Column == 1+b.indent {
			b.text(line[:i])
			b.advance(i)
		}
		b.endLiteral()
		n := plainNameLength(line[i+2:])
		b.advance(2)
		b.parts = append(b.parts, b.name(string(line[i+2:i+2+n])))
		b.advance(1)
		line = line[i+n+3:]
	}
}

func (b *plainBuilder) advance(n int) {
	b.pos.Column += n
	b.pos.Byte += n
}

func (b *plainBuilder) text(t []byte) {
	if !b.started {
		b.from, b.started = b.pos, true
	}
	b.literal.Write(t)
}

func (b *plainBuilder) endLiteral() {
	if !b.started {
		return
	}
	b.parts = append(b.parts, &hclsyntax.LiteralValueExpr{
		Val:      cty.StringVal(b.literal.String()),
		SrcRange: hcl.Range{Filename: b.file, Start: b.from, End: b.pos},
	})
	b.literal.Reset()
	b.started = false
}

// name makes the tree of a.b.c.
func (b *plainBuilder) name(text string) *hclsyntax.ScopeTraversalExpr {
	start := b.pos
	steps := make(hcl.Traversal, 0, 1+strings.Count(text, "."))
	for i, word := range strings.Split(text, ".") {
		from := b.pos
		if i > 0 {
			b.advance(1)
		}
		b.advance(len(word))
		rng := hcl.Range{Filename: b.file, Start: from, End: b.pos}
		if i == 0 {
			steps = append(steps, hcl.TraverseRoot{Name: word, SrcRange: rng})
		} else {
			steps = append(steps, hcl.TraverseAttr{Name: word, SrcRange: rng})
		}
	}
	return &hclsyntax.ScopeTraversalExpr{Traversal: steps, SrcRange: hcl.Range{Filename: b.file, Start: start, End: b.pos}}
}
