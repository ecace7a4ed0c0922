package syntax

import (
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"sysc/internal/readlog"
	"sysc/lang/diag"
)

// A Part is a piece of a file that means the same wherever in a file it stands: whole
// lines, with a top-level block or with what is between two of them. All parts together
// are the file.
type Part struct {
	// From and To are bytes of the file, Line is the first line.
	From, To, Line int
	// Blocks are those that it has, one or none but where several are in one line.
	Blocks []*Block
}

// Parts cuts a file of the module. There is one part only of a file that is not made of
// blocks alone.
func (m *Module) Parts(name string) []Part {
	text := m.Files[name]
	whole := Part{To: len(text), Line: 1}
	for _, a := range m.Attrs {
		if a.NameRange.Filename == name {
			return []Part{whole}
		}
	}
	for _, b := range m.Blocks {
		if b.Range.Filename == name {
			whole.Blocks = append(whole.Blocks, b)
		}
	}
	if isJSON(name) || strings.HasPrefix(string(text), string(byteOrderMark)) {
		return []Part{whole}
	}
	return cut(text, whole)
}

// cut cuts a piece of a text, which begins and ends with whole lines.
func cut(text []byte, piece Part) []Part {
	var parts []Part
	part := Part{From: piece.From, Line: piece.Line}
	for _, b := range piece.Blocks {
		if start := b.Range.Start; start.Column == 1 && start.Byte > part.From && len(part.Blocks) == 0 {
			part.To = start.Byte
			parts = append(parts, part)
			part = Part{From: start.Byte, Line: start.Line}
		}
		part.Blocks = append(part.Blocks, b)
		end := b.Body.End.End
		if end.Byte >= len(text) || text[end.Byte] != '\n' || text[end.Byte-1] != '}' {
			continue
		}
		part.To = end.Byte + 1
		parts = append(parts, part)
		part = Part{From: part.To, Line: end.Line + 1}
	}
	if part.From < piece.To {
		part.To = piece.To
		parts = append(parts, part)
	}
	return parts
}

// ReadFiles reads the files of [Load], and parses nothing.
func ReadFiles(reads *readlog.Log, dir string) (map[string][]byte, diag.List) {
	files := map[string][]byte{}
	return files, readFiles(reads, dir, "", "definition", isDefinition, files)
}

// IsRead reports whether the file of a name in the directory root, of which limit bytes
// are read at most, is one that [Load] has read in dir.
func IsRead(dir, root, name, limit string) bool {
	return root == dir && isDefinition(name) && limit == strconv.Itoa(MaxFileSize+1)
}

// A Text is a file that is parsed in parts.
type Text struct{ source source }

// NewText returns a text, or false when that file is to be parsed as a whole.
func NewText(name string, src []byte) (*Text, bool) {
	t := &Text{source{name: name, src: src}}
	return t, !isJSON(name) && !t.source.checkBytes().HasErrors()
}

// Parts cuts what stands from a byte to another one, and has blocks that Parse returned.
func (t *Text) Parts(from, to, line int, blocks []*Block) []Part {
	return cut(t.source.src, Part{From: from, To: to, Line: line, Blocks: blocks})
}

// Parse returns the blocks from a byte, which is the first of a line, to another one.
// It returns false when there is anything to say about them, or when it is not blocks
// alone. Then only the whole file tells what it means.
func (t *Text) Parse(from, to, line int) ([]*Block, bool) {
	p := &piece{file: &t.source, start: hcl.Pos{Byte: from, Line: line, Column: 1}, text: t.source.src[from:to]}
	if !p.parse() {
		return nil, false
	}
	return p.body.Blocks, true
}
