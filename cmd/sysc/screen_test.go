package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// A screen is a terminal that understands what this program writes.
type screen struct {
	t      *testing.T
	width  int // in columns; 0 for as many as there are
	rows   []screenRow
	row    int // of the cursor
	column int
	cuts   bool // lines, rather than wrap them
	writes int
	rest   string // of what was written, which is incomplete
}

type screenRow struct {
	cells []rune
	wraps bool // the next row is the rest of this one
}

var screenToken = regexp.MustCompile(`\x1b\[(\??\d*)([A-Za-z])|\r|\n|[^\x1b\r\n]`)

var screenRest = regexp.MustCompile(`^\x1b(\[\??\d*)?$`)

func (s *screen) Write(p []byte) (int, error) {
	s.writes++
	text := s.rest + string(p)
	whole := len(text)
	for i := 1; i <= min(len(text), maxEscape); i++ {
		tail := text[len(text)-i:]
		if !utf8.FullRuneInString(tail) || screenRest.MatchString(tail) {
			whole = len(text) - i
		}
	}
	s.rest = text[whole:]
	for _, m := range screenToken.FindAllStringSubmatch(text[:whole], -1) {
		s.line()
		switch row := &s.rows[s.row]; {
		case m[0] == "\r":
			s.column = 0
		case m[0] == "\n":
			s.row, s.column = s.row+1, 0
		case m[2] == "A":
			n, err := strconv.Atoi(m[1])
			if s.row -= n; err != nil || s.row < 0 {
				s.t.Fatalf("%q leads above the screen: %v", m[0], err)
			}
		case m[2] == "K" || m[2] == "J":
			*row = screenRow{cells: row.cells[:min(s.column, len(row.cells))]}
			if m[2] == "J" {
				s.rows = s.rows[:s.row+1]
			}
		case m[1] == "?7":
			s.cuts = m[2] == "l"
		case m[2] == "m":
		case m[2] != "":
			s.t.Fatalf("unknown sequence %q", m[0])
		default:
			s.put([]rune(m[0])[0])
		}
	}
	s.line()
	return len(p), nil
}

func (s *screen) line() {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, screenRow{})
	}
}

func (s *screen) put(c rune) {
	switch {
	case s.width == 0 || s.column < s.width:
	case s.cuts:
		s.column = s.width - 1
	default:
		s.rows[s.row].wraps = true
		s.row, s.column = s.row+1, 0
		s.line()
	}
	row := &s.rows[s.row]
	for len(row.cells) <= s.column {
		row.cells = append(row.cells, ' ')
	}
	row.cells[s.column] = c
	s.column++
}

// resize gives the screen another width. Some terminals break lines anew and keep
// the cursor at the character where it was, others cut them.
func (s *screen) resize(width int, breaks bool) {
	s.width = width
	if !breaks {
		for i, row := range s.rows {
			s.rows[i].cells = row.cells[:min(width, len(row.cells))]
		}
		return
	}
	old, cursor := s.rows, s.row
	s.rows, s.row = nil, -1
	for i := 0; i < len(old); {
		var line []rune
		for more := true; more; i++ {
			if i == cursor {
				s.row, s.column = len(s.rows)+(len(line)+s.column)/width, (len(line)+s.column)%width
			}
			line = append(line, old[i].cells...)
			more = old[i].wraps
		}
		chunks := slices.Collect(slices.Chunk(line, width))
		for n, cells := range chunks {
			s.rows = append(s.rows, screenRow{cells: slices.Clone(cells), wraps: n < len(chunks)-1})
		}
		if len(chunks) == 0 {
			s.rows = append(s.rows, screenRow{})
		}
	}
}

// text returns the rows without empty ones at the end.
func (s *screen) text() []string {
	var rows []string
	for _, row := range s.rows {
		rows = append(rows, strings.TrimRight(string(row.cells), " "))
	}
	for len(rows) > 0 && rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1]
	}
	return rows
}

var changing = regexp.MustCompile(`\d+(\.\d+)?s\b|[█░]+`)

// check compares the screen, without what changes with time.
func (s *screen) check(want ...string) {
	s.t.Helper()
	var got []string
	for _, row := range s.text() {
		got = append(got, changing.ReplaceAllString(row, "#"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("-want +got:\n%s", diff)
	}
}
