package lsp

import (
	"path/filepath"
	"regexp"
	"strings"

	"sysc/lang/diag"
)

// at finds the byte of a text that a request is about.
func (s *server) at(p positionParams) (d document, text []byte, offset int, err error) {
	d, err = s.document(p.TextDocument)
	if err != nil {
		return d, nil, 0, err
	}
	text, _ = d.Text(d.name)
	return d, text, s.encoding.offset(text, p.Position), nil
}

func (s *server) completion(p positionParams) (any, error) {
	d, text, offset, err := s.at(p)
	if err != nil {
		return nil, err
	}
	items, rng := d.Complete(d.name, offset)
	list := completionList{Items: []completionItem{}}
	for _, it := range items {
		out := completionItem{
			Label: it.Label, Kind: completionKinds[it.Kind], Detail: it.Detail, Documentation: markdown(it.Doc),
			InsertTextFormat: formatSnippet, TextEdit: textEdit{Range: s.encoding.rangeOf(text, rng), NewText: it.Insert},
		}
		if !s.snippets {
			out.InsertTextFormat, out.TextEdit.NewText = formatPlain, withoutStops(it.Insert)
		}
		list.Items = append(list.Items, out)
	}
	return list, nil
}

// stop is where a snippet puts the cursor, or a character that it takes as it is.
var stop = regexp.MustCompile(`\$[0-9]|\\.`)

// withoutStops is the text that a snippet makes.
func withoutStops(snippet string) string {
	return stop.ReplaceAllStringFunc(snippet, func(s string) string {
		if strings.HasPrefix(s, `\`) {
			return s[1:]
		}
		return ""
	})
}

func (s *server) hover(p positionParams) (any, error) {
	d, text, offset, err := s.at(p)
	if err != nil {
		return nil, err
	}
	h, ok := d.Hover(d.name, offset)
	if !ok {
		return nil, nil
	}
	return hover{Contents: markdown(h.Text), Range: s.encoding.rangeOf(text, h.Range)}, nil
}

func (s *server) definition(p positionParams) (any, error) {
	d, _, offset, err := s.at(p)
	if err != nil {
		return nil, err
	}
	return s.locations(d, d.Definition(d.name, offset)), nil
}

func (s *server) references(p positionParams) (any, error) {
	d, _, offset, err := s.at(p)
	if err != nil {
		return nil, err
	}
	return s.locations(d, d.References(d.name, offset, p.Context.IncludeDeclaration)), nil
}

// locations converts places in the files of a session.
func (s *server) locations(d document, places []diag.Range) []location {
	out := []location{}
	for _, r := range places {
		text, _ := d.Text(r.Filename)
		out = append(out, location{URI: uriOf(filepath.Join(d.Dir(), r.Filename)), Range: s.encoding.rangeOf(text, r)})
	}
	return out
}

func (s *server) symbols(p documentParams) (any, error) {
	d, err := s.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	text, _ := d.Text(d.name)
	out := []documentSymbol{}
	for _, sym := range d.Symbols(d.name) {
		kind, ok := symbolKinds[sym.Kind]
		if !ok {
			kind = symbolNamespace
		}
		out = append(out, documentSymbol{
			Name: sym.Name, Kind: kind, Range: s.encoding.rangeOf(text, sym.Range), SelectionRange: s.encoding.rangeOf(text, sym.Word),
		})
	}
	return out, nil
}

func (s *server) formatting(p documentParams) (any, error) {
	d, err := s.document(p.TextDocument)
	if err != nil {
		return nil, err
	}
	text, _ := d.Text(d.name)
	formatted, ok := d.Format(d.name)
	if !ok || string(formatted) == string(text) {
		return []textEdit{}, nil
	}
	whole := textRange{End: s.encoding.position(text, len(text))}
	return []textEdit{{Range: whole, NewText: string(formatted)}}, nil
}
