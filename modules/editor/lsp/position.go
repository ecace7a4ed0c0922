package lsp

import (
	"bytes"
	"fmt"
	"net/url"
	"path/filepath"
	"unicode/utf16"
	"unicode/utf8"

	"sysc/lang/diag"
)

// An encoding is what characters of a position are counted in.
type encoding string

const (
	utf8Units  encoding = "utf-8"
	utf16Units encoding = "utf-16"
)

// chooseEncoding takes bytes where the editor offers them, and what every editor
// has to know elsewhere.
func chooseEncoding(offered []string) encoding {
	for _, e := range offered {
		if e == string(utf8Units) {
			return utf8Units
		}
	}
	return utf16Units
}

// offset finds the byte that a position is at; one behind the end of a line is at
// its end.
func (e encoding) offset(text []byte, p position) int {
	at := 0
	for range p.Line {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	line := text[at:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	return at + e.bytes(line, p.Character)
}

// bytes is how long the first units of a line are.
func (e encoding) bytes(line []byte, units int) int {
	if e == utf8Units {
		return max(0, min(units, len(line)))
	}
	at := 0
	for at < len(line) && units > 0 {
		r, size := utf8.DecodeRune(line[at:])
		units -= utf16.RuneLen(r)
		at += size
	}
	return at
}

// position is the reverse of offset.
func (e encoding) position(text []byte, offset int) position {
	offset = max(0, min(offset, len(text)))
	start := bytes.LastIndexByte(text[:offset], '\n') + 1
	p := position{Line: bytes.Count(text[:start], []byte("\n"))}
	if e == utf8Units {
		p.Character = offset - start
		return p
	}
	for at := start; at < offset; {
		r, size := utf8.DecodeRune(text[at:offset])
		p.Character += utf16.RuneLen(r)
		at += size
	}
	return p
}

// rangeOf converts a range in a text.
func (e encoding) rangeOf(text []byte, r diag.Range) textRange {
	return textRange{e.position(text, r.Start.Byte), e.position(text, r.End.Byte)}
}

// pathOf returns the path of a file: URI.
func pathOf(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	if u.Scheme != "file" || !filepath.IsAbs(u.Path) {
		return "", fmt.Errorf("%s is not a file", uri)
	}
	return filepath.Clean(u.Path), nil
}

// uriOf is the reverse of pathOf.
func uriOf(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }
