package lint

import (
	"maps"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// The words that comments for the linter begin with.
const (
	ignoreHere = "lint:ignore"
	ignoreFile = "lint:ignore-file"
)

// An exception is a comment that silences rules.
type exception struct {
	rules []string
	at    diag.Range
	// scope is where; a zero one is the whole file.
	scope diag.Range
	used  bool
}

// Silence returns the findings that no comment in the texts silences, and what is
// wrong with these comments, sorted. known are the names of all rules; asked tells
// which of them findings are of.
func Silence(findings []Finding, files map[string][]byte, known []string, asked func(rule string) bool) []Finding {
	var exceptions []*exception
	var out, wrong []Finding
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, c := range syntax.Comments(files[name], name) {
			x, more := readException(c, known)
			wrong = append(wrong, more...)
			if x != nil {
				exceptions = append(exceptions, x)
			}
		}
	}
	for _, f := range findings {
		silenced := false
		for _, x := range exceptions {
			if x.covers(f) {
				x.used, silenced = true, true
			}
		}
		if !silenced {
			out = append(out, f)
		}
	}
	for _, x := range exceptions {
		if !x.used && len(x.rules) > 0 && !slices.ContainsFunc(x.rules, func(rule string) bool { return !asked(rule) }) {
			wrong = append(wrong, NewFinding(Ignore, x.at, "Ignored for nothing",
				"There is nothing of %s here. Take the comment out, or put it in front of what it is about.", strings.Join(x.rules, " and ")))
		}
	}
	if asked(Ignore) {
		out = append(out, wrong...)
	}
	Sort(out)
	return out
}

// readException reads a comment; nil when it is none for the linter, or says
// nothing.
func readException(c syntax.Comment, known []string) (x *exception, wrong []Finding) {
	word, rest, _ := strings.Cut(c.Text, " ")
	if word != ignoreHere && word != ignoreFile {
		return nil, nil
	}
	x = &exception{at: c.Range, scope: c.Scope}
	if word == ignoreFile {
		x.scope = diag.Range{}
	}
	names, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if names == "" || strings.TrimSpace(reason) == "" {
		return nil, []Finding{NewFinding(Ignore, c.Range, "Ignored without a reason",
			"Such a comment says which rule does not hold and why, as in\n\n  # %s %s read by a script", word, unusedLocal)}
	}
	for _, name := range strings.Split(names, ",") {
		if !slices.Contains(known, name) {
			wrong = append(wrong, NewFinding(Ignore, c.Range, "Unknown rule", "There is no rule %q.%s", name, diag.DidYouMean(name, known)))
			continue
		}
		x.rules = append(x.rules, name)
	}
	return x, wrong
}

// covers reports whether the comment is about a finding.
func (x *exception) covers(f Finding) bool {
	if !slices.Contains(x.rules, f.Rule) || x.at.Filename != f.Subject.Filename {
		return false
	}
	at := f.Subject.Start.Byte
	return x.scope.IsZero() || x.scope.Start.Byte <= at && at <= x.scope.End.Byte
}
