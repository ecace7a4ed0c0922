package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// RenderOptions say how [Render] prints. The zero value is plain text, 78
// columns wide.
type RenderOptions struct {
	// Color uses ANSI escape sequences; the subject is underlined with them
	// instead of with a line of carets.
	Color bool
	// Width is the terminal's, in columns; 0 means 78.
	Width int
}

const (
	ansiReset     = "\x1b[0m"
	ansiBold      = "\x1b[1m"
	ansiUnderline = "\x1b[4m"
	ansiRed       = "\x1b[31m"
	ansiYellow    = "\x1b[33m"
)

// Render prints the diagnostics of l, sorted, each in a box as Terraform does,
// with the lines of source at fault. files has the texts by name; a diagnostic
// about another file is printed without source. Control characters from the
// texts are shown, not sent to the terminal.
func Render(w io.Writer, l List, files map[string][]byte, opts RenderOptions) error {
	if opts.Width <= 0 {
		opts.Width = 78
	}
	var out strings.Builder
	for _, d := range l.Sort() {
		box{&out, d, files, opts}.print()
	}
	_, err := io.WriteString(w, out.String())
	return err
}

type box struct {
	out   *strings.Builder
	d     *Diagnostic
	files map[string][]byte
	opts  RenderOptions
}

func (b box) print() {
	title, color := "Error", ansiRed
	if b.d.Severity == Warning {
		title, color = "Warning", ansiYellow
	}
	b.out.WriteString("\n" + b.paint(color, "╷") + "\n")
	b.line(b.paint(color+ansiBold, title+": ") + b.paint(ansiBold, visible(b.d.Summary)))
	b.line("")
	if b.d.Subject != nil {
		b.source()
		b.line("")
	}
	for _, r := range b.d.Related {
		b.line(fmt.Sprintf("  %s:", visible(r.Message)))
		b.related(r.Range)
		b.line("")
	}
	if b.d.Detail != "" {
		for _, line := range wrap(visible(b.d.Detail), b.opts.Width-2) {
			b.line(line)
		}
	}
	b.out.WriteString(b.paint(color, "╵") + "\n")
}

func (b box) line(s string) {
	color := ansiRed
	if b.d.Severity == Warning {
		color = ansiYellow
	}
	b.out.WriteString(b.paint(color, "│"))
	if s != "" {
		b.out.WriteString(" " + s)
	}
	b.out.WriteString("\n")
}

func (b box) paint(codes, s string) string {
	if !b.opts.Color || s == "" {
		return s
	}
	return codes + s + ansiReset
}

func (b box) source() {
	sub := b.d.Subject
	src, ok := b.files[sub.Filename]
	var s snippet
	if ok {
		s, ok = cut(b.d, src)
	}
	if !ok {
		b.line(fmt.Sprintf("  on %s line %d:", visible(sub.Filename), sub.Start.Line))
		return
	}
	in := ""
	if s.header != "" {
		in = ", in " + visible(s.header)
	}
	b.line(fmt.Sprintf("  on %s line %d%s:", visible(sub.Filename), sub.Start.Line, in))
	b.code(s)
	if len(b.d.Values) > 0 {
		b.line("    ├────────────────")
		for _, v := range b.d.Values {
			b.line("    │ " + b.paint(ansiBold, visible(v.Traversal)) + " " + visible(v.Statement))
		}
	}
}

func (b box) related(r Range) {
	sub := b.d.Subject
	b.line(fmt.Sprintf("  on %s line %d:", visible(r.Filename), r.Start.Line))
	if src, ok := b.files[r.Filename]; ok && (sub == nil || *sub != r) {
		if s, ok := cut(&Diagnostic{Subject: &r}, src); ok {
			b.code(s)
		}
	}
}

// code prints the lines of s, and marks the subject in them.
func (b box) code(s snippet) {
	at := 0
	for i, text := range strings.Split(s.code, "\n") {
		from := min(max(s.from-at, 0), len(text))
		to := min(max(s.to-at, 0), len(text))
		at += len(text) + 1
		before, marked, after := visible(text[:from]), visible(text[from:to]), visible(text[to:])
		number := fmt.Sprintf("%4d: ", s.startLine+i)
		if b.opts.Color {
			b.line(number + before + b.paint(ansiUnderline, marked) + after)
			continue
		}
		b.line(strings.TrimRight(number+before+marked+after, " "))
		carets := utf8.RuneCountInString(strings.TrimRight(marked, " \t\r"))
		if carets > 0 {
			b.line(strings.Repeat(" ", utf8.RuneCountInString(number)) + blank(before) + strings.Repeat("^", carets))
		}
	}
}

// blank returns white space as wide as s, tabs kept.
func blank(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, s)
}

// visible replaces control characters, which could rewrite what a terminal
// shows, by their escaped form. Newlines and tabs stay.
func visible(s string) string {
	clean := func(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case clean(r):
			b.WriteRune(r)
		case r == '\r':
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// wrap breaks the lines of s at width columns. Lines that begin with white
// space are left as they are.
func wrap(s string, width int) []string {
	var out []string
	for _, line := range strings.Split(strings.TrimRight(s, "\n"), "\n") {
		if line == "" || line[0] == ' ' || line[0] == '\t' {
			out = append(out, strings.TrimRight(line, " \t"))
			continue
		}
		cur := ""
		for _, word := range strings.Fields(line) {
			switch {
			case cur == "":
				cur = word
			case utf8.RuneCountInString(cur)+1+utf8.RuneCountInString(word) > width:
				out = append(out, cur)
				cur = word
			default:
				cur += " " + word
			}
		}
		out = append(out, cur)
	}
	return out
}
