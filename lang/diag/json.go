package diag

import (
	"encoding/json"
	"io"
	"unicode/utf8"
)

// A JSONDiagnostic is a diagnostic with Terraform's field names
// (`terraform validate -json`). Related is an addition of ours.
type JSONDiagnostic struct {
	Severity string        `json:"severity"`
	Summary  string        `json:"summary"`
	Detail   string        `json:"detail"`
	Range    *JSONRange    `json:"range,omitempty"`
	Snippet  *JSONSnippet  `json:"snippet,omitempty"`
	Related  []JSONRelated `json:"related,omitempty"`
}

// A JSONRange is a [Range].
type JSONRange struct {
	Filename string  `json:"filename"`
	Start    JSONPos `json:"start"`
	End      JSONPos `json:"end"`
}

// A JSONPos is a [Pos].
type JSONPos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// A JSONSnippet is the source around a subject. The offsets count characters
// of Code.
type JSONSnippet struct {
	Context              *string     `json:"context"`
	Code                 string      `json:"code"`
	StartLine            int         `json:"start_line"`
	HighlightStartOffset int         `json:"highlight_start_offset"`
	HighlightEndOffset   int         `json:"highlight_end_offset"`
	Values               []JSONValue `json:"values"`
}

// A JSONValue is a [Value].
type JSONValue struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"`
}

// A JSONRelated is a [Related].
type JSONRelated struct {
	Message string    `json:"message"`
	Range   JSONRange `json:"range"`
}

// JSON returns the diagnostics of l, sorted, in the form that [WriteJSON]
// writes, to be put into a larger document. files has the texts by name. It is
// never nil.
func JSON(l List, files map[string][]byte) []JSONDiagnostic {
	out := []JSONDiagnostic{}
	for _, d := range l.Sort() {
		j := JSONDiagnostic{Severity: d.Severity.String(), Summary: d.Summary, Detail: d.Detail}
		for _, r := range d.Related {
			j.Related = append(j.Related, JSONRelated{Message: r.Message, Range: ToJSON(r.Range)})
		}
		if d.Subject != nil {
			rng := ToJSON(*d.Subject)
			j.Range = &rng
			j.Snippet = jsonSnippet(d, files)
		}
		out = append(out, j)
	}
	return out
}

// WriteJSON writes the diagnostics of l as a JSON array and a newline.
func WriteJSON(w io.Writer, l List, files map[string][]byte) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(JSON(l, files))
}

// ToJSON converts a range.
func ToJSON(r Range) JSONRange {
	return JSONRange{
		Filename: r.Filename,
		Start:    JSONPos{r.Start.Line, r.Start.Column, r.Start.Byte},
		End:      JSONPos{r.End.Line, r.End.Column, r.End.Byte},
	}
}

func jsonSnippet(d *Diagnostic, files map[string][]byte) *JSONSnippet {
	src, ok := files[d.Subject.Filename]
	if !ok {
		return nil
	}
	s, ok := cut(d, src)
	if !ok {
		return nil
	}
	j := &JSONSnippet{
		Code:                 s.code,
		StartLine:            s.startLine,
		HighlightStartOffset: utf8.RuneCountInString(s.code[:min(s.from, len(s.code))]),
		HighlightEndOffset:   utf8.RuneCountInString(s.code[:min(s.to, len(s.code))]),
		Values:               []JSONValue{},
	}
	if s.header != "" {
		j.Context = &s.header
	}
	for _, v := range d.Values {
		j.Values = append(j.Values, JSONValue(v))
	}
	return j
}
