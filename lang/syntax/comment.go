package syntax

import (
	"bytes"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang/diag"
)

// A Comment is a comment of a text, for tools that are told something in it.
type Comment struct {
	// Text is what it says, without the marks and the space around.
	Text  string
	Range diag.Range
	// Scope is what it is about: the line that it stands behind; for one that has its
	// line for itself, the next line with anything else; in JSON, whose comments are
	// members named "//", the object around it, with the key in front of that.
	Scope diag.Range
}

// Comments returns the comments of a text that can be parsed, in order. A text
// that cannot be has none.
func Comments(src []byte, name string) []Comment {
	f := &source{name: name, src: src}
	if f.checkBytes().HasErrors() {
		return nil
	}
	if isJSON(name) {
		v, _ := f.parseJSON()
		if v == nil {
			return nil
		}
		return jsonComments(nil, v, FromRange(v.rng))
	}
	tokens, _ := hclsyntax.LexConfig(src, name, startPos) // the parser says what is wrong
	if f.checkTokens(tokens).HasErrors() {
		return nil
	}
	return nativeComments(src, tokens)
}

// jsonComments appends the comments in a value, which with its key is at scope.
func jsonComments(list []Comment, v *jsonValue, scope diag.Range) []Comment {
	for _, m := range v.members {
		if m.key.text == jsonComment && m.value.kind == jsonString {
			list = append(list, Comment{Text: strings.TrimSpace(m.value.text), Range: FromRange(m.value.rng), Scope: scope})
		}
		inside := FromRange(m.value.rng)
		inside.Start = diag.Pos(m.key.rng.Start)
		list = jsonComments(list, m.value, inside)
	}
	for _, e := range v.elems {
		list = jsonComments(list, e, FromRange(e.rng))
	}
	return list
}

func nativeComments(src []byte, tokens hclsyntax.Tokens) []Comment {
	var out []Comment
	behind := false // something else is on the line already
	for i, tok := range tokens {
		switch tok.Type {
		case hclsyntax.TokenNewline:
			behind = false
			continue
		case hclsyntax.TokenComment:
		default:
			behind = true
			continue
		}
		about := tok
		if !behind {
			next := slices.IndexFunc(tokens[i:], func(t hclsyntax.Token) bool {
				return t.Type != hclsyntax.TokenComment && t.Type != hclsyntax.TokenNewline
			})
			about = tokens[i+next] // there is one at the end of the file
		}
		out = append(out, Comment{Text: commentText(tok.Bytes), Range: FromRange(tok.Range), Scope: line(src, FromRange(about.Range))})
		if endsLine(tok) {
			behind = false
		}
	}
	return out
}

// commentText takes the marks off a comment.
func commentText(raw []byte) string {
	text := strings.TrimSpace(string(raw))
	for _, mark := range []string{"#", "//", "/*"} {
		if rest, ok := strings.CutPrefix(text, mark); ok {
			text = strings.TrimSuffix(rest, "*/")
			break
		}
	}
	return strings.TrimSpace(text)
}

// line widens a range to the line that it begins in.
func line(src []byte, r diag.Range) diag.Range {
	at := min(r.Start.Byte, len(src))
	start := bytes.LastIndexByte(src[:at], '\n') + 1
	end := len(src)
	if i := bytes.IndexByte(src[at:], '\n'); i >= 0 {
		end = at + i
	}
	out := diag.Range{Filename: r.Filename, Start: r.Start, End: r.Start}
	out.Start.Byte, out.Start.Column = start, 1
	out.End.Byte = end
	return out
}
