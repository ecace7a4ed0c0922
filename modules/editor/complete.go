package editor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// An Item is something that may stand at a place.
type Item struct {
	// Label is what is chosen from a list.
	Label string
	// Kind is one of block, argument, option, value, function, name, package, type.
	Kind string
	// Detail is a few words, Doc is Markdown.
	Detail, Doc string
	// Insert is a snippet in the notation of the Language Server Protocol: $1, $0 are
	// where the cursor goes.
	Insert string
}

// Complete returns what may stand at a byte of a file, sorted, and which part of
// the text it takes the place of.
func (s *Session) Complete(file string, offset int) ([]Item, diag.Range) {
	s.learn()
	p, home := s.outline(file).At(offset), s.home(file)
	var items []Item
	switch p.Kind {
	case syntax.InBody:
		items = s.completeBody(p, home)
	case syntax.InKey:
		items = s.completeKeys(p, home)
	case syntax.InExpression:
		items = s.completeExpression(p, home)
	case syntax.InText:
		items = s.completeText(p, home)
	}
	if isJSON(file) {
		items = asJSON(items, p)
	}
	items = slices.DeleteFunc(items, func(i Item) bool {
		return !strings.HasPrefix(strings.ToLower(i.Label), strings.ToLower(p.Word))
	})
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(a.Label, b.Label) })
	return items, p.Range
}

