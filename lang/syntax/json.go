package syntax

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/text/unicode/norm"

	"sysc/lang/diag"
)

// A jsonValue is one value of a JSON text with its place.
type jsonValue struct {
	kind jsonKind
	// rng is of the whole value, quotes and brackets included.
	rng hcl.Range
	// text is the decoded string, or the number as it stands.
	text string
	// offsets has, for a string with escapes, where each byte of text begins in the
	// file, and one more for the end; nil when they follow one another.
	offsets []int
	members []jsonMember
	elems   []*jsonValue
}

type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonTrue
	jsonFalse
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

var jsonKinds = [...]string{"null", "true", "false", "a number", "a string", "an array", "an object"}

type jsonMember struct {
	key   *jsonValue // a string
	value *jsonValue
}

// parseJSON reads a text as RFC 8259 says. It is nil with errors; the first one
// ends it, except for keys that stand twice, which are all reported.
func (f *source) parseJSON() (*jsonValue, diag.List) {
	p := &jsonParser{file: f, src: string(f.src), pos: startPos}
	if strings.HasPrefix(p.src, string(byteOrderMark)) {
		p.pos.Byte = len(byteOrderMark)
	}
	v := p.value(0)
	if v != nil {
		p.space()
		if p.pos.Byte < len(p.src) {
			p.fail(p.pos, 1, "Invalid JSON", "The file has one JSON value, and here is something behind it.")
		}
	}
	if p.diags.HasErrors() {
		return nil, p.diags
	}
	return v, p.diags
}

// A jsonParser is at a place in a text. Values are nil once there was an error.
type jsonParser struct {
	file  *source
	src   string
	pos   hcl.Pos
	diags diag.List
}

func (p *jsonParser) fail(at hcl.Pos, width int, summary, detail string, args ...any) {
	end := at
	end.Byte = min(at.Byte+width, len(p.src))
	end.Column += end.Byte - at.Byte
	p.diags = append(p.diags, diag.New(diag.Error, FromRange(hcl.Range{Filename: p.file.name, Start: at, End: end}), summary, "%s", fmt.Sprintf(detail, args...)))
}

// next is the byte at the place, 0 at the end.
func (p *jsonParser) next() byte {
	if p.pos.Byte < len(p.src) {
		return p.src[p.pos.Byte]
	}
	return 0
}

// skip goes n bytes on, none of them a line end or outside of ASCII.
func (p *jsonParser) skip(n int) {
	p.pos.Byte += n
	p.pos.Column += n
}

func (p *jsonParser) space() {
	for {
		switch p.next() {
		case ' ', '\t', '\r':
			p.skip(1)
		case '\n':
			p.pos.Byte++
			p.pos.Line++
			p.pos.Column = 1
		default:
			return
		}
	}
}

func (p *jsonParser) rangeFrom(start hcl.Pos) hcl.Range {
	return hcl.Range{Filename: p.file.name, Start: start, End: p.pos}
}

func (p *jsonParser) value(depth int) *jsonValue {
	p.space()
	start := p.pos
	if depth > MaxNesting {
		p.fail(start, 1, "Expression nested too deeply", "%s", tooDeep)
		return nil
	}
	switch c := p.next(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.str()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 0 && start.Byte >= len(p.src):
		p.fail(start, 0, "Unexpected end of file", "A JSON value is missing at the end of the file.")
		return nil
	}
	for word, kind := range map[string]jsonKind{"null": jsonNull, "true": jsonTrue, "false": jsonFalse} {
		if p.word() == word {
			p.skip(len(word))
			return &jsonValue{kind: kind, rng: p.rangeFrom(start)}
		}
	}
	p.notJSON(start)
	return nil
}

