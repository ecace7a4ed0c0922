package main

import (
	"bytes"
	"io"
	"unicode"
	"unicode/utf8"
)

// A terminalFilter lets text through that a terminal may get from a program that
// nobody trusts: characters, ends of lines, tabs, and, with colour, what chooses
// colours. Everything else goes that moves the cursor, sets titles, asks the terminal
// to answer, or turns the direction of writing. close must be called at the end.
type terminalFilter struct {
	w      io.Writer
	colour bool

	rest     []byte // the beginning of something
	inString bool   // in what goes on until the terminal is told that it ends
	coloured bool
}

// maxEscape is how long a sequence can be in bytes that is not nonsense.
const maxEscape = 64

func (f *terminalFilter) Write(p []byte) (int, error) {
	f.rest = append(f.rest, p...)
	if err := f.pass(false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// close ends the text, and the colours.
func (f *terminalFilter) close() error {
	err := f.pass(true)
	if err == nil && f.coloured {
		_, err = io.WriteString(f.w, "\x1b[0m")
	}
	return err
}

// pass writes what is complete of the rest, or, at the end, all.
func (f *terminalFilter) pass(end bool) error {
	var out []byte
	data := f.rest
	for len(data) > 0 {
		if f.inString {
			n, ended := skipString(data)
			data, f.inString = data[n:], !ended
			continue
		}
		keep, n := f.next(data)
		if n == 0 && !end {
			break
		}
		if n == 0 {
			keep, n = unfinished(data)
		}
		out = append(out, keep...)
		data = data[n:]
	}
	f.rest = append(f.rest[:0], data...)
	_, err := f.w.Write(out)
	return err
}

// unfinished is next for the end of a text.
func unfinished(data []byte) (keep []byte, n int) {
	switch data[0] {
	case '\x1b':
		return nil, len(data)
	case '\r':
		return []byte{'\n'}, 1
	}
	return []byte(string(utf8.RuneError)), 1
}

// next takes n bytes off data and says what stays of them. n is 0 when more must be
// known.
func (f *terminalFilter) next(data []byte) (keep []byte, n int) {
	c := data[0]
	switch {
	case c == '\x1b':
		return f.escape(data)
	case c == '\r' && len(data) == 1:
		return nil, 0
	case c == '\r' && data[1] != '\n' && data[1] != '\r':
		return []byte{'\n'}, 1 // a line that would be written over
	case c == '\n' || c == '\t':
		return data[:1], 1
	case c < ' ' || c == 0x7f:
		return nil, 1
	case !utf8.FullRune(data):
		return nil, 0
	}
	r, n := utf8.DecodeRune(data)
	switch {
	case r == utf8.RuneError && n == 1:
		return []byte(string(r)), 1
	case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
		return nil, n
	}
	return data[:n], n
}

// skipString goes to the end of a string for the terminal, such as a title. One
// without an end shall not swallow the whole text: it goes no further than the line.
func skipString(data []byte) (n int, ended bool) {
	i := bytes.IndexAny(data, "\x07\x18\x1a\x1b\r\n")
	if i < 0 {
		return len(data), false
	}
	if c := data[i]; c == '\x1b' || c == '\r' || c == '\n' {
		return i, true // which means something by itself
	}
	return i + 1, true
}

// escape takes an escape sequence (ECMA-48) off data.
func (f *terminalFilter) escape(data []byte) (keep []byte, n int) {
	if len(data) == 1 {
		return nil, 0
	}
	switch c := data[1]; {
	case c == '[':
		n, ok := sequenceEnd(data, 2)
		if n > 0 && ok && f.colour && choosesColour(data[:n]) {
			f.coloured = true
			return data[:n], n
		}
		return nil, n
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		f.inString = true
		return nil, 2
	case ' ' <= c && c <= '/':
		n, _ := sequenceEnd(data, 1)
		return nil, n
	case c < ' ' || c >= 0x7f:
		return nil, 1
	}
	return nil, 2
}

// sequenceEnd returns where a sequence ends whose parameters begin at from, 0 when
// that is not known yet. ok is false when it is none.
func sequenceEnd(data []byte, from int) (n int, ok bool) {
	for i, c := range data[from:] {
		switch {
		case c < ' ' || c > '~':
			return from + i, false
		case c >= '@', from == 1 && c >= '0':
			return from + i + 1, true
		case i == maxEscape:
			return from + i, false
		}
	}
	return 0, false
}

// choosesColour reports whether a sequence does nothing but that (SGR).
func choosesColour(sequence []byte) bool {
	parameters, ok := bytes.CutSuffix(sequence[2:], []byte{'m'})
	return ok && len(bytes.Trim(parameters, "0123456789;:")) == 0
}
