package lsp

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sourcegraph/jsonrpc2"

	"sysc/internal/atomicfile"
	"sysc/lang/diag"
	"sysc/modules/editor"
	"sysc/modules/lock"
	"sysc/modules/std"
)

// at finds the byte of a text that a request is about. A module's text is one of the
// definition that uses it, which knows what the names in it mean.
func (s *server) at(p positionParams) (d document, text []byte, offset int, err error) {
	d, err = s.document(p.TextDocument)
	if err != nil {
		return d, nil, 0, err
	}
	if owner, name, ok := s.inOwner(d); ok {
		d = document{owner, name}
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
	t, ok := d.Target(d.name, offset)
	if !ok {
		return []location{}, nil
	}
	return s.locations(d.Session, d.Declarations(t)), nil
}

func (s *server) references(p positionParams) (any, error) {
	d, _, offset, err := s.at(p)
	if err != nil {
		return nil, err
	}
	t, ok := d.Target(d.name, offset)
	if !ok {
		return []location{}, nil
	}
	var out []location
	for _, session := range s.users(d.Session, t) {
		out = append(out, s.locations(session, session.References(t, p.Context.IncludeDeclaration))...)
	}
	return distinct(out), nil
}

// users returns the definitions in which something may be named: the one where that was
// asked, and all others in the work tree that use the module which declares it.
func (s *server) users(session *editor.Session, t editor.Target) []*editor.Session {
	out := []*editor.Session{session}
	var seen []string
	for i := 0; i < len(out); i++ { // each may have more modules that declare the same option
		for _, home := range out[i].Homes(t) {
			if slices.Contains(seen, home) {
				continue
			}
			seen = append(seen, home)
			for _, dir := range editor.Candidates(home) {
				if c := s.session(dir); !slices.Contains(out, c) && c.Uses(home) {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// distinct sorts places and leaves each once: modules are part of several definitions.
func distinct(places []location) []location {
	slices.SortFunc(places, func(a, b location) int {
		x, y := a.Range.Start, b.Range.Start
		return cmp.Or(cmp.Compare(a.URI, b.URI), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Character, y.Character))
	})
	return slices.Compact(append([]location{}, places...))
}

// locations converts places in the files of a session. What is in no file that an
// editor could show is left out.
func (s *server) locations(session *editor.Session, places []diag.Range) []location {
	out := []location{}
	for _, r := range places {
		if file, ok := s.file(session, r.Filename); ok {
			text, _ := session.Text(r.Filename)
			out = append(out, location{URI: uriOf(file), Range: s.encoding.rangeOf(text, r)})
		}
	}
	return out
}

// file returns the path of a file that ranges of a session name. A standard module,
// which is a part of this program, is written to a file for that.
func (s *server) file(session *editor.Session, name string) (path string, ok bool) {
	if path, ok := session.File(name); ok {
		return path, true
	}
	module, ok := strings.CutPrefix(name, std.Prefix)
	text, known := session.Text(name)
	if !ok || !known || s.standard == "" {
		return "", false
	}
	path = filepath.Join(s.standard, module)
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, text) {
		return path, true
	}
	const readOnly = 0o444
	err := errors.Join(os.MkdirAll(s.standard, 0o755), atomicfile.WriteFile(path, text, readOnly))
	return path, err == nil
}

func (s *server) prepareRename(p positionParams) (any, error) {
	d, text, offset, err := s.at(p)
	if err != nil {
		return nil, err
	}
	word, ok, err := d.Renamable(d.name, offset)
	switch {
	case err != nil:
		return nil, notRenamed(err)
	case !ok:
		return nil, nil
	}
	return s.encoding.rangeOf(text, word), nil
}

func (s *server) rename(p renameParams) (any, error) {
	d, _, offset, err := s.at(p.positionParams)
	if err != nil {
		return nil, err
	}
	t, _ := d.Target(d.name, offset)
	changes := map[string][]textEdit{}
	for _, session := range s.users(d.Session, t) {
		places, err := session.Rename(t, p.NewName)
		if err != nil {
			return nil, notRenamed(err)
		}
		if session.Locked(t) {
			s.warn(fmt.Sprintf("%s has the input by its old name. Run sysc lock, which pins it anew.", filepath.Join(session.Dir(), lock.FileName)))
		}
		for _, l := range s.locations(session, places) {
			edit := textEdit{Range: l.Range, NewText: p.NewName}
			if !slices.Contains(changes[l.URI], edit) {
				changes[l.URI] = append(changes[l.URI], edit)
			}
		}
	}
	return workspaceEdit{Changes: changes}, nil
}

// notRenamed is what an editor shows in place of a renaming.
func notRenamed(err error) error {
	return &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: fmt.Sprintf("rename: %v", err)}
}

// warn shows somebody a sentence. An editor that is gone needs none.
func (s *server) warn(text string) {
	_ = s.conn.Notify(s.checks.ctx, "window/showMessage", showMessageParams{Type: messageWarning, Message: text})
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
