package syntax

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/apparentlymart/go-textseg/v17/textseg"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
)

// ParseTemplate parses a text with ${…} and %{…} sequences, as templatefile
// reads them, after holding it against the limits of definitions. name is what
// ranges call it.
func ParseTemplate(src []byte, name string) (*Expr, diag.List) {
	f := &source{name: name, src: src}
	if diags := f.checkBytes(); diags.HasErrors() {
		return nil, diags
	}
	tokens, lexDiags := hclsyntax.LexTemplate(src, name, startPos)
	if lexDiags.HasErrors() {
		return nil, FromHCL(lexDiags)
	}
	if diags := f.checkTokens(tokens); diags.HasErrors() {
		return nil, diags
	}
	start := hclsyntax.Token{Range: hcl.Range{Filename: name, Start: startPos, End: startPos}}
	end := tokens[len(tokens)-1]
	text, heredocs, diags := extractHeredocs(src, name, tokens)
	tmpl, moreDiags := parseTemplateTokens(text, name, tokens[:len(tokens)-1], start, end)
	diags = append(diags, moreDiags...)
	if diags.HasErrors() {
		return nil, diags
	}
	diags = append(diags, finish(tmpl, heredocs)...)
	return &Expr{node: tmpl, file: f}, diags
}

// A part is a literal or a sequence of a template.
type part struct {
	kind string // "", "interp", or the directive: if, else, endif, for, endfor
	rng  hcl.Range
	text string               // of a literal
	expr hclsyntax.Expression // of interp, if, for
	key  string               // names of for
	val  string
}

// parseTemplateTokens does what the HCL parser does between the tokens open and
// shut of a heredoc or at the ends of a template, in linear time.
func parseTemplateTokens(src []byte, name string, tokens hclsyntax.Tokens, open, shut hclsyntax.Token) (*hclsyntax.TemplateExpr, diag.List) {
	p := templateParser{src: src, name: name}
	p.read(tokens)
	if bytes.HasPrefix(open.Bytes, []byte("<<-")) {
		p.flush()
	}
	p.meld()
	exprs := p.sequence("", shut.Range)
	if len(exprs) == 0 {
		at := hcl.Range{Filename: name, Start: open.Range.End, End: open.Range.End}
		exprs = append(exprs, &hclsyntax.LiteralValueExpr{Val: cty.StringVal(""), SrcRange: at})
	}
	return &hclsyntax.TemplateExpr{Parts: exprs, SrcRange: hcl.RangeBetween(open.Range, shut.Range)}, p.diags
}

type templateParser struct {
	src   []byte
	name  string
	parts []part
	pos   int
	diags diag.List
}

// read makes parts of tokens, with the trimming that ~ asks for.
func (p *templateParser) read(tokens hclsyntax.Tokens) {
	trimNext := false
	for i := 0; i < len(tokens); i++ {
		tok := tokens[i]
		trim := trimNext
		trimNext = false
		switch tok.Type {
		case hclsyntax.TokenStringLit, hclsyntax.TokenQuotedLit:
			text, diags := hclsyntax.ParseStringLiteralToken(tok)
			p.diags = append(p.diags, FromHCL(diags)...)
			if trim {
				text = strings.TrimLeftFunc(text, unicode.IsSpace)
			}
			p.parts = append(p.parts, part{text: text, rng: tok.Range})
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			if bytes.HasSuffix(tok.Bytes, []byte("~")) && i > 0 && tokens[i-1].Type == hclsyntax.TokenStringLit {
				last := &p.parts[len(p.parts)-1]
				last.text = strings.TrimRightFunc(last.text, unicode.IsSpace)
			}
			end := closing(tokens, i)
			if end < 0 {
				p.fail(tok.Range, "Unclosed template sequence", "There is no closing brace for this template sequence.")
				return
			}
			p.parts = append(p.parts, p.seq(tokens[i:end+1]))
			trimNext = bytes.HasPrefix(tokens[end].Bytes, []byte("~"))
			i = end
		default:
			p.fail(tok.Range, "Invalid template", "This is not expected in a template.")
			return
		}
	}
}