// word is the run of letters at the place.
func (p *jsonParser) word() string {
	rest := p.src[p.pos.Byte:]
	n := strings.IndexFunc(rest, func(r rune) bool {
		return r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if n < 0 {
		n = len(rest)
	}
	return rest[:n]
}

// notJSON says what is probably meant where no value begins.
func (p *jsonParser) notJSON(at hcl.Pos) {
	switch word := p.word(); {
	case slices.Contains(jsonKinds[:3], strings.ToLower(word)):
		p.fail(at, len(word), "Invalid JSON", "It is written %s, in small letters.", strings.ToLower(word))
	case word != "":
		p.fail(at, len(word), "Invalid JSON", "In JSON, an expression is written in quotes, as in \"${%s}\", and so is the name of a type or a text.", word)
	case p.next() == '\'' || strings.HasPrefix(p.src[at.Byte:], "“") || strings.HasPrefix(p.src[at.Byte:], "”"):
		p.fail(at, 1, "Invalid JSON", "A text in JSON stands between straight double quotes.")
	case p.next() == '#' || p.next() == '/':
		p.fail(at, 1, "Invalid JSON", "JSON has no comments. A member called \"//\" is one: \"//\": \"text\".")
	case p.next() == '}' || p.next() == ']':
		p.fail(at, 1, "Invalid JSON", "A value is expected here. JSON allows no comma behind the last one.")
	default:
		_, n := utf8.DecodeRuneInString(p.src[at.Byte:])
		p.fail(at, n, "Invalid JSON", "A JSON value is expected here: a text in double quotes, a number, true, false, null, [ or {.")
	}
}

func (p *jsonParser) object(depth int) *jsonValue {
	start := p.pos
	out := &jsonValue{kind: jsonObject}
	p.skip(1)
	seen := map[string]diag.Range{}
	for first := true; ; first = false {
		p.space()
		if p.next() == '}' && first {
			break
		}
		key := p.key()
		if key == nil {
			return nil
		}
		if !norm.NFC.IsNormalString(key.text) && !strings.Contains(key.text, "${") && !strings.Contains(key.text, "%{") {
			p.diags = append(p.diags, willBeNormalised(FromRange(key.rng)))
			key.text, key.offsets = norm.NFC.String(key.text), nil
		}
		p.space()
		if p.next() != ':' {
			p.fail(p.pos, 1, "Missing colon", "A member of a JSON object is written \"name\": value.")
			return nil
		}
		p.skip(1)
		v := p.value(depth + 1)
		if v == nil {
			return nil
		}
		if before, dup := seen[key.text]; dup && key.text != jsonComment {
			p.diags = append(p.diags, DuplicateKey(key.text, FromRange(key.rng), before))
		} else {
			seen[key.text] = FromRange(key.rng)
		}
		out.members = append(out.members, jsonMember{key, v})
		if end, ok := p.separator('}', start, "object"); !ok {
			return nil
		} else if end {
			break
		}
	}
	p.skip(1)
	out.rng = p.rangeFrom(start)
	return out
}

func (p *jsonParser) key() *jsonValue {
	switch {
	case p.next() == '"':
		return p.str()
	case p.next() == '}':
		p.fail(p.pos, 1, "Invalid JSON", "The name of a member is expected here. JSON allows no comma behind the last one.")
	case p.word() != "":
		p.fail(p.pos, len(p.word()), "Invalid JSON", "The name of a member stands in double quotes: %q.", p.word())
	case p.next() == 0:
		p.fail(p.pos, 0, "Unexpected end of file", "An object is not closed at the end of the file.")
	default:
		p.notJSON(p.pos)
	}
	return nil
}

func (p *jsonParser) array(depth int) *jsonValue {
	start := p.pos
	out := &jsonValue{kind: jsonArray}
	p.skip(1)
	for first := true; ; first = false {
		p.space()
		if p.next() == ']' && first {
			break
		}
		v := p.value(depth + 1)
		if v == nil {
			return nil
		}
		out.elems = append(out.elems, v)
		if end, ok := p.separator(']', start, "array"); !ok {
			return nil
		} else if end {
			break
		}
	}
	p.skip(1)
	out.rng = p.rangeFrom(start)
	return out
}

// separator goes over a comma, or stops at the closing bracket.
func (p *jsonParser) separator(closing byte, start hcl.Pos, what string) (end, ok bool) {
	p.space()
	switch c := p.next(); {
	case c == closing:
		return true, true
	case c == ',':
		p.skip(1)
		return false, true
	case c == 0 && p.pos.Byte >= len(p.src):
		p.fail(start, 1, "Unexpected end of file", "This %s is not closed at the end of the file.", what)
	default:
		p.fail(p.pos, 1, "Missing comma", "A comma or %q is expected here. The %s begins at line %d.", closing, what, start.Line)
	}
	return false, false
}

func (p *jsonParser) number() *jsonValue {
	start := p.pos
	rest := p.src[start.Byte:]
	n := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) })
	if n < 0 {
		n = len(rest)
	}
	text := rest[:n]
	if !validNumber(text) {
		p.fail(start, n, "Invalid number", "%.40q is no number of JSON.", text)
		return nil
	}
	p.skip(n)
	return &jsonValue{kind: jsonNumber, text: text, rng: p.rangeFrom(start)}
}