// plain is a text as a snippet that says nothing else.
func plain(text string) string {
	return strings.NewReplacer(`\`, `\\`, `$`, `\$`, `}`, `\}`).Replace(text)
}

// header is a block as a snippet.
func header(typ string, labels []string) string {
	text := typ
	for i := range labels {
		text += fmt.Sprintf(` "$%d"`, i+1)
	}
	return text + " {\n  $0\n}"
}

// completeBody completes the names of arguments and blocks.
func (s *Session) completeBody(p syntax.Place, home string) []Item {
	if len(p.Blocks) == 0 {
		var items []Item
		for typ, w := range vocabulary {
			if w.top {
				items = append(items, Item{Label: typ, Kind: "block", Detail: w.doc, Insert: header(typ, w.labels)})
			}
		}
		return items
	}
	top, inner := p.Blocks[0], p.Blocks[len(p.Blocks)-1]
	written := map[string]bool{}
	for _, a := range inner.Body.Attrs {
		written[a.Name] = true
	}
	if !definesOptions(top.Type) {
		items := arguments(inner.Type, written)
		if inner.Type == "module" && len(inner.Labels) == 1 {
			items = append(items, s.variablesOf(s.usedBy(home, inner.Labels[0]), written)...)
		}
		return items
	}
	items := s.completeOptions(top.Type, s.definitionPath(p), written)
	if len(p.Blocks) == 1 {
		return append(items, arguments(top.Type, written)...)
	}
	if !written["when"] {
		items = append(items, Item{Label: "when", Kind: "argument", Detail: vocabulary["config"].args["when"], Insert: "when = "})
	}
	return items
}

// variablesOf are the variables of a module that is used, as arguments.
func (s *Session) variablesOf(home string, written map[string]bool) []Item {
	var items []Item
	for _, item := range s.declared(isVariable, home) {
		if !written[item.Label] {
			item.Kind, item.Insert = "argument", item.Label+" = "
			items = append(items, item)
		}
	}
	return items
}

// arguments are those of a type of block that are not written yet.
func arguments(typ string, written map[string]bool) []Item {
	w := vocabulary[typ]
	var items []Item
	for name, doc := range w.args {
		if !written[name] && doc != "" {
			items = append(items, Item{Label: name, Kind: "argument", Detail: doc, Insert: name + " = "})
		}
	}
	for _, sub := range w.blocks {
		items = append(items, Item{Label: sub, Kind: "block", Detail: vocabulary[sub].doc, Insert: header(sub, vocabulary[sub].labels)})
	}
	return items
}

// definitionPath is the path, labels included, of the option in whose body or
// value a place is.
func (s *Session) definitionPath(p syntax.Place) []string {
	var path []string
	for i, b := range p.Blocks {
		if i > 0 {
			path = s.into(path, b, p.Blocks[i-1])
		}
	}
	if p.Attr != nil {
		path = append(path, p.Attr.Name)
		if p.Object != nil && byWrappers(*p.Object) {
			path = append(path, p.Object.Path...)
		}
	}
	return path
}

// into is the path of a block's body, in that of the block around it at path. The
// labels that a dynamic block makes are not known, and empty here.
func (s *Session) into(path []string, b, around *syntax.OutlineBlock) []string {
	path = slices.Clone(path)
	switch {
	case b.Type == "dynamic":
		return append(path, b.Labels...)
	case b.Type == "content" && around.Type == "dynamic":
		if o := s.option(path); o != nil {
			path = append(path, make([]string, len(o.Labels))...)
		}
		return path
	}
	return append(append(path, b.Type), b.Labels...)
}

// completeOptions are the options of the group at a path, in a block at the top.
func (s *Session) completeOptions(top string, path []string, written map[string]bool) []Item {
	group := s.optionIn(top, path)
	if group == nil || group.Type != nil {
		return nil
	}
	var items []Item
	for _, o := range group.Children() {
		if o.Internal || o.Removed != "" || written[o.Name()] {
			continue
		}
		item := Item{Label: o.Name(), Kind: "option", Doc: describeOption(o)}
		switch {
		case o.Type != nil:
			item.Detail, item.Insert = o.Type.String(), o.Name()+" = "
		default:
			item.Detail, item.Insert = firstSentence(o.Description), header(o.Name(), o.Labels)
		}
		items = append(items, item)
	}
	return items
}

func firstSentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return first
}

// completeKeys completes the keys of objects that are values of options.
func (s *Session) completeKeys(p syntax.Place, home string) []Item {
	if len(p.Blocks) == 0 || !definesOptions(p.Blocks[0].Type) || !byWrappers(*p.Object) {
		return s.completeExpression(p, home)
	}
	written := map[string]bool{}
	for _, k := range p.Object.Keys {
		written[k.Name] = true
	}
	items := s.completeOptions(p.Blocks[0].Type, s.definitionPath(p), written)
	for i := range items {
		items[i].Insert = items[i].Label + " = "
	}
	return items
}

// completeExpression completes names and values.
func (s *Session) completeExpression(p syntax.Place, home string) []Item {
	if len(p.Path) > 0 {
		return s.completeSteps(topOf(p), p.Path, home)
	}
	if p.Attr != nil && p.Attr.Name == "type" && len(p.Blocks) > 0 && slices.Contains([]string{"variable", "option"}, p.Blocks[len(p.Blocks)-1].Type) {
		return words("type", types)
	}
	items := words("name", rootWords)
	if placed(p) {
		items = append(items, words("name", optionWords)...)
		for _, name := range option.Wrappers() {
			items = append(items, Item{Label: name, Kind: "function", Insert: name + "($1)$0"})
		}
		items = append(items, s.values(p, true)...)
	}
	for name, f := range s.learn().functions {
		if f.Refused == "" {
			items = append(items, Item{Label: name, Kind: "function", Detail: signature(name, f), Doc: functionDoc(f), Insert: name + "($1)$0"})
		}
	}
	return items
}

func words(kind string, table map[string]string) []Item {
	var items []Item
	for name, doc := range table {
		items = append(items, Item{Label: name, Kind: kind, Detail: doc, Insert: name})
	}
	return items
}

// topOf is the type of the block at the top that a place is in.
func topOf(p syntax.Place) string {
	if len(p.Blocks) == 0 {
		return ""
	}
	return p.Blocks[0].Type
}

// completeSteps completes what stands behind a dot, in a block at the top.
func (s *Session) completeSteps(top string, path []string, home string) []Item {
	var items []Item
	add := func(kind string, names ...string) {
		for _, name := range names {
			items = append(items, Item{Label: name, Kind: kind, Insert: plain(name)})
		}
	}
	root, rest := path[0], path[1:]
	kind, block := roots[root]
	switch {
	case block && len(rest) == 0:
		return s.declared(kind, home)
	case root == "module" && len(rest) <= len([]string{"name", "key"}):
		return s.declared(isOutput, s.usedBy(home, rest[0]))
	case root == "pkg" && len(rest) == 0:
		return s.declared(isInput, home)
	case root == "pkg" && len(rest) == 1:
		return s.packages(rest[0])
	case root == "derivation" && len(rest) == 1:
		add("name", "out", "name", "version")
	case root == "path" && len(rest) == 0:
		add("name", "module", "root")
	case root == "each" && len(rest) == 0:
		add("name", "key", "value")
	case (root == "system" || root == "home") && len(rest) == 0:
		add("name", "name", "platform")
	case root == "config" || root == "option":
		for _, item := range s.completeOptions(top, rest, nil) {
			item.Insert = item.Label
			items = append(items, item)
		}
		if root == "option" && len(rest) > 0 {
			add("name", "is_defined", "type")
		}
	}
	return items
}

// declared are the names of a kind that the module at home declares.
func (s *Session) declared(kind targetKind, home string) []Item {
	names := map[string]bool{}
	for _, m := range s.world() {
		if m.Dir != home {
			continue
		}
		for _, file := range s.filesOf(m) {
			for w := range s.words(s.outlineOf(file).last, home) {
				if w.kind == kind && w.home == home && !w.given && w.name != "" {
					names[w.name] = true
				}
			}
		}
	}
	var items []Item
	for _, name := range slices.Sorted(maps.Keys(names)) {
		doc := s.describeDeclared(target{kind: kind, name: name, home: home})
		items = append(items, Item{Label: name, Kind: "name", Detail: string(kind), Doc: doc, Insert: plain(name)})
	}
	return items
}

// packages are those of an input that the lock file has.
func (s *Session) packages(input string) []Item {
	var items []Item
	for _, p := range s.learn().packages[input] {
		items = append(items, Item{Label: p.Name, Kind: "package", Detail: p.Version, Insert: plain(p.Name)})
	}
	return items
}

// values are those that an option's type lists; quote puts strings in quotes.
func (s *Session) values(p syntax.Place, quote bool) []Item {
	o := s.option(s.definitionPath(p))
	if o == nil || o.Type == nil {
		return nil
	}
	var items []Item
	for _, v := range o.Type.Choices() {
		label := v
		switch {
		case o.Type.Kind == option.KindBool && !quote:
			continue
		case o.Type.Kind != option.KindBool && quote:
			label = `"` + v + `"`
		}
		items = append(items, Item{Label: label, Kind: "value", Insert: plain(label)})
	}
	return items
}

// completeText completes what is written in quotes: values of an option, and
// packages in lists of them.
func (s *Session) completeText(p syntax.Place, home string) []Item {
	if p.Attr == nil || len(p.Blocks) == 0 {
		return nil
	}
	if p.Attr.Name == "packages" {
		var items []Item
		for _, input := range s.declared(isInput, home) {
			items = append(items, s.packages(input.Label)...)
		}
		return items
	}
	if definesOptions(p.Blocks[0].Type) {
		return s.values(p, false)
	}
	return nil
}