func (p *templateParser) fail(rng hcl.Range, summary, detail string) {
	p.diags = append(p.diags, diag.New(diag.Error, FromRange(rng), summary, "%s", detail))
}

// closing returns the index of the token that ends the sequence beginning at
// tokens[i], or -1.
func closing(tokens hclsyntax.Tokens, i int) int {
	depth := 0
	for ; i < len(tokens); i++ {
		switch tokens[i].Type {
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenTemplateSeqEnd:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// seq reads one ${…} or %{…}, given with both its ends.
func (p *templateParser) seq(tokens hclsyntax.Tokens) part {
	first, last := tokens[0], tokens[len(tokens)-1]
	out := part{kind: "interp", rng: hcl.RangeBetween(first.Range, last.Range)}
	from := first.Range.End
	if first.Type == hclsyntax.TokenTemplateInterp {
		out.expr = p.expr(from, last.Range.Start)
		return out
	}
	words := tokens[1 : len(tokens)-1]
	word := func(i int) string {
		if i < len(words) && words[i].Type == hclsyntax.TokenIdent {
			return string(words[i].Bytes)
		}
		return ""
	}
	out.kind = word(0)
	switch out.kind {
	case "if":
		out.expr = p.expr(words[0].Range.End, last.Range.Start)
	case "for":
		p.forSeq(&out, words, word, last)
	case "else", "endif", "endfor":
		if len(words) > 1 {
			p.fail(words[1].Range, "Extra characters in "+out.kind+" marker", "Expected a closing brace to end the sequence, but found extra characters.")
		}
	default:
		p.fail(out.rng, "Invalid template control keyword", "A template directive is one of if, else, endif, for, endfor.")
		out.kind = "interp"
		out.expr = placeholder(out.rng)
	}
	return out
}

func (p *templateParser) forSeq(out *part, words hclsyntax.Tokens, word func(int) string, last hclsyntax.Token) {
	in := 2
	out.val = word(1)
	if len(words) > 2 && words[2].Type == hclsyntax.TokenComma {
		out.key, out.val = out.val, word(3)
		in = 4
	}
	if out.val == "" || word(in) != "in" {
		p.fail(out.rng, "Invalid 'for' directive", "A for directive is written %{ for value in list } or %{ for key, value in map }.")
		out.kind, out.expr = "interp", placeholder(out.rng)
		return
	}
	out.expr = p.expr(words[in].Range.End, last.Range.Start)
}

func placeholder(rng hcl.Range) hclsyntax.Expression {
	return &hclsyntax.LiteralValueExpr{Val: cty.DynamicVal, SrcRange: rng}
}

func (p *templateParser) expr(from, to hcl.Pos) hclsyntax.Expression {
	expr, diags := hclsyntax.ParseExpression(p.src[from.Byte:to.Byte], p.name, from)
	p.diags = append(p.diags, FromHCL(diags)...)
	if expr == nil {
		return placeholder(hcl.Range{Filename: p.name, Start: from, End: to})
	}
	return expr
}

// flush removes the indentation that all lines have in common, blank lines not
// counted. It is the rule of <<- heredocs, applied to the text as written.
func (p *templateParser) flush() {
	least := -1
	var lines []*part
	newline := true
	for i := range p.parts {
		t := &p.parts[i]
		if newline {
			newline = false
			spaces := 0
			if t.kind == "" {
				trimmed := strings.TrimLeftFunc(t.text, unicode.IsSpace)
				if trimmed == "" && strings.HasSuffix(t.text, "\n") {
					newline = true
					continue
				}
				spaces = graphemes(t.text[:len(t.text)-len(trimmed)])
				lines = append(lines, t)
			}
			if least < 0 || spaces < least {
				least = spaces
			}
		}
		if t.kind == "" && strings.HasSuffix(t.text, "\n") {
			newline = true
		}
	}
	for _, t := range lines {
		rest := []byte(t.text)
		for range least {
			adv, _, err := textseg.ScanGraphemeClusters(rest, true)
			if err != nil || adv == 0 {
				break
			}
			rest = rest[adv:]
		}
		cut := len(t.text) - len(rest)
		t.text = string(rest)
		t.rng.Start.Column += least
		t.rng.Start.Byte += cut
	}
}

func graphemes(s string) int {
	n := 0
	for rest := []byte(s); len(rest) > 0; n++ {
		adv, _, err := textseg.ScanGraphemeClusters(rest, true)
		if err != nil || adv == 0 {
			break
		}
		rest = rest[adv:]
	}
	return n
}

// meld joins neighbouring literals.
func (p *templateParser) meld() {
	var out []part
	for i := 0; i < len(p.parts); {
		t := p.parts[i]
		if t.kind != "" {
			out = append(out, t)
			i++
			continue
		}
		var b strings.Builder
		for ; i < len(p.parts) && p.parts[i].kind == ""; i++ {
			b.WriteString(p.parts[i].text)
			t.rng.End = p.parts[i].rng.End
		}
		t.text = b.String()
		out = append(out, t)
	}
	p.parts = out
}

// sequence reads parts up to the directive that ends what is open ("if", "else",
// "for", or "" for the whole template), which is left to the caller. Its
// recursion is bounded by MaxNesting.
func (p *templateParser) sequence(open string, end hcl.Range) []hclsyntax.Expression {
	var exprs []hclsyntax.Expression
	for p.pos < len(p.parts) {
		t := p.parts[p.pos]
		switch t.kind {
		case "":
			exprs = append(exprs, &hclsyntax.LiteralValueExpr{Val: cty.StringVal(t.text), SrcRange: t.rng})
		case "interp":
			exprs = append(exprs, t.expr)
		case "if":
			exprs = append(exprs, p.conditional(end))
			continue
		case "for":
			exprs = append(exprs, p.loop(end))
			continue
		default:
			if open == "if" && (t.kind == "else" || t.kind == "endif") || open == "else" && t.kind == "endif" || open == "for" && t.kind == "endfor" {
				return exprs
			}
			p.fail(t.rng, "Unexpected "+t.kind+" directive", "The control directives within this template are unbalanced.")
		}
		p.pos++
	}
	return exprs
}

// template wraps the parts of a branch; an empty one is the empty string.
func template(parts []hclsyntax.Expression, at hcl.Range) hclsyntax.Expression {
	if len(parts) == 0 {
		parts = []hclsyntax.Expression{&hclsyntax.LiteralValueExpr{Val: cty.StringVal(""), SrcRange: at}}
	}
	return &hclsyntax.TemplateExpr{Parts: parts, SrcRange: hcl.RangeBetween(parts[0].Range(), parts[len(parts)-1].Range())}
}

func (p *templateParser) conditional(end hcl.Range) hclsyntax.Expression {
	head := p.parts[p.pos]
	p.pos++
	yes := template(p.sequence("if", end), head.rng)
	var no hclsyntax.Expression
	if p.pos < len(p.parts) && p.parts[p.pos].kind == "else" {
		at := p.parts[p.pos].rng
		p.pos++
		no = template(p.sequence("else", end), at)
	} else {
		no = template(nil, head.rng)
	}
	tail := p.close(head, "endif", end)
	return &hclsyntax.ConditionalExpr{Condition: head.expr, TrueResult: yes, FalseResult: no, SrcRange: hcl.RangeBetween(head.rng, tail)}
}

func (p *templateParser) loop(end hcl.Range) hclsyntax.Expression {
	head := p.parts[p.pos]
	p.pos++
	content := template(p.sequence("for", end), head.rng)
	tail := p.close(head, "endfor", end)
	return &hclsyntax.TemplateJoinExpr{Tuple: &hclsyntax.ForExpr{
		KeyVar: head.key, ValVar: head.val, CollExpr: head.expr, ValExpr: content,
		SrcRange: hcl.RangeBetween(head.rng, tail), OpenRange: head.rng, CloseRange: tail,
	}}
}

func (p *templateParser) close(head part, word string, end hcl.Range) hcl.Range {
	if p.pos < len(p.parts) {
		rng := p.parts[p.pos].rng
		p.pos++
		return rng
	}
	p.fail(head.rng, "Unexpected end of template", "This "+head.kind+" directive is missing its corresponding "+word+" directive.")
	return end
}
