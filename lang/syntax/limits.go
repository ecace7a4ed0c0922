package syntax

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/text/unicode/norm"

	"sysc/lang/diag"
)

// Limits of a text. What is beyond them is refused before the parser, whose
// recursion would end the process, or whose memory would.
const (
	// MaxFileSize is in bytes.
	MaxFileSize = 8 << 20
	// MaxNesting is the depth of everything that nests: brackets, blocks,
	// interpolations, template directives, prefix operators, conditionals.
	MaxNesting = 200
	// MaxChain is the number of operators and indices in one expression, which
	// the parser nests as well.
	MaxChain = 2000
	// maxSymbols bounds words and punctuation characters. A token of the lexer
	// has 100 bytes.
	maxSymbols = 1_500_000
	// A number literal has at most maxNumberLen characters and an exponent within
	// maxExponent.
	maxNumberLen = 200
	maxExponent  = 300
)

// checkBytes holds the limits that concern the raw text.
func (f *source) checkBytes() diag.List {
	if len(f.src) > MaxFileSize {
		return diag.Errorf(f.at(0, 0), "File too large",
			"%s has more than %d MiB. Long texts belong into files of their own, read with file() or source().", f.name, MaxFileSize>>20)
	}
	symbols, inWord := 0, false
	for _, c := range f.src {
		switch {
		case c >= 0x80 || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			if !inWord {
				symbols++
			}
			inWord = true
		case c == ' ' || c == '\t' || c == '\r':
			inWord = false
		default:
			symbols++
			inWord = false
		}
	}
	if symbols > maxSymbols {
		return diag.Errorf(f.at(0, 0), "File too large",
			"%s has %d words and symbols, and at most %d can be read from one file. Split it, and move long texts into files read with file() or source().", f.name, symbols, maxSymbols)
	}
	return nil
}

// at returns a range for byte offsets in the first line.
func (f *source) at(from, to int) diag.Range {
	return diag.Range{Filename: f.name, Start: diag.Pos{Line: 1, Column: 1 + from, Byte: from}, End: diag.Pos{Line: 1, Column: 1 + to, Byte: to}}
}

// checkTokens holds the limits that concern tokens, and warns of literals that
// are about to be changed by normalisation.
func (f *source) checkTokens(tokens hclsyntax.Tokens) diag.List {
	n := nesting{levels: []level{{}}}
	var diags diag.List
	for i, tok := range tokens {
		if msg := n.next(tokens, i); msg != "" {
			return diag.Errorf(FromRange(tok.Range), "Expression nested too deeply", "%s", msg)
		}
		switch tok.Type {
		case hclsyntax.TokenNumberLit:
			diags = append(diags, checkNumber(tok)...)
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit:
			diags = append(diags, checkNormal(tok)...)
		case hclsyntax.TokenIdent:
			if !norm.NFC.IsNormal(tok.Bytes) {
				diags = append(diags, diag.Errorf(FromRange(tok.Range), "Name is not normalised",
					"The characters of this name are composed in another way than those of %q, which looks the same: it is not in Unicode normalisation form C. Write it like that everywhere.", norm.NFC.String(string(tok.Bytes)))...)
			}
		}
	}
	return diags
}

func checkNumber(tok hclsyntax.Token) diag.List {
	text := string(tok.Bytes)
	exp := 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		var err error
		exp, err = strconv.Atoi(text[i+1:])
		if err != nil {
			exp = maxExponent + 1
		}
	}
	if len(text) <= maxNumberLen && -maxExponent <= exp && exp <= maxExponent {
		return nil
	}
	return diag.Errorf(FromRange(tok.Range), "Number out of range",
		"A number has at most %d digits and an exponent between -%d and %d.", maxNumberLen, maxExponent, maxExponent)
}

func checkNormal(tok hclsyntax.Token) diag.List {
	text := tok.Bytes
	if bytes.Contains(text, []byte(`\u`)) || bytes.Contains(text, []byte(`\U`)) {
		decoded, _ := hclsyntax.ParseStringLiteralToken(tok) // the parser says what is wrong with it
		text = []byte(decoded)
	}
	if norm.NFC.IsNormal(text) {
		return nil
	}
	return diag.List{willBeNormalised(FromRange(tok.Range))}
}

