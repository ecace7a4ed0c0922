package syntax

import (
	"bytes"
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang/diag"
)

// A PlaceKind says what is being written at a place.
type PlaceKind int

const (
	// InBody is where the name of an argument or block begins.
	InBody PlaceKind = iota
	// InLabel is in a label of a block that is not complete, or in one that is.
	InLabel
	// InExpression is where a value or a part of one stands.
	InExpression
	// InKey is where the key of an object constructor stands.
	InKey
	// InText is in the characters of a string.
	InText
	// InComment is in a comment.
	InComment
)

// A Place is what stands around a position.
type Place struct {
	Kind PlaceKind
	// Blocks are the blocks around it, the outermost first. The header of a block is
	// not in it.
	Blocks []*OutlineBlock
	// Header is the type of the block whose label it is in.
	Header string
	// Attr is the argument in whose value it is, nil when it is in none. Object is
	// the object constructor in it, nil when it is in none whose keys belong to the
	// argument's value.
	Attr   *OutlineAttr
	Object *OutlineObject
	// Path is what is written in front of the word, as ["config", "services"] in
	// `config.services.ng`.
	Path []string
	// Word is what is written of the word, or of the text; Range is where all of it
	// stands.
	Word  string
	Range diag.Range
	// Quoted is set in the JSON syntax where the word is in quotes.
	Quoted bool
}

// At returns what stands around a byte of the text.
func (o *Outline) At(offset int) Place {
	if isJSON(o.file.name) {
		return o.atJSON(offset)
	}
	p := Place{}
	i := sort.Search(len(o.tokens), func(i int) bool { return o.tokens[i].Range.Start.Byte >= offset }) - 1
	o.around(&p, &o.Body, offset)
	left := o.word(&p, i, offset)
	if p.Kind == InComment {
		return p
	}
	left = o.unclosedText(&p, left, offset)
	if p.Kind == InText && p.Attr != nil {
		return p
	}
	switch {
	case p.Kind == InText || o.inHeader(left, p.Attr):
		p.Kind, p.Header = InLabel, o.headerWord(left)
	case p.Attr == nil:
		p.Kind = InBody
	case p.Object != nil && o.beginsItem(left):
		p.Kind = InKey
	default:
		p.Kind = InExpression
		o.steps(&p, left)
	}
	return p
}

// around finds the blocks, the argument and the object around a byte.
func (o *Outline) around(p *Place, b *OutlineBody, offset int) {
	for {
		i := slices.IndexFunc(b.Blocks, func(x *OutlineBlock) bool { return contains(x.Body.Range, offset) })
		if i < 0 {
			break
		}
		p.Blocks = append(p.Blocks, b.Blocks[i])
		b = &b.Blocks[i].Body
	}
	for _, a := range b.Attrs {
		if a.NameRange.End.Byte >= offset || !contains(a.Range, offset) {
			continue
		}
		p.Attr = a
		for j := range a.Objects {
			if obj := &a.Objects[j]; obj.Range.Start.Byte < offset && offset < obj.Range.End.Byte {
				p.Object = obj
			}
		}
	}
}

// contains reports whether a byte is in a range, the place behind it included.
func contains(r diag.Range, offset int) bool { return r.Start.Byte <= offset && offset <= r.End.Byte }

// word finds what is written at a byte, the i-th token being the last one that
// begins in front of it. It returns the last token that is before the word.
func (o *Outline) word(p *Place, i, offset int) (left int) {
	p.Range = o.emptyAt(i, offset)
	if i < 0 {
		return i
	}
	tok := o.tokens[i]
	inside := tok.Range.End.Byte >= offset
	switch {
	case tok.Type == hclsyntax.TokenComment && (tok.Range.End.Byte > offset || inside && !endsLine(tok)):
		p.Kind = InComment
		return i
	case inside && (tok.Type == hclsyntax.TokenQuotedLit || tok.Type == hclsyntax.TokenStringLit):
		p.Kind, p.Range = InText, FromRange(tok.Range)
	case inside && tok.Type == hclsyntax.TokenIdent:
		p.Range = FromRange(tok.Range)
	case tok.Type == hclsyntax.TokenOQuote && tok.Range.End.Byte == offset:
		p.Kind = InText
		return i
	default:
		return i
	}
	p.Word = string(o.file.src[tok.Range.Start.Byte:offset])
	return i - 1
}

