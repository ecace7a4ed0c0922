// Package deb822 reads the format that Debian keeps everything in: stanzas of
// "Field: value" lines, separated by blank lines (deb822(5)). It reads control
// files, Packages indexes, Release files and apt's *.sources alike.
//
// [Reader] streams: it holds one stanza at a time, in a buffer that it uses
// again, so that reading an index of 50 MB costs the time to look at it.
package deb822

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxStanza is the most bytes that one stanza may have. The longest real ones,
// in a Release file, have about 200 KB.
const MaxStanza = 16 << 20

// MaxFields is the most fields that one stanza may have.
const MaxFields = 4096

// A Field is one field of a stanza. Its bytes are only valid until the reader
// is asked for the next stanza.
type Field struct {
	Name []byte
	// Value is the text after the colon without white space around it. Lines
	// that follow are in it as they stand, with what they begin with and with
	// comment lines; [Lines] takes it apart.
	Value []byte
}

// A Stanza is a sequence of fields in the order of the text.
type Stanza struct {
	Fields []Field
}

// Get returns the value of the first field with a name, whatever its case, and
// whether there is one.
func (s *Stanza) Get(name string) (string, bool) {
	for _, f := range s.Fields {
		if len(f.Name) == len(name) && strings.EqualFold(string(f.Name), name) {
			return string(f.Value), true
		}
	}
	return "", false
}

// Value is Get without the second result.
func (s *Stanza) Value(name string) string {
	v, _ := s.Get(name)
	return v
}

// CheckUnique reports a field that stands in the stanza twice, which deb822(5)
// forbids. Reading does not check it: an index has a million fields.
func (s *Stanza) CheckUnique() error {
	seen := make(map[string]bool, len(s.Fields))
	for _, f := range s.Fields {
		name := strings.ToLower(string(f.Name))
		if seen[name] {
			return fmt.Errorf("field %q stands twice in one stanza", f.Name)
		}
		seen[name] = true
	}
	return nil
}

// Lines splits a value into its lines, without white space around each, and
// without comments and empty lines.
func Lines(value string) []string {
	var lines []string
	for line := range strings.SplitSeq(value, "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Fold joins the lines of a value by single spaces: what a field means whose
// line ends do not count.
func Fold(value string) string {
	if strings.IndexByte(value, '\n') < 0 {
		return value
	}
	return strings.Join(Lines(value), " ")
}

// A Reader reads stanzas one after the other. Not safe for concurrent use.
type Reader struct {
	src    io.Reader
	buf    []byte // all that was read and not yet returned is buf[start:]
	start  int
	eof    bool
	stanza Stanza
	line   int // number of the line that the next stanza begins with
}

// NewReader returns a reader of src. It buffers by itself.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, buf: make([]byte, 0, 64<<10), line: 1}
}

// Next returns the next stanza, which is valid until Next is called again.
// After the last one the error is io.EOF. Any other error names the line; the
// reader cannot be used after it.
func (r *Reader) Next() (*Stanza, error) {
	for {
		raw, err := r.paragraph()
		if err != nil {
			return nil, err
		}
		first := r.line
		r.line += bytes.Count(raw, newline)
		if err := r.parse(raw, first); err != nil {
			return nil, err
		}
		if len(r.stanza.Fields) > 0 {
			return &r.stanza, nil
		}
	}
}

var newline = []byte{'\n'}

// paragraph returns the bytes up to and including the next blank line.
func (r *Reader) paragraph() ([]byte, error) {
	from := r.start // where to look for a line end
	for {
		if end, ok := blankLine(r.buf, from); ok {
			raw := r.buf[r.start:end]
			r.start = end
			return raw, nil
		}
		if r.eof {
			raw := r.buf[r.start:]
			r.start = len(r.buf)
			if len(raw) == 0 {
				return nil, io.EOF
			}
			return raw, nil
		}
		if len(r.buf)-r.start > MaxStanza {
			return nil, fmt.Errorf("line %d: stanza of more than %d bytes", r.line, MaxStanza)
		}
		// The last line may be half there: look at it again.
		seen := bytes.LastIndexByte(r.buf[from:], '\n') + 1 + from - r.start
		if err := r.fill(); err != nil {
			return nil, fmt.Errorf("line %d: %w", r.line, err)
		}
		from = r.start + seen
	}
}

// blankLine finds the end of the first line in buf[from:] that has white space
// only. from is the beginning of a line.
func blankLine(buf []byte, from int) (int, bool) {
	for from < len(buf) {
		n := bytes.IndexByte(buf[from:], '\n')
		if n < 0 {
			return 0, false
		}
		line := buf[from : from+n]
		from += n + 1
		if len(line) == 0 || line[0] <= ' ' && len(bytes.TrimSpace(line)) == 0 {
			return from, true
		}
	}
	return 0, false
}

// fill reads more, moving what is left to the front or growing the buffer.
func (r *Reader) fill() error {
	if r.start > 0 {
		n := copy(r.buf, r.buf[r.start:])
		r.buf, r.start = r.buf[:n], 0
	}
	if len(r.buf) == cap(r.buf) {
		grown := make([]byte, len(r.buf), 2*cap(r.buf))
		copy(grown, r.buf)
		r.buf = grown
	}
	for range 100 {
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if errors.Is(err, io.EOF) {
			r.eof = true
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// parse splits raw into fields.
func (r *Reader) parse(raw []byte, number int) error {
	fields := r.stanza.Fields[:0]
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, '\n')
		if n < 0 {
			n = len(raw)
		}
		line := raw[:n]
		next := raw[min(n+1, len(raw)):]
		switch {
		case len(line) == 0 || line[0] == '#':
		case line[0] == ' ' || line[0] == '\t' || line[0] == '\r':
			if len(bytes.TrimSpace(line)) == 0 {
				break
			}
			if len(fields) == 0 {
				return fmt.Errorf("line %d: continuation of no field", number)
			}
			last := &fields[len(fields)-1]
			last.Value = extend(last.Value, line)
		default:
			colon := nameEnd(line)
			if colon <= 0 || line[0] == '-' {
				return fmt.Errorf("line %d: %.60q is not \"Field: value\"", number, line)
			}
			if len(fields) == MaxFields {
				return fmt.Errorf("line %d: more than %d fields in one stanza", number, MaxFields)
			}
			fields = append(fields, Field{Name: line[:colon], Value: trim(line[colon+1:])})
		}
		raw = next
		number++
	}
	r.stanza.Fields = fields
	return nil
}

// nameEnd returns where the colon after a field's name is, -1 when there is none.
// A name has no white space.
func nameEnd(line []byte) int {
	for i, c := range line {
		switch c {
		case ':':
			return i
		case ' ', '\t':
			return -1
		}
	}
	return -1
}

// trim is bytes.TrimSpace that always returns a part of b, so that extend finds
// its place in the buffer for an empty value, too.
func trim(b []byte) []byte {
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// extend makes value reach to the end of line. Both are parts of one buffer,
// value first, so no byte is copied.
func extend(value, line []byte) []byte {
	end := cap(value) - cap(line) + len(line)
	return trim(value[:end])
}