func willBeNormalised(rng diag.Range) *diag.Diagnostic {
	return diag.New(diag.Warning, rng, "Text will be normalised",
		"Strings are kept in Unicode normalisation form C, and this literal is not in it: its bytes will change. To have the bytes as they are, put them into a file and use source() or filebase64().")
}

// nesting follows the depth that the parser's recursion will have.
type nesting struct {
	levels []level
	depth  int // sum of the levels' weights
	chain  int // sum of the levels' chains
	prev   hclsyntax.TokenType
}

// A level is one open bracket, quote or template sequence.
type level struct {
	close  hclsyntax.TokenType
	weight int // 1 for what nests, and prefix operators, conditionals and directives in it
	unary  int // prefix operators right before what comes next
	ternary,
	directives,
	chain int
	lines bool // a newline ends an item
}

const tooDeep = "Brackets, blocks, interpolations, prefix operators and conditionals may be nested up to 200 levels deep. Give parts of the expression names in a locals block."

const tooLong = "One expression may have up to 2,000 operators and indices. Use a list with a function such as sum, anytrue or join, or give parts of the expression names in a locals block."

// next looks at tokens[i] and returns what is wrong with it.
func (n *nesting) next(tokens hclsyntax.Tokens, i int) string {
	tok := tokens[i]
	top := &n.levels[len(n.levels)-1]
	operand := endsOperand(n.prev)
	switch tok.Type {
	case hclsyntax.TokenComment:
		if !bytes.HasSuffix(tok.Bytes, []byte("\n")) {
			return ""
		}
		n.newline(top)
		return ""
	case hclsyntax.TokenNewline:
		n.newline(top)
	case hclsyntax.TokenComma, hclsyntax.TokenFatArrow:
		n.endItem(top)
	case hclsyntax.TokenOBrace, hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenTemplateInterp,
		hclsyntax.TokenTemplateControl, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
		if tok.Type == hclsyntax.TokenOBrack && operand {
			n.link(top)
		}
		n.open(tokens, i)
	case hclsyntax.TokenCBrace, hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenTemplateSeqEnd,
		hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
		n.shut(tok.Type)
	case hclsyntax.TokenBang:
		n.add(&top.unary, 1)
	case hclsyntax.TokenMinus:
		if operand {
			n.link(top)
		} else {
			n.add(&top.unary, 1)
		}
	case hclsyntax.TokenQuestion:
		n.add(&top.ternary, 1)
	case hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPlus, hclsyntax.TokenPercent, hclsyntax.TokenEqualOp,
		hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan,
		hclsyntax.TokenGreaterThanEq, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenDot:
		n.link(top)
	}
	if endsOperand(tok.Type) {
		top = &n.levels[len(n.levels)-1]
		n.add(&top.unary, -top.unary)
	}
	n.prev = tok.Type
	switch {
	case n.depth > MaxNesting:
		return tooDeep
	case n.chain > MaxChain:
		return tooLong
	}
	return ""
}

func (n *nesting) add(counter *int, by int) {
	*counter += by
	n.depth += by
}

func (n *nesting) link(l *level) {
	l.chain++
	n.chain++
}

func (n *nesting) newline(l *level) {
	if l.lines || len(n.levels) == 1 {
		n.endItem(l)
	}
}

// endItem forgets what belongs to one item of a list, argument or attribute.
func (n *nesting) endItem(l *level) {
	n.add(&l.ternary, -l.ternary)
	n.add(&l.unary, -l.unary)
	n.chain -= l.chain
	l.chain = 0
}

