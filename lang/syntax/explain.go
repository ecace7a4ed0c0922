package syntax

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sysc/internal/lazyregexp"
	"sysc/lang/diag"
)

// explain makes what the parser says of a text fit for somebody who does not know
// how a parser works: what follows from a mistake that is shown is left out, and
// frequent mistakes are named, with what should stand there.
func explain(src []byte, diags diag.List) diag.List {
	diags = causes(diags)
	for _, d := range diags {
		if d.Subject == nil || d.Subject.Start.Byte > len(src) {
			continue
		}
		before, rest := src[:d.Subject.Start.Byte], src[d.Subject.Start.Byte:]
		switch d.Summary {
		case "Argument or block definition required":
			if detail := misplaced(rest); detail != "" {
				d.Detail = detail
			}
		case "Missing newline after argument":
			d.Detail = trailing(before, rest)
		case "Invalid multi-line string", "Unterminated template string":
			d.Summary = "Text without an end"
			if marker := openHeredoc(before); marker != "" {
				d.Detail = fmt.Sprintf("There is no line that has %s and nothing else, where this text would end.", marker)
				break
			}
			d.Detail = "There is no closing quote on this line. A text of several lines is written\n\n  <<-EOT\n    the lines\n  EOT"
		case "Invalid expression":
			if strings.HasPrefix(d.Detail, "Expected the start of an expression") {
				d.Detail = "A value is expected here: a text in quotes, a number, true, false, null, a name, or a list, object or call."
			}
		case "Missing item separator":
			d.Detail = "Before this, a comma is missing, or the bracket that ends the list or object."
		case "Missing argument separator":
			d.Detail = "Before this, a comma is missing, or the parenthesis that ends the call."
		case "Invalid escape sequence":
			d.Detail += ` A backslash itself is written \\; there are \n, \r, \t, \", \uNNNN and \UNNNNNNNN besides.`
		case "Invalid string literal":
			if strings.HasPrefix(d.Detail, "Template sequences") {
				d.Detail = "A label is known before anything is evaluated, so there are no values in it. For a block for each of several values there are for_each and, among options, dynamic. " +
					"A literal ${ is written $${."
			}
		case "Invalid 'for' expression":
			if strings.HasPrefix(d.Detail, "Key expression") {
				d.Detail = "In braces a for expression makes an object, so there is a key before the value, as in\n\n  { for x in list : x.name => x }"
			}
		case "Invalid template control keyword":
			if strings.Contains(d.Detail, `"elseif"`) || strings.Contains(d.Detail, `"elif"`) {
				d.Detail = "There are if, else, endif, for and endfor. What is tested next stands in an if of its own, within else and endif."
			}
		}
	}
	return diags
}

var heredocOpening = lazyregexp.New(`<<-?([\pL_][\pL\pN_-]*)[ \t]*\r?\n`)

// openHeredoc returns the marker of the heredoc that a text ends in, "" if it ends
// in none.
func openHeredoc(text []byte) string {
	marker := ""
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		switch m := heredocOpening().FindSubmatch(line); {
		case marker != "" && string(bytes.TrimSpace(line)) == marker:
			marker = ""
		case marker == "" && m != nil:
			marker = string(m[1])
		}
	}
	return marker
}

// causes leaves out what the parser says because of what it said before.
func causes(in diag.List) diag.List {
	var out diag.List
	at := map[int]bool{}      // where something is shown
	invalid := map[int]bool{} // lines with a character that nothing begins with
	lines := map[int]bool{}   // where something is shown
	for _, d := range in {
		if d.Subject == nil || d.Severity != diag.Error {
			out = append(out, d)
			continue
		}
		start := d.Subject.Start
		endless := d.Summary == "Invalid multi-line string" || d.Summary == "Unterminated template string"
		switch {
		case endless && lines[start.Line]:
			// What the mistake has left open; the rest of the file is read as a text.
			return out
		case endless:
			return append(out, d)
		case strings.HasPrefix(d.Summary, "Unexpected end") && strings.HasSuffix(d.Summary, " directive") && lines[start.Line]:
			continue // the begin is what is wrong
		case at[start.Byte], invalid[start.Line] && d.Summary == "Invalid character":
			continue
		case d.Summary == "Missing newline after argument" && laterAt(in, start.Byte):
			continue
		}
		at[start.Byte], lines[start.Line] = true, true
		if d.Summary == "Invalid character" {
			invalid[start.Line] = true
		}
		out = append(out, d)
	}
	return out
}

