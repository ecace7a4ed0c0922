package syntax

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/internal/par"
)

// Files are parsed in pieces, on all cores: the HCL parser keeps all tokens of what
// it is given, and so takes more for a text than for its parts.
//
// Where a top-level block ends is guessed. A guess is right when all pieces can
// be parsed without anything to say about them: a quotation, comment or bracket
// that a cut goes through is not closed in the piece before it, which is an error
// there. What is read then is what the whole text says. If there is a
// single problem in any piece, the whole text is parsed at once, so that
// problems are reported as if there were no pieces.
const (
	// minPiece is the size in bytes from which on a piece ends where it can, maxPiece
	// the largest that is parsed beside others.
	minPiece = 1 << 10
	maxPiece = 64 << 10
)

var byteOrderMark = []byte("\uFEFF")

// A piece is a part of a file, which begins at the start of a line.
type piece struct {
	file  *source
	start hcl.Pos
	text  []byte
	body  *Body // nil until it is parsed
}

// parsePieces reads the files whose pieces give no problems, and returns their
// bodies, nil for all others.
func parsePieces(files []*source) []*Body {
	var all []*piece
	parts := make([][]*piece, len(files))
	for i, f := range files {
		parts[i] = f.pieces()
		all = append(all, parts[i]...)
	}
	failed := make(map[*source]bool)
	done := make([]bool, len(all))
	// Nothing here waits for anything, so there is nothing to cancel.
	err := par.Do(context.Background(), len(all), runtime.GOMAXPROCS(0), func(_ context.Context, i int) error {
		done[i] = all[i].parse()
		return nil
	})
	for i, p := range all {
		if err != nil || !done[i] {
			failed[p.file] = true
		}
	}
	bodies := make([]*Body, len(files))
	for i, f := range files {
		if len(parts[i]) > 0 && !failed[f] {
			bodies[i] = joined(parts[i])
		}
	}
	return bodies
}

// joined puts the blocks of all pieces into one body, without ranges.
func joined(parts []*piece) *Body {
	n := 0
	for _, p := range parts {
		n += len(p.body.Blocks)
	}
	out := &Body{Blocks: make([]*Block, 0, n)}
	for _, p := range parts {
		out.Blocks = append(out.Blocks, p.body.Blocks...)
	}
	return out
}

// pieces cuts a file, or returns nothing when it is to be read as a whole.
func (f *source) pieces() []*piece {
	if isJSON(f.name) || f.checkBytes().HasErrors() {
		return nil
	}
	var out []*piece
	end := []byte("\n}\n")
	start := startPos
	for rest := f.src; len(rest) > 0; {
		n := len(rest)
		if n > minPiece {
			if i := bytes.Index(rest[minPiece-len(end):], end); i >= 0 {
				n = minPiece + i
			}
		}
		if n > maxPiece {
			return nil
		}
		out = append(out, &piece{file: f, start: start, text: rest[:n]})
		start.Line += bytes.Count(rest[:n], []byte{'\n'})
		start.Byte += n
		rest = rest[n:]
	}
	return out
}

// parse reads a piece. ok is false when there is anything to say about it, or when
// it is not made of blocks alone.
func (p *piece) parse() (ok bool) {
	if p.start.Byte > 0 && bytes.HasPrefix(p.text, byteOrderMark) {
		return false // the parser would skip it
	}
	text, docs := takePlainHeredocs(p.text, p.start)
	if docs == nil && bytes.Contains(text, []byte("<<")) && bytes.Count(text, []byte{'\n'}) >= longHeredoc {
		return false
	}
	if !harmless(text) {
		tokens, _ := hclsyntax.LexConfig(text, p.file.name, p.start)
		if len(p.file.checkTokens(tokens)) > 0 {
			return false
		}
	}
	file, diags := hclsyntax.ParseConfig(text, p.file.name, p.start)
	body, isNative := file.Body.(*hclsyntax.Body)
	if len(diags) > 0 || !isNative || len(body.Attributes) > 0 {
		return false
	}
	p.body = p.file.body(body, docs)
	inner := make(map[int]hclsyntax.Expression, len(docs))
	for at, d := range docs {
		inner[at] = p.file.plainTree(d)
	}
	return len(finish(body, inner)) == 0
}

// What a byte may be the beginning of, for harmless.
const (
	mayNest  = 1 << iota // a level of nesting
	mayChain             // an operator
	inNumber
)

var byteClasses = func() (classes [256]uint8) {
	for _, c := range []byte("([{!-?%") {
		classes[c] |= mayNest
	}
	for _, c := range []byte("*/+-%=<>&|.[!") {
		classes[c] |= mayChain
	}
	for _, c := range []byte("0123456789.eE+-") {
		classes[c] |= inNumber
	}
	return classes
}()

// harmless reports that a text is so far from all limits of tokens that nobody
// needs to look at its tokens: that checkTokens finds nothing in it. It may say no
// to a text that it accepts.
func harmless(text []byte) bool {
	nest, chain, number := 0, 0, 0
	for i, c := range text {
		class := byteClasses[c]
		if class&inNumber == 0 {
			number = 0
		} else if number++; number > maxNumberLen {
			return false
		}
		switch {
		case c >= 0x80:
			return false // may not be normal
		case c == '\\':
			if next := text[min(i+1, len(text)-1)]; next == 'u' || next == 'U' {
				return false
			}
		case c == 'e' || c == 'E':
			if longExponent(text, i) {
				return false
			}
		}
		if class&mayNest != 0 {
			nest++
		}
		if class&mayChain != 0 {
			chain++
		}
	}
	return nest < MaxNesting && chain < MaxChain
}

// longExponent reports whether the letter at text[i] may begin an exponent of
// three digits or more.
func longExponent(text []byte, i int) bool {
	isDigit := func(at int) bool { return at >= 0 && at < len(text) && '0' <= text[at] && text[at] <= '9' }
	if i == 0 || !isDigit(i-1) && text[i-1] != '.' {
		return false
	}
	i++
	if i < len(text) && (text[i] == '+' || text[i] == '-') {
		i++
	}
	return isDigit(i) && isDigit(i+1) && isDigit(i+2)
}

// sources are files in the order of their names.
func sources(files map[string][]byte) []*source {
	out := make([]*source, 0, len(files))
	for name, src := range files {
		out = append(out, &source{name: name, src: src})
	}
	slices.SortFunc(out, func(a, b *source) int { return strings.Compare(a.name, b.name) })
	return out
}
