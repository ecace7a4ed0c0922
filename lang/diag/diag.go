// Package diag is what sysc tells the author of a definition: problems with a
// place in a text and a way out of them.
//
// A [Diagnostic] is one problem, a [List] is all of a run's. [Render] prints
// them for people, [WriteJSON] for programs, with Terraform's field names.
// [Suggest] finds the name that somebody probably meant.
//
// Nothing here knows HCL, so every layer above may carry positions around.
package diag

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Severity tells errors from warnings.
type Severity int

const (
	// Error means that the run has no result.
	Error Severity = iota
	// Warning means that the run went on, and that the author should look.
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// A Pos is a place in a file. Line and Column count from 1, Column in
// characters as people see them; Byte counts from 0.
type Pos struct {
	Line, Column, Byte int
}

// A Range is a piece of a file; End is the first place behind it. The zero
// Range is no place.
type Range struct {
	Filename   string
	Start, End Pos
}

// IsZero reports whether r is no place.
func (r Range) IsZero() bool { return r == Range{} }

// String returns "file:line,column" of the start, or "" for no place.
func (r Range) String() string {
	if r.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s:%d,%d", r.Filename, r.Start.Line, r.Start.Column)
}

// Ptr returns a pointer to a copy of r, or nil for no place.
func (r Range) Ptr() *Range {
	if r.IsZero() {
		return nil
	}
	return &r
}

// Compare orders ranges by file name, then by position.
func (r Range) Compare(o Range) int {
	return cmp.Or(
		strings.Compare(r.Filename, o.Filename),
		cmp.Compare(r.Start.Byte, o.Start.Byte),
		cmp.Compare(r.Start.Line, o.Start.Line),
		cmp.Compare(r.Start.Column, o.Start.Column),
		cmp.Compare(r.End.Byte, o.End.Byte),
	)
}

// A Value says what a name in the subject stands for, as in
// {"var.port", "is 8080"}.
type Value struct {
	Traversal string
	Statement string
}

// A Related is another place that belongs to a problem, as the other of two
// definitions that contradict each other.
type Related struct {
	Message string
	Range   Range
}

// A Diagnostic is one problem.
type Diagnostic struct {
	Severity Severity
	// Summary names the problem in a few words, without a full stop.
	Summary string
	// Detail says in sentences what is wrong and what to do. Lines that begin
	// with white space are printed as they are, others are wrapped.
	Detail string
	// Subject is the text at fault, nil when there is none. Context is a wider
	// piece of the same file to be shown with it, nil for the subject alone.
	Subject, Context *Range
	// Values are what the names in the subject stand for.
	Values []Value
	// Related are further places, in the order in which to show them.
	Related []Related
	// Fatal is set when no expression may recover from it (try, can), because
	// whether it is met depends on the order of evaluation: cycles and limits.
	Fatal bool
}

// Error returns "file:line,column: summary; detail".
func (d *Diagnostic) Error() string {
	var b strings.Builder
	if d.Subject != nil {
		b.WriteString(d.Subject.String() + ": ")
	}
	b.WriteString(d.Summary)
	if d.Detail != "" {
		b.WriteString("; " + d.Detail)
	}
	return b.String()
}

// Equal reports whether two diagnostics would read the same.
func (d *Diagnostic) Equal(o *Diagnostic) bool {
	return d == o || d.compare(o) == 0 && slices.Equal(d.Values, o.Values) && slices.Equal(d.Related, o.Related)
}

// compare orders by place, what has no place first, then by text.
func (d *Diagnostic) compare(o *Diagnostic) int {
	var a, b Range
	if d.Subject != nil {
		a = *d.Subject
	}
	if o.Subject != nil {
		b = *o.Subject
	}
	return cmp.Or(
		a.Compare(b),
		cmp.Compare(d.Severity, o.Severity),
		strings.Compare(d.Summary, o.Summary),
		strings.Compare(d.Detail, o.Detail),
	)
}

// A List is the problems of a run. The nil List is empty.
//
// A problem may stand in it several times, when several things depend on
// what is broken; it is the same pointer then, and [List.Sort] keeps one.
type List []*Diagnostic

// Errorf returns a list of one error. rng may be zero. The detail is formatted
// with args.
func Errorf(rng Range, summary, detail string, args ...any) List {
	return List{New(Error, rng, summary, detail, args...)}
}

// Warningf returns a list of one warning, like [Errorf].
func Warningf(rng Range, summary, detail string, args ...any) List {
	return List{New(Warning, rng, summary, detail, args...)}
}

// New returns a diagnostic. Without args the detail is taken as it is.
func New(sev Severity, rng Range, summary, detail string, args ...any) *Diagnostic {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &Diagnostic{Severity: sev, Summary: summary, Detail: detail, Subject: rng.Ptr()}
}

// HasErrors reports whether there is an error in l.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d *Diagnostic) bool { return d.Severity == Error })
}

// Errors returns the errors alone.
func (l List) Errors() List {
	var out List
	for _, d := range l {
		if d.Severity == Error {
			out = append(out, d)
		}
	}
	return out
}

// Sort returns l ordered by file, then by position, each problem once. l
// itself is left as it is.
func (l List) Sort() List {
	seen := make(map[*Diagnostic]bool, len(l))
	out := make(List, 0, len(l))
	for _, d := range l {
		if !seen[d] {
			seen[d] = true
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, (*Diagnostic).compare)
	return slices.CompactFunc(out, (*Diagnostic).Equal)
}

// maxHandedOn bounds what [List.Limit] keeps.
const maxHandedOn = 20

// Limit returns the first of l's problems, fatal ones first, then errors,
// then warnings, each once.
// Whoever keeps a list for others to read keeps a limited one, because lists
// that are handed on from one broken thing to the next would grow with the
// square of their number.
func (l List) Limit() List {
	if len(l) <= 1 {
		return l
	}
	seen := make(map[*Diagnostic]bool, min(len(l), maxHandedOn))
	out := make(List, 0, min(len(l), maxHandedOn))
	keep := func(wanted func(*Diagnostic) bool) {
		for _, d := range l {
			if len(out) < maxHandedOn && wanted(d) && !seen[d] {
				seen[d] = true
				out = append(out, d)
			}
		}
	}
	keep(func(d *Diagnostic) bool { return d.Fatal })
	keep(func(d *Diagnostic) bool { return d.Severity == Error })
	keep(func(d *Diagnostic) bool { return true })
	return out
}

// HasFatal reports whether there is an error in l that must not be recovered
// from.
func (l List) HasFatal() bool {
	return slices.ContainsFunc(l, func(d *Diagnostic) bool { return d.Fatal })
}

// Err returns nil unless there are errors, and otherwise an error whose text
// is theirs, a line each.
func (l List) Err() error {
	var lines []string
	for _, d := range l.Sort().Errors() {
		lines = append(lines, d.Error())
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}
