package syntax

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang/diag"
)

// An Outline is what tools see of a text that somebody is writing: where blocks,
// arguments and names stand. Nothing of it is checked, and what is unfinished or
// wrong is passed over.
type Outline struct {
	// Body is the top of the file.
	Body OutlineBody
	// Names are all names in expressions, in the order of the text. Those that an
	// expression itself introduces, with for, are not among them.
	Names []OutlineName

	file   *source
	tokens hclsyntax.Tokens
	// unclosed are the offsets of quotes that nobody closes on their line.
	unclosed []int
}

// An OutlineBody is the top of a file or what stands between a block's braces.
type OutlineBody struct {
	Attrs  []*OutlineAttr
	Blocks []*OutlineBlock
	// Range is what is inside of the braces. A body that nobody has closed ends
	// where the text or the next block at the left margin does.
	Range diag.Range
}

// An OutlineBlock is one block.
type OutlineBlock struct {
	Type        string
	Labels      []string
	TypeRange   diag.Range
	LabelRanges []diag.Range
	// Range is of the header; Whole is of everything.
	Range, Whole diag.Range
	Body         OutlineBody
}

// An OutlineAttr is `name = expression`.
type OutlineAttr struct {
	Name      string
	NameRange diag.Range
	// Range is of name and expression, and goes on to the end of the line.
	Range diag.Range
	// Objects are the object constructors in the expression whose keys are part of
	// the argument's value, outer ones first.
	Objects []OutlineObject
	// Texts are the texts in quotes in the expression, in the order in which they
	// stand there. Those with other escapes than of quotes and backslashes are left out.
	Texts []OutlineText
}

// An OutlineText is a text in quotes, up to the first sequence of a template in it.
type OutlineText struct {
	Text string
	// Whole is set when nothing follows up to the closing quote.
	Whole bool

	// start is where the text begins, behind the quote, and raw how it is written.
	start diag.Range
	raw   string
}