// unclosedText makes a place behind a quote that is not closed one in a text.
func (o *Outline) unclosedText(p *Place, left, offset int) int {
	for _, q := range o.unclosed {
		if q >= offset || bytes.ContainsRune(o.file.src[q:offset], '\n') {
			continue
		}
		p.Kind, p.Word = InText, string(o.file.src[q+1:offset])
		for left >= 0 && o.tokens[left].Range.Start.Byte > q {
			left--
		}
		p.Range = o.emptyAt(left, q+1)
		p.Range.End = o.emptyAt(left, offset).End
	}
	return left
}

// emptyAt is an empty range at a byte on the line of the i-th token or below it.
func (o *Outline) emptyAt(i, offset int) diag.Range {
	pos := diag.Pos{Line: 1, Column: 1}
	if i >= 0 {
		pos = diag.Pos(o.tokens[i].Range.End)
		if pos.Byte > offset {
			pos = diag.Pos(o.tokens[i].Range.Start)
		}
	}
	for _, c := range string(o.file.src[pos.Byte:offset]) {
		pos.Column++
		if c == '\n' {
			pos.Line, pos.Column = pos.Line+1, 1
		}
	}
	pos.Byte = offset
	return diag.Range{Filename: o.file.name, Start: pos, End: pos}
}

// inHeader reports whether the token is part of a block's header, at the end of
// which something is written.
func (o *Outline) inHeader(left int, attr *OutlineAttr) bool {
	if attr != nil || left < 0 {
		return false
	}
	switch o.tokens[left].Type {
	case hclsyntax.TokenIdent, hclsyntax.TokenCQuote, hclsyntax.TokenOQuote:
		return true
	}
	return false
}

// headerWord is the first word of the line that a token is in.
func (o *Outline) headerWord(i int) string {
	word := ""
	for ; i >= 0; i-- {
		switch tok := o.tokens[i]; tok.Type {
		case hclsyntax.TokenIdent:
			word = string(tok.Bytes)
		case hclsyntax.TokenNewline, hclsyntax.TokenOBrace, hclsyntax.TokenCBrace, hclsyntax.TokenComment:
			return word
		}
	}
	return word
}

// beginsItem reports whether a key can stand behind a token.
func (o *Outline) beginsItem(i int) bool {
	for i >= 0 && o.tokens[i].Type == hclsyntax.TokenComment && !endsLine(o.tokens[i]) {
		i--
	}
	if i < 0 {
		return false
	}
	switch o.tokens[i].Type {
	case hclsyntax.TokenOBrace, hclsyntax.TokenNewline, hclsyntax.TokenComma, hclsyntax.TokenComment:
		return true
	}
	return false
}

// steps notes the names that stand in front of a dot, the i-th token.
func (o *Outline) steps(p *Place, i int) {
	if i < 0 || o.tokens[i].Type != hclsyntax.TokenDot {
		return
	}
	var path []string
	for i--; i >= 0; {
		tok := o.tokens[i]
		switch {
		case tok.Type == hclsyntax.TokenIdent || tok.Type == hclsyntax.TokenNumberLit:
			path = append(path, string(tok.Bytes))
			if i--; i < 0 || o.tokens[i].Type != hclsyntax.TokenDot {
				slices.Reverse(path)
				p.Path = path
				return
			}
			i--
		case tok.Type == hclsyntax.TokenCBrack && i >= 4 && o.tokens[i-2].Type == hclsyntax.TokenQuotedLit && o.tokens[i-4].Type == hclsyntax.TokenOBrack:
			path = append(path, quoted(o.tokens[i-2]))
			i -= 5
		default:
			return // the value of an expression, which is not known here
		}
	}
}

// NameAt returns the name in an expression that a byte is in, and the step of
// it: -1 for its root.
func (o *Outline) NameAt(offset int) (n OutlineName, step int, ok bool) {
	i := sort.Search(len(o.Names), func(i int) bool { return o.Names[i].Range.End.Byte >= offset })
	if i == len(o.Names) || o.Names[i].Range.Start.Byte > offset {
		return OutlineName{}, 0, false
	}
	n, step = o.Names[i], -1
	for j, s := range n.Path {
		if s.Range.Start.Byte <= offset {
			step = j
		}
	}
	return n, step, true
}
