package syntax

import (
	"slices"
	"strings"

	"sysc/lang/diag"
)

// A jsonFrame is an object or array around a place in a text in the JSON syntax.
type jsonFrame struct {
	object bool
	// key is the one whose value is being read, and written are all before it.
	key     string
	written []string
	// value is set behind a colon.
	value bool
}

// A jsonScan goes over a text in the JSON syntax up to a byte, whatever is wrong in
// it.
type jsonScan struct {
	src    []byte
	frames []jsonFrame
}

// top is the innermost object or array; one that is not there is an array.
func (s *jsonScan) top() *jsonFrame {
	if len(s.frames) == 0 {
		return &jsonFrame{}
	}
	return &s.frames[len(s.frames)-1]
}

// run reads everything in front of a byte. quote is where the string begins that is not
// closed there, -1 for none.
func (s *jsonScan) run(offset int) (quote int) {
	for i := 0; i < offset; {
		switch c := s.src[i]; c {
		case '{', '[':
			if len(s.frames) < maxOutlineDepth {
				s.frames = append(s.frames, jsonFrame{object: c == '{'})
			}
		case '}', ']':
			s.frames = s.frames[:max(0, len(s.frames)-1)]
		case ':':
			s.top().value = true
		case ',':
			s.top().value = false
		case '"':
			end := stringEnd(s.src[:offset], i)
			if end < 0 {
				return i
			}
			if t := s.top(); t.object && !t.value {
				t.key = string(s.src[i+1 : end])
				t.written = append(t.written, t.key)
			}
			i = end
		}
		i++
	}
	return -1
}

// stringEnd returns where the quote is that closes the string which begins at a byte, -1
// when its line ends before that.
func stringEnd(src []byte, at int) int {
	for i := at + 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i
		case '\n':
			return -1
		}
	}
	return -1
}

// atJSON is At for a text in the JSON syntax. Objects are blocks, each key the type of
// one, with that of the top of a file and its labels together.
func (o *Outline) atJSON(offset int) Place {
	offset = max(0, min(offset, len(o.file.src)))
	s := &jsonScan{src: o.file.src}
	quote := s.run(offset)
	start := offset
	p := Place{Kind: InBody, Quoted: quote >= 0}
	if p.Quoted {
		start = quote + 1
	}
	p.Word = string(o.file.src[start:offset])
	if t := s.top(); !t.object || t.value {
		p.Kind = InExpression
	}
	var path []string
	for i, f := range s.frames {
		if f.object && (i < len(s.frames)-1 || f.value) {
			path = append(path, f.key)
		}
	}
	static := o.jsonBlocks(&p, path, s.top().written)
	switch at := strings.LastIndex(p.Word, "${"); {
	case p.Kind != InExpression:
	case !p.Quoted:
		p.Kind = InComment // numbers, true and false: there is nothing to choose from
	case static:
		p.interpolated(p.Word)
	case at >= 0 && !strings.Contains(p.Word[at:], "}"):
		p.interpolated(p.Word[at+len("${"):])
	default:
		p.Kind = InText
	}
	end := offset
	if p.Quoted && p.Kind != InExpression {
		if i := stringEnd(o.file.src, quote); i >= 0 {
			end = i
		}
	}
	p.Range = diag.Range{Filename: o.file.name, Start: o.jsonPos(offset - len(p.Word)), End: o.jsonPos(end)}
	return p
}

// jsonBlocks makes blocks of the keys on the way to a place. In the value of a key, that
// is the argument; static is set where the strings of that hold expressions.
func (o *Outline) jsonBlocks(p *Place, path, written []string) (static bool) {
	if p.Kind == InExpression && len(path) > 0 {
		p.Attr = &OutlineAttr{Name: path[len(path)-1]}
		path = path[:len(path)-1]
	}
	c := jsonTop
	for len(path) > 0 {
		b := &OutlineBlock{Type: path[0]}
		labels, block := c.blocks[path[0]]
		switch {
		case block:
			c = c.context(path[0])
		case c != jsonConfig:
			c = jsonPlain
		}
		if len(path)-1 < labels {
			p.Kind = InLabel
		}
		b.Labels = path[1:min(len(path), 1+labels)]
		path = path[1+len(b.Labels):]
		p.Blocks = append(p.Blocks, b)
	}
	if n := len(p.Blocks); n > 0 {
		for _, name := range written {
			p.Blocks[n-1].Body.Attrs = append(p.Blocks[n-1].Body.Attrs, &OutlineAttr{Name: name})
		}
	}
	return p.Attr != nil && c.static[p.Attr.Name]
}

// interpolated makes a place one in the expression that is written in a text.
func (p *Place) interpolated(expr string) {
	i := strings.LastIndexFunc(expr, func(r rune) bool {
		return !(r == '.' || r == '_' || r == '-' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	})
	steps := strings.Split(expr[i+1:], ".")
	p.Kind, p.Word = InExpression, steps[len(steps)-1]
	p.Path = slices.Clip(steps[:len(steps)-1])
}

// jsonPos is the position of a byte.
func (o *Outline) jsonPos(offset int) diag.Pos {
	pos := diag.Pos{Line: 1, Column: 1, Byte: offset}
	for _, c := range string(o.file.src[:offset]) {
		pos.Column++
		if c == '\n' {
			pos.Line, pos.Column = pos.Line+1, 1
		}
	}
	return pos
}