// newOutlineText returns the text that a source begins with at start, ok being false
// when it is not known which byte of it is where.
func newOutlineText(text string, whole bool, start diag.Range, src []byte) (t OutlineText, ok bool) {
	t = OutlineText{Text: text, Whole: whole, start: start, raw: string(src)}
	at := 0
	for i := range len(text) {
		switch {
		case strings.HasPrefix(t.raw[at:], `\\`) || strings.HasPrefix(t.raw[at:], `\"`):
			at++
		case strings.HasPrefix(t.raw[at:], `\`):
			return OutlineText{}, false
		}
		if at >= len(t.raw) || t.raw[at] != text[i] {
			return OutlineText{}, false
		}
		at++
	}
	t.raw = t.raw[:at]
	return t, true
}

// Part is the place of some bytes of the text.
func (t OutlineText) Part(from, to int) diag.Range {
	r := t.start
	r.Start, r.End = t.pos(from), t.pos(to)
	return r
}

// pos is where a byte of the text is. Columns are right for ASCII.
func (t OutlineText) pos(n int) diag.Pos {
	at := 0
	for ; n > 0; n-- {
		if t.raw[at] == '\\' {
			at++
		}
		at++
	}
	p := t.start.Start
	p.Byte += at
	p.Column += at
	return p
}

// An OutlineObject is `{ key = value, … }`.
type OutlineObject struct {
	// Path is the keys on the way to it, none for the outermost.
	Path []string
	// Calls are the functions that it is in an argument of, outer ones first.
	Calls []string
	Range diag.Range
	Keys  []OutlineKey
}

// An OutlineKey is a key of an object constructor that is written out.
type OutlineKey struct {
	Name  string
	Range diag.Range
}

// An OutlineName is a name in an expression, with what is behind it: `local.x`,
// or the name of a function.
type OutlineName struct {
	Reference
	// Call is set for the name of a function that is called.
	Call bool
}

// maxOutlineDepth is how deep a text is looked into.
const maxOutlineDepth = 2 * MaxNesting

// ReadOutline looks through a text, whatever is in it. A text beyond the limits
// of a definition has an empty outline. name is what ranges call the file.
func ReadOutline(src []byte, name string) *Outline {
	if isJSON(name) {
		return outlineJSON(&source{name: name, src: src})
	}
	o := &Outline{file: &source{name: name, src: src}}
	if o.file.checkBytes().HasErrors() {
		return o
	}
	o.lex()
	s := &outliner{Outline: o}
	o.Body = s.body(false)
	return o
}

// maxUnclosed is how many quotes that are not closed are understood.
const maxUnclosed = 8

// lex reads the tokens. A quote that is not closed on its line, because somebody
// is writing the text, would turn everything behind it inside out, and so is left
// out.
func (o *Outline) lex() {
	src := o.file.src
	for {
		o.tokens, _ = hclsyntax.LexConfig(src, o.file.name, startPos) // what is wrong with it is the parser's to say
		open, ok := unclosedQuote(o.tokens)
		if !ok || len(o.unclosed) == maxUnclosed {
			return
		}
		if len(o.unclosed) == 0 {
			src = bytes.Clone(src)
		}
		src[open] = ' '
		o.unclosed = append(o.unclosed, open)
	}
}

// unclosedQuote returns the offset of the first quote that a line ends in.
func unclosedQuote(tokens hclsyntax.Tokens) (int, bool) {
	var open []int
	for _, tok := range tokens {
		switch tok.Type {
		case hclsyntax.TokenOQuote:
			open = append(open, tok.Range.Start.Byte)
		case hclsyntax.TokenCQuote:
			open = open[:max(0, len(open)-1)]
		case hclsyntax.TokenQuotedNewline, hclsyntax.TokenEOF:
			if len(open) > 0 {
				return open[len(open)-1], true
			}
		}
	}
	return 0, false
}

// An outliner goes over the tokens of a text once.
type outliner struct {
	*Outline
	at    int
	depth int
	// locals are the names that for has introduced, quotes how many there were at
	// the begin of each text around.
	locals []string
	quotes []int
	calls  []string
	// texts are those of the argument that is being read.
	texts []OutlineText
	// aborted is set at the header of a block at the left margin, when something
	// around it has not been closed.
	aborted bool
}

func (s *outliner) token(ahead int) hclsyntax.Token {
	if i := s.at + ahead; i < len(s.tokens) {
		return s.tokens[i]
	}
	return hclsyntax.Token{Type: hclsyntax.TokenEOF}
}

func (s *outliner) is(ahead int, t hclsyntax.TokenType) bool { return s.token(ahead).Type == t }

// span is from the start of one token to the end of another.
func (s *outliner) span(from, to int) diag.Range {
	if len(s.tokens) == 0 {
		return diag.Range{Filename: s.file.name, Start: diag.Pos(startPos), End: diag.Pos(startPos)}
	}
	last := len(s.tokens) - 1
	r := FromRange(s.tokens[min(from, last)].Range)
	r.End = FromRange(s.tokens[min(max(from, to), last)].Range).End
	return r
}

// body reads arguments and blocks up to a closing brace, or to the end.
func (s *outliner) body(nested bool) OutlineBody {
	var b OutlineBody
	start := s.at
	for !s.is(0, hclsyntax.TokenEOF) {
		switch {
		case nested && (s.is(0, hclsyntax.TokenCBrace) || s.aborted || s.header()):
			s.aborted = s.aborted || !s.is(0, hclsyntax.TokenCBrace)
			b.Range = s.between(start, s.at)
			return b
		case s.is(0, hclsyntax.TokenIdent):
			s.statement(&b)
			if !nested {
				s.aborted = false
			}
		default:
			s.at++
		}
	}
	b.Range = s.between(start, s.at)
	return b
}

// between is from the start of one token to that of another.
func (s *outliner) between(from, to int) diag.Range {
	r := s.span(from, from)
	r.End = s.span(to, to).Start
	return r
}

// header reports whether a block begins here, at the left margin.
func (s *outliner) header() bool {
	if !s.is(0, hclsyntax.TokenIdent) || s.token(0).Range.Start.Column != 1 {
		return false
	}
	return s.is(s.labels(1, nil), hclsyntax.TokenOBrace)
}

// labels passes over the labels of a block, from the i-th token ahead, and calls
// found for each.
func (s *outliner) labels(i int, found func(text string, at diag.Range)) int {
	for {
		switch {
		case s.is(i, hclsyntax.TokenIdent):
			if found != nil {
				found(string(s.token(i).Bytes), s.span(s.at+i, s.at+i))
			}
			i++
		case s.is(i, hclsyntax.TokenOQuote) && s.is(i+1, hclsyntax.TokenCQuote):
			if found != nil {
				found("", s.span(s.at+i, s.at+i+1))
			}
			i += 2
		case s.is(i, hclsyntax.TokenOQuote) && s.is(i+1, hclsyntax.TokenQuotedLit) && s.is(i+2, hclsyntax.TokenCQuote):
			if found != nil {
				found(quoted(s.token(i+1)), s.span(s.at+i, s.at+i+2))
			}
			i += 3
		default:
			return i
		}
	}
}

// quoted is the text of a quoted literal.
func quoted(tok hclsyntax.Token) string {
	text, _ := hclsyntax.ParseStringLiteralToken(tok) // a wrong escape is as good as any text
	return text
}

// statement reads an argument or a block. Anything else is one token.
func (s *outliner) statement(b *OutlineBody) {
	if s.is(1, hclsyntax.TokenEqual) {
		b.Attrs = append(b.Attrs, s.attr())
		return
	}
	block := &OutlineBlock{Type: string(s.token(0).Bytes), TypeRange: s.span(s.at, s.at)}
	end := s.labels(1, func(text string, at diag.Range) {
		block.Labels = append(block.Labels, text)
		block.LabelRanges = append(block.LabelRanges, at)
	})
	if !s.is(end, hclsyntax.TokenOBrace) || s.depth >= maxOutlineDepth {
		s.at++
		return
	}
	start := s.at
	block.Range = s.span(start, start+end-1)
	s.at += end + 1
	s.depth++
	block.Body = s.body(true)
	s.depth--
	if s.is(0, hclsyntax.TokenCBrace) && !s.aborted {
		s.at++
		block.Whole = s.span(start, s.at-1)
	} else {
		block.Whole = s.between(start, s.at)
	}
	b.Blocks = append(b.Blocks, block)
}

func (s *outliner) attr() *OutlineAttr {
	a := &OutlineAttr{Name: string(s.token(0).Bytes), NameRange: s.span(s.at, s.at)}
	start := s.at
	s.at += 2
	s.texts = nil
	s.expression(atLineEnd, func(o OutlineObject) { a.Objects = append(a.Objects, o) }, nil)
	a.Range, a.Texts = s.between(start, s.at), s.texts
	slices.SortStableFunc(a.Objects, func(x, y OutlineObject) int { return x.Range.Compare(y.Range) })
	return a
}

// Where expressions end, beside at the end of what is around them.
var (
	atLineEnd = []hclsyntax.TokenType{hclsyntax.TokenNewline}
	atItemEnd = []hclsyntax.TokenType{hclsyntax.TokenNewline, hclsyntax.TokenComma}
)

// expression reads up to a token of the types in stop, at this level, or up to
// whatever ends what is around it. objects, when not nil, is told of the object
// constructors whose keys belong to the value that is at path.
func (s *outliner) expression(stop []hclsyntax.TokenType, objects func(OutlineObject), path []string) {
	for !s.aborted {
		tok := s.token(0)
		if slices.Contains(stop, tok.Type) {
			return
		}
		switch tok.Type {
		case hclsyntax.TokenEOF, hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			return
		case hclsyntax.TokenComment:
			if endsLine(tok) && slices.Contains(stop, hclsyntax.TokenNewline) {
				return
			}
			s.at++
			s.aborted = s.header()
		case hclsyntax.TokenNewline:
			s.at++
			s.aborted = s.header()
		case hclsyntax.TokenOBrace:
			s.object(objects, path)
		case hclsyntax.TokenOParen:
			s.group(hclsyntax.TokenCParen, objects, path)
		case hclsyntax.TokenOBrack:
			s.group(hclsyntax.TokenCBrack, nil, nil)
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			s.group(hclsyntax.TokenTemplateSeqEnd, nil, nil)
		case hclsyntax.TokenIdent:
			s.name()
		default:
			s.text()
			s.quote(tok.Type)
			s.at++
		}
	}
}

// text notes the text whose opening quote this is.
func (s *outliner) text() {
	if !s.is(0, hclsyntax.TokenOQuote) || !s.is(1, hclsyntax.TokenQuotedLit) {
		return
	}
	text, ok := newOutlineText(quoted(s.token(1)), s.is(2, hclsyntax.TokenCQuote), s.span(s.at+1, s.at+1), s.token(1).Bytes)
	if ok {
		s.texts = append(s.texts, text)
	}
}

// quote forgets at the end of a text which names its directives introduced.
func (s *outliner) quote(t hclsyntax.TokenType) {
	switch t {
	case hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
		s.quotes = append(s.quotes, len(s.locals))
	case hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
		if last := len(s.quotes) - 1; last >= 0 {
			s.locals = s.locals[:min(len(s.locals), s.quotes[last])]
			s.quotes = s.quotes[:last]
		}
	}
}

// endsLine reports whether a comment has the end of its line in it.
func endsLine(tok hclsyntax.Token) bool {
	return len(tok.Bytes) > 0 && tok.Bytes[len(tok.Bytes)-1] == '\n'
}

// group reads from a bracket to the one that closes it.
func (s *outliner) group(end hclsyntax.TokenType, objects func(OutlineObject), path []string) {
	control := s.is(0, hclsyntax.TokenTemplateControl)
	calls, locals := len(s.calls), len(s.locals)
	if s.is(0, hclsyntax.TokenOParen) && s.at > 0 && s.tokens[s.at-1].Type == hclsyntax.TokenIdent {
		s.calls = append(s.calls, string(s.tokens[s.at-1].Bytes))
	}
	s.at++
	if s.depth >= maxOutlineDepth {
		return
	}
	s.depth++
	s.introduced()
	s.expression(nil, objects, path)
	if s.is(0, end) {
		s.at++
	}
	s.depth--
	s.calls = s.calls[:calls]
	if !control { // %{for x in xs} goes on behind its bracket
		s.locals = s.locals[:min(len(s.locals), locals)]
	}
}

// introduced reads `for k, v in`, when that stands here, and notes the names.
func (s *outliner) introduced() {
	if !s.is(0, hclsyntax.TokenIdent) || string(s.token(0).Bytes) != "for" || !s.is(1, hclsyntax.TokenIdent) {
		return
	}
	for s.at++; s.is(0, hclsyntax.TokenIdent) || s.is(0, hclsyntax.TokenComma); s.at++ {
		word := string(s.token(0).Bytes)
		if word == "in" {
			s.at++
			return
		}
		if s.is(0, hclsyntax.TokenIdent) {
			s.locals = append(s.locals, word)
		}
	}
}

// object reads an object constructor or an object's for expression.
func (s *outliner) object(objects func(OutlineObject), path []string) {
	start := s.at
	if isWord(s.tokens, s.at+1, "for") {
		s.group(hclsyntax.TokenCBrace, nil, nil)
		return
	}
	s.at++
	if s.depth >= maxOutlineDepth {
		return
	}
	s.depth++
	defer func() { s.depth-- }()
	o := OutlineObject{Path: path, Calls: slices.Clone(s.calls)}
	for !s.aborted && !s.is(0, hclsyntax.TokenCBrace) && !s.is(0, hclsyntax.TokenEOF) {
		s.item(&o, objects)
	}
	if s.is(0, hclsyntax.TokenCBrace) {
		s.at++
	}
	o.Range = s.between(start, s.at)
	if objects != nil {
		objects(o)
	}
}

// item reads one `key = value`, or one token that does not belong to any.
func (s *outliner) item(o *OutlineObject, objects func(OutlineObject)) {
	keyed := func(n int) bool { return s.is(n, hclsyntax.TokenEqual) || s.is(n, hclsyntax.TokenColon) }
	key, length := "", 0
	switch {
	case s.is(0, hclsyntax.TokenIdent) && keyed(1):
		key, length = string(s.token(0).Bytes), 1
	case s.is(0, hclsyntax.TokenOQuote) && s.is(1, hclsyntax.TokenQuotedLit) && s.is(2, hclsyntax.TokenCQuote) && keyed(3):
		key, length = quoted(s.token(1)), 3
	case s.is(0, hclsyntax.TokenOParen):
		s.group(hclsyntax.TokenCParen, nil, nil)
		if keyed(0) {
			s.at++
			s.expression(atItemEnd, nil, nil)
		}
		return
	case s.is(0, hclsyntax.TokenNewline):
		s.at++
		s.aborted = s.header()
		return
	case s.is(0, hclsyntax.TokenOQuote), s.is(0, hclsyntax.TokenOBrace), s.is(0, hclsyntax.TokenOBrack):
		s.expression(atItemEnd, nil, nil) // a key with interpolations, or a mistake
		return
	default:
		s.at++
		return
	}
	o.Keys = append(o.Keys, OutlineKey{Name: key, Range: s.span(s.at, s.at+length-1)})
	s.at += length + 1
	s.expression(atItemEnd, objects, append(slices.Clone(o.Path), key))
}

// name reads a name and the steps behind it that are written out.
func (s *outliner) name() {
	tok, start := s.token(0), s.at
	afterDot := start > 0 && s.tokens[start-1].Type == hclsyntax.TokenDot
	s.at++
	if afterDot || isKeyword(tok) {
		return
	}
	n := OutlineName{Reference: Reference{Root: string(tok.Bytes)}, Call: s.is(0, hclsyntax.TokenOParen)}
	if !n.Call {
		n.Path = s.steps()
	}
	n.Range = s.span(start, s.at-1)
	if !slices.Contains(s.locals, n.Root) {
		s.Names = append(s.Names, n)
	}
}

// isKeyword reports whether a word in an expression is no name.
func isKeyword(tok hclsyntax.Token) bool {
	switch string(tok.Bytes) {
	case "true", "false", "null", "for", "in", "if", "else", "endif", "endfor":
		return true
	}
	return false
}

// steps reads `.name`, `["name"]` and `[3]`.
func (s *outliner) steps() []Step {
	var path []Step
	for {
		switch {
		case s.is(0, hclsyntax.TokenDot) && (s.is(1, hclsyntax.TokenIdent) || s.is(1, hclsyntax.TokenNumberLit)):
			path = append(path, Step{Name: string(s.token(1).Bytes), Range: s.span(s.at+1, s.at+1)})
			s.at += 2
		case s.is(0, hclsyntax.TokenOBrack) && s.is(1, hclsyntax.TokenNumberLit) && s.is(2, hclsyntax.TokenCBrack):
			path = append(path, Step{Name: string(s.token(1).Bytes), Index: true, Range: s.span(s.at+1, s.at+1)})
			s.at += 3
		case s.is(0, hclsyntax.TokenOBrack) && s.is(1, hclsyntax.TokenOQuote) && s.is(2, hclsyntax.TokenQuotedLit) &&
			s.is(3, hclsyntax.TokenCQuote) && s.is(4, hclsyntax.TokenCBrack):
			path = append(path, Step{Name: quoted(s.token(2)), Index: true, Range: s.span(s.at+1, s.at+3)})
			s.at += 5
		default:
			return path
		}
	}
}
