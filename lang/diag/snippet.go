package diag

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"sysc/internal/lazyregexp"
)

// A snippet is the lines of a file that hold a diagnostic's subject.
type snippet struct {
	header    string // the block that the subject stands in: `system "x"`
	code      string // whole lines, without the last newline
	startLine int
	// The subject in code, in bytes.
	from, to int
}

// maxSnippet bounds the lines of a snippet: the beginning of a long subject
// is enough to find it.
const maxSnippet = 12

// maxLineBytes bounds a line of a snippet, which may be a generated file's only one.
const maxLineBytes = 400

// cut returns the snippet of d in src; ok is false when the positions do not
// fit the text.
func cut(d *Diagnostic, src []byte) (snippet, bool) {
	sub := *d.Subject
	if sub.Start.Byte < 0 || sub.Start.Byte > len(src) || sub.End.Byte < sub.Start.Byte {
		return snippet{}, false
	}
	begin, end := sub.Start.Byte, min(sub.End.Byte, len(src))
	line := sub.Start.Line
	if c := d.Context; c != nil && c.Filename == sub.Filename && c.Start.Byte >= 0 && c.Start.Byte <= begin && c.End.Byte >= end {
		begin, end, line = c.Start.Byte, min(c.End.Byte, len(src)), c.Start.Line
	}
	// An end at the beginning of a line shows the line before.
	if end > begin && src[end-1] == '\n' {
		end--
	}
	lineStart := bytes.LastIndexByte(src[:begin], '\n') + 1
	lineEnd := len(src)
	if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
		lineEnd = end + i
	}
	for n, at := 0, lineStart; at < lineEnd; {
		i := bytes.IndexByte(src[at:lineEnd], '\n')
		if i < 0 {
			break
		}
		if n++; n == maxSnippet {
			lineEnd = at + i
			break
		}
		at += i + 1
	}
	text := src[lineStart:lineEnd]
	from := min(sub.Start.Byte-lineStart, len(text))
	if i := bytes.IndexByte(text, '\n'); i < 0 && len(text) > maxLineBytes {
		lo := max(0, from-maxLineBytes/4)
		for lo < len(text) && !utf8.RuneStart(text[lo]) {
			lo++
		}
		hi := min(len(text), lo+maxLineBytes)
		lineStart, text, from = lineStart+lo, text[lo:hi], from-lo
	}
	to := min(max(sub.End.Byte-lineStart, from), len(text))
	return snippet{
		header:    header(src, sub.Start.Byte),
		code:      strings.ToValidUTF8(string(text), "?"),
		startLine: line,
		from:      from, to: to,
	}, true
}

var (
	headerLine  = lazyregexp.New(`^([A-Za-z_][\w-]*)((?:[ \t]+(?:"[^"]*"|[A-Za-z_][\w-]*))*)[ \t]*\{`)
	heredocOpen = lazyregexp.New(`<<-?([A-Za-z_][\w-]*)[ \t]*\r?$`)
)

// header finds the top-level block around the byte at offset: the last line
// that opens one at the left margin, heredocs left out. It is for orientation
// only; a text that is not formatted may have none.
func header(src []byte, offset int) string {
	const maxScan = 1 << 20
	if offset > maxScan {
		return ""
	}
	found, until := "", ""
	for at := 0; at <= offset && at < len(src); {
		line := src[at:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
		}
		at += len(line) + 1
		if until != "" {
			if string(bytes.TrimSpace(line)) == until {
				until = ""
			}
			continue
		}
		if len(line) > maxLineBytes {
			continue
		}
		if m := headerLine().FindSubmatch(line); m != nil {
			found = string(m[1]) + strings.TrimRight(string(m[2]), " \t")
			if at <= offset && bytes.HasSuffix(bytes.TrimSpace(line), []byte("}")) {
				found = "" // closed on its own line
			}
		} else if len(line) > 0 && line[0] == '}' && at <= offset {
			found = ""
		}
		if m := heredocOpen().FindSubmatch(line); m != nil {
			until = string(m[1])
		}
	}
	return found
}
