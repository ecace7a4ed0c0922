package derivations

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxNesting bounds how deep a JSON value may nest, and with it the recursion of
// the parser.
const maxNesting = 128

// canonicalJSON rewrites one JSON value (RFC 8259) in canonical form: members
// sorted by the bytes of their keys, no white space, strings with no escapes but
// the necessary ones and these in one spelling, integers only. A key that occurs
// twice, a string that is not UTF-8, a number with a fraction or exponent, and
// anything after the value are errors.
func canonicalJSON(text []byte) ([]byte, error) {
	p := canonicalizer{in: text, out: make([]byte, 0, len(text))}
	if err := p.value(0); err != nil {
		return nil, fmt.Errorf("JSON at byte %d: %v", p.pos, err)
	}
	p.space()
	if p.pos != len(p.in) {
		return nil, fmt.Errorf("JSON at byte %d: text after the value", p.pos)
	}
	return p.out, nil
}

type canonicalizer struct {
	in  []byte
	pos int
	out []byte
}

func (p *canonicalizer) space() {
	for p.pos < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.pos]) >= 0 {
		p.pos++
	}
}

// peek returns the next byte that is not white space, or 0 at the end.
func (p *canonicalizer) peek() byte {
	p.space()
	if p.pos == len(p.in) {
		return 0
	}
	return p.in[p.pos]
}

func (p *canonicalizer) value(depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("nested more than %d deep", maxNesting)
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		_, err := p.text()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(p.in[p.pos:], []byte(word)) {
			p.pos += len(word)
			p.out = append(p.out, word...)
			return nil
		}
	}
	return fmt.Errorf("no value")
}

func (p *canonicalizer) array(depth int) error {
	p.pos++
	p.out = append(p.out, '[')
	for first := true; p.peek() != ']' || !first; first = false {
		if !first {
			p.out = append(p.out, ',')
		}
		if err := p.value(depth + 1); err != nil {
			return err
		}
		switch p.peek() {
		case ',':
			p.pos++
			continue
		case ']':
		default:
			return fmt.Errorf("want , or ]")
		}
		break
	}
	p.pos++
	p.out = append(p.out, ']')
	return nil
}

// A member is where a member of an object stands in the output.
type member struct {
	key        string
	start, end int
}

func (p *canonicalizer) object(depth int) error {
	p.pos++
	p.out = append(p.out, '{')
	start := len(p.out)
	var members []member
	for first := true; p.peek() != '}' || !first; first = false {
		m, err := p.member(depth)
		if err != nil {
			return err
		}
		members = append(members, m)
		switch p.peek() {
		case ',':
			p.pos++
			p.out = append(p.out, ',')
			continue
		case '}':
		default:
			return fmt.Errorf("want , or }")
		}
		break
	}
	p.pos++
	if err := p.sortMembers(start, members); err != nil {
		return err
	}
	p.out = append(p.out, '}')
	return nil
}

func (p *canonicalizer) member(depth int) (member, error) {
	if p.peek() != '"' {
		return member{}, fmt.Errorf("want a key")
	}
	m := member{start: len(p.out)}
	var err error
	if m.key, err = p.text(); err != nil {
		return m, err
	}
	if p.peek() != ':' {
		return m, fmt.Errorf("want :")
	}
	p.pos++
	p.out = append(p.out, ':')
	err = p.value(depth + 1)
	m.end = len(p.out)
	return m, err
}

// sortMembers puts the members that were written from start on in order.
func (p *canonicalizer) sortMembers(start int, members []member) error {
	byKey := func(a, b member) int { return strings.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(members, byKey) {
		slices.SortFunc(members, byKey)
		written := bytes.Clone(p.out[start:])
		p.out = p.out[:start]
		for i, m := range members {
			if i > 0 {
				p.out = append(p.out, ',')
			}
			p.out = append(p.out, written[m.start-start:m.end-start]...)
		}
	}
	for i := 1; i < len(members); i++ {
		if members[i-1].key == members[i].key {
			return fmt.Errorf("key %q occurs twice", members[i].key)
		}
	}
	return nil
}

// number copies an integer of at most 64 bits, with a sign or without. There is
// one spelling of each: no leading zeroes (as
// JSON has it), and no "-0".
func (p *canonicalizer) number() error {
	start := p.pos
	for p.pos < len(p.in) && strings.IndexByte("+-.0123456789eE", p.in[p.pos]) >= 0 {
		p.pos++
	}
	text := p.in[start:p.pos]
	digits := bytes.TrimPrefix(text, []byte{'-'})
	for _, c := range digits {
		if c < '0' || c > '9' {
			return fmt.Errorf("%s is not an integer", text)
		}
	}
	if len(digits) == 0 || digits[0] == '0' && len(text) > 1 {
		return fmt.Errorf("%s is not an integer", text)
	}
	_, signed := strconv.ParseInt(string(text), 10, 64)
	_, unsigned := strconv.ParseUint(string(text), 10, 64)
	if signed != nil && unsigned != nil {
		return fmt.Errorf("%s has more than 64 bits", text)
	}
	p.out = append(p.out, text...)
	return nil
}

// text copies a string and returns what it says.
func (p *canonicalizer) text() (string, error) {
	start := p.pos
	p.pos++
	plain := true
	for ; p.pos < len(p.in) && p.in[p.pos] != '"'; p.pos++ {
		switch c := p.in[p.pos]; {
		case c < ' ':
			return "", fmt.Errorf("control character in a string")
		case c == '\\':
			plain = false
			p.pos++
		}
	}
	if p.pos >= len(p.in) {
		return "", fmt.Errorf("string without an end")
	}
	p.pos++
	raw := p.in[start:p.pos]
	if !utf8.Valid(raw) || replaced(raw) {
		return "", fmt.Errorf("string that is not UTF-8")
	}
	if plain {
		p.out = append(p.out, raw...)
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	p.out = appendText(p.out, s)
	return s, nil
}

// replaced reports whether raw has an escape that stands for something that is
// not text: half a surrogate pair, or the "\ufffd" that encoding/json writes
// for bytes that are not UTF-8 (it writes the real character U+FFFD as it is).
func replaced(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		if i < len(raw) && raw[i] == 'u' && i+5 <= len(raw) {
			hex := strings.ToLower(string(raw[i+1 : i+5]))
			if hex == "fffd" || hex[0] == 'd' && hex[1] >= '8' && !validPair(raw[i-1:]) {
				return true
			}
			if hex[0] == 'd' && hex[1] >= '8' {
				i += len(`\uxxxx`)
			}
		}
	}
	return false
}

// validPair reports whether raw begins with the escapes of a surrogate pair.
func validPair(raw []byte) bool {
	const length = len(`\ud83d\ude00`)
	if len(raw) < length {
		return false
	}
	var s string
	quoted := slices.Concat([]byte{'"'}, raw[:length], []byte{'"'})
	return json.Unmarshal(quoted, &s) == nil && utf8.RuneCountInString(s) == 1
}

// appendText writes a string with the escapes of RFC 8785, section 3.2.2.2.
func appendText(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(s) {
		c := s[i]
		if short := strings.IndexByte("\"\\\b\t\n\f\r", c); short >= 0 {
			out = append(out, '\\', `"\btnfr`[short])
		} else if c < ' ' {
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return append(out, '"')
}