func (n *nesting) open(tokens hclsyntax.Tokens, i int) {
	var l level
	switch tokens[i].Type {
	case hclsyntax.TokenOBrace:
		// Inside {for …} line ends mean nothing.
		l = level{close: hclsyntax.TokenCBrace, weight: 1, lines: !isWord(tokens, i+1, "for")}
	case hclsyntax.TokenOParen:
		l = level{close: hclsyntax.TokenCParen, weight: 1}
	case hclsyntax.TokenOBrack:
		l = level{close: hclsyntax.TokenCBrack, weight: 1}
	case hclsyntax.TokenTemplateInterp:
		l = level{close: hclsyntax.TokenTemplateSeqEnd, weight: 1}
	case hclsyntax.TokenTemplateControl:
		l = level{close: hclsyntax.TokenTemplateSeqEnd}
		n.directive(tokens, i+1)
	case hclsyntax.TokenOQuote:
		l = level{close: hclsyntax.TokenCQuote}
	case hclsyntax.TokenOHeredoc:
		l = level{close: hclsyntax.TokenCHeredoc}
	}
	n.depth += l.weight
	n.levels = append(n.levels, l)
}

// directive counts %{if} and %{for}, which nest without brackets.
func (n *nesting) directive(tokens hclsyntax.Tokens, i int) {
	top := &n.levels[len(n.levels)-1]
	switch {
	case isWord(tokens, i, "if"), isWord(tokens, i, "for"):
		n.add(&top.directives, 1)
	case isWord(tokens, i, "endif"), isWord(tokens, i, "endfor"):
		if top.directives > 0 {
			n.add(&top.directives, -1)
		}
	}
}

// shut ends the innermost level when it is of that kind. A bracket that closes
// nothing is the parser's to report.
func (n *nesting) shut(t hclsyntax.TokenType) {
	last := len(n.levels) - 1
	l := n.levels[last]
	if last == 0 || l.close != t {
		return
	}
	n.depth -= l.weight + l.unary + l.ternary + l.directives
	n.chain -= l.chain
	n.levels = n.levels[:last]
}

func isWord(tokens hclsyntax.Tokens, i int, word string) bool {
	for i < len(tokens) && (tokens[i].Type == hclsyntax.TokenNewline || tokens[i].Type == hclsyntax.TokenComment) {
		i++
	}
	return i < len(tokens) && tokens[i].Type == hclsyntax.TokenIdent && string(tokens[i].Bytes) == word
}

func endsOperand(t hclsyntax.TokenType) bool {
	switch t {
	case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace,
		hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
		return true
	}
	return false
}

// finish completes and checks a parsed tree: heredocs are put back in, and a key
// that stands twice in an object is an error, where HCL would take the last.
func finish(root hclsyntax.Node, heredocs map[int]hclsyntax.Expression) diag.List {
	var diags diag.List
	// VisitAll's diagnostics are not used.
	hclsyntax.VisitAll(root, func(node hclsyntax.Node) hcl.Diagnostics {
		switch t := node.(type) {
		case *hclsyntax.ParenthesesExpr:
			if h, ok := heredocs[t.SrcRange.Start.Byte]; ok {
				t.Expression, t.SrcRange = h, h.Range()
			}
		case *hclsyntax.ObjectConsExpr:
			diags = append(diags, duplicateKeys(t)...)
		}
		return nil
	})
	return diags
}

func duplicateKeys(o *hclsyntax.ObjectConsExpr) diag.List {
	if len(o.Items) < 2 {
		return nil
	}
	var diags diag.List
	first := make(map[string]diag.Range, len(o.Items))
	for _, it := range o.Items {
		key, ok := staticKey(it.KeyExpr)
		if !ok {
			continue
		}
		rng := FromRange(it.KeyExpr.Range())
		if before, dup := first[key]; dup {
			diags = append(diags, DuplicateKey(key, rng, before))
			continue
		}
		first[key] = rng
	}
	return diags
}

// DuplicateKey is the diagnostic for a key that stands twice in an object.
func DuplicateKey(key string, rng, before diag.Range) *diag.Diagnostic {
	d := diag.New(diag.Error, rng, "Duplicate key in object",
		"The key %q stands twice in this object, first at %s. Remove one of them.", key, before)
	return d
}