// validNumber reports whether s is a number of RFC 8259.
func validNumber(s string) bool {
	digits := func() bool {
		n := len(s)
		s = strings.TrimLeft(s, "0123456789")
		return len(s) < n
	}
	s = strings.TrimPrefix(s, "-")
	if strings.HasPrefix(s, "0") {
		s = s[1:]
	} else if !digits() {
		return false
	}
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if !digits() {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if !digits() {
			return false
		}
	}
	return s == ""
}

// str reads a string, which stands in one line.
func (p *jsonParser) str() *jsonValue {
	start := p.pos
	end := start.Byte + 1
	escaped := false
	for ; end < len(p.src) && p.src[end] != '"'; end++ {
		switch {
		case p.src[end] == '\\':
			escaped = true
			end++
		case p.src[end] < ' ':
			what := "A string stands in one line; a line end in it is written \\n."
			if p.src[end] != '\n' && p.src[end] != '\r' {
				what = "Control characters in a string are written as escapes, such as \\t."
			}
			p.fail(start, 1, "Invalid string", "%s", what)
			return nil
		}
	}
	if end >= len(p.src) {
		p.fail(start, 1, "Unexpected end of file", "This string is not closed at the end of the file.")
		return nil
	}
	raw := p.src[start.Byte+1 : end]
	if !utf8.ValidString(raw) {
		p.fail(start, 1, "Invalid character encoding", "Definitions are UTF-8 text, and this string is not. Convert the file, or read bytes with filebase64().")
		return nil
	}
	out := &jsonValue{kind: jsonString, text: raw}
	if escaped && !p.unescape(out, raw, start.Byte+1) {
		return nil
	}
	p.pos.Byte = end + 1
	p.pos.Column += 2 + columns(raw)
	out.rng = p.rangeFrom(start)
	return out
}

// columns counts the characters of a line as people see them.
func columns(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return graphemes(s)
		}
	}
	return len(s)
}

var jsonEscapes = map[byte]string{'"': "\"", '\\': "\\", '/': "/", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t"}

// unescape decodes raw, which begins at the given byte of the file.
func (p *jsonParser) unescape(out *jsonValue, raw string, at int) bool {
	var b strings.Builder
	offsets := make([]int, 0, len(raw)+1)
	add := func(s string, from int) {
		b.WriteString(s)
		for range len(s) {
			offsets = append(offsets, from)
		}
	}
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b.WriteByte(raw[i])
			offsets = append(offsets, at+i)
			i++
			continue
		}
		if s, ok := jsonEscapes[raw[i+1]]; ok {
			add(s, at+i)
			i += 2
			continue
		}
		r, n := unicodeEscape(raw[i:])
		if n == 0 {
			pos := p.pos
			pos.Byte = at + i
			pos.Column += 1 + columns(raw[:i])
			p.fail(pos, 2, "Invalid escape", `A backslash in a JSON string is followed by one of "\/bfnrt or by u and four hexadecimal digits.`)
			return false
		}
		add(string(r), at+i)
		i += n
	}
	out.text, out.offsets = b.String(), append(offsets, at+len(raw))
	return true
}

// unicodeEscape decodes \uXXXX, or two of them that make one character. n is 0 when
// there is none; half a pair is U+FFFD.
func unicodeEscape(s string) (r rune, n int) {
	unit := func(s string) (rune, bool) {
		if len(s) < 6 || s[:2] != `\u` {
			return 0, false
		}
		v, err := strconv.ParseUint(s[2:6], 16, 16)
		return rune(v), err == nil
	}
	r, ok := unit(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := unit(s[6:]); ok {
		if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
			return both, 12
		}
	}
	return utf8.RuneError, 6
}