// laterAt reports whether there is a more telling problem at a place.
func laterAt(in diag.List, at int) bool {
	for _, d := range in {
		if d.Subject != nil && d.Subject.Start.Byte == at && (d.Summary == "Unsupported operator" || d.Summary == "Invalid character") {
			return true
		}
	}
	return false
}

var (
	nameColon = lazyregexp.New(`^("?)([\pL_][\pL\pN_-]*)"?[ \t]*(:=|:)`)
	nameDots  = lazyregexp.New(`^([\pL_][\pL\pN_-]*(?:\.[\pL_][\pL\pN_-]*)+)[ \t]*=`)
	nameBrace = lazyregexp.New(`^([\pL_][\pL\pN_-]*)[ \t]*\r?\n\s*\{`)
	nameAlone = lazyregexp.New(`^([\pL_][\pL\pN_-]*)[ \t]*(?:\r?\n|$)`)
	digitName = lazyregexp.New(`^[0-9]+[\pL_]`)
)

// misplaced says what is wrong where an argument or block should begin, "" when
// it is nothing that people often write.
func misplaced(rest []byte) string {
	if m := nameColon().FindSubmatch(rest); m != nil {
		return fmt.Sprintf("An argument is set with an equals sign: write\n\n  %s = …", m[2])
	}
	if m := nameDots().FindSubmatch(rest); m != nil {
		parts := strings.Split(string(m[1]), ".")
		text, indent := "", "  "
		for _, p := range parts[:len(parts)-1] {
			text += indent + p + " {\n"
			indent += "  "
		}
		text += indent + parts[len(parts)-1] + " = …\n"
		for range parts[:len(parts)-1] {
			indent = indent[2:]
			text += indent + "}\n"
		}
		return "There are no dots in the name of an argument. What stands in groups is written as blocks:\n\n" + text
	}
	if m := nameBrace().FindSubmatch(rest); m != nil {
		return fmt.Sprintf("The opening brace of a block stands in the line of its name: write\n\n  %s {", m[1])
	}
	if m := nameAlone().FindSubmatch(rest); m != nil {
		return fmt.Sprintf("%q stands alone here. Either it is an argument, which has a value, or a block:\n\n  %[1]s = …\n\n  %[1]s {\n  }", m[1])
	}
	switch {
	case digitName().Match(rest):
		return "A name begins with a letter or _."
	case bytes.HasPrefix(rest, []byte("}")):
		return "No block is open here that this brace could close: it is one too many, or one above closes too much."
	case bytes.HasPrefix(rest, []byte("--")), bytes.HasPrefix(rest, []byte("<!--")), bytes.HasPrefix(rest, []byte("%")):
		return "An argument or block begins with its name. A comment begins with # or //, or stands between /* and */."
	}
	return ""
}

var lastWord = lazyregexp.New(`[\pL\pN_.-]+$`)

// trailing says what is wrong with what follows a value in its line.
func trailing(before, rest []byte) string {
	// Names go on with digits, and numbers do not with _.
	word := leadingWord(rest)
	last := string(lastWord().Find(bytes.TrimRight(before, " \t")))
	switch {
	case word == "and", word == "or":
		return fmt.Sprintf("Two conditions are combined with %s: there is no %q.", map[string]string{"and": "&&", "or": "||"}[word], word)
	case last == "not":
		return `The opposite of a condition is written with ! in front: there is no "not".`
	case last == "if":
		return "A choice is written CONDITION ? VALUE : OTHER VALUE; if stands in for expressions and templates."
	case word == "if", word == "unless":
		return "A choice is written CONDITION ? VALUE : OTHER VALUE."
	case strings.HasPrefix(word, "_") && last != "" && strings.Trim(last, "0123456789") == "":
		return "The digits of a number are written without anything between them."
	case last != "" && strings.Trim(last, "0123456789.") == "" && word != "":
		return "A number has no unit. Where something takes a size or a time, it is a text in quotes, as in \"10s\"."
	case word != "":
		return fmt.Sprintf("The value ends before %q, and there is one argument to a line. A text stands in quotes; elements of a list are separated by commas.", word)
	}
	return "The value ends here, and there is one argument to a line."
}

// leadingWord is the name that a text begins with, "" when there is none.
func leadingWord(text []byte) string {
	end := 0
	for end < len(text) {
		r, n := utf8.DecodeRune(text[end:])
		if r != '_' && r != '-' && !(unicode.IsLetter(r) || unicode.IsDigit(r)) {
			break
		}
		end += n
	}
	return string(text[:end])
}
