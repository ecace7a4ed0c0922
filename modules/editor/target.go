package editor

import (
	"slices"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// A target is what a word in a text means: something of a kind, by name.
type target struct {
	kind targetKind
	// name is that of a block or a local value, the path of an option, the name of a
	// function, or of a package.
	name string
	// in is the block that an argument belongs to, and the input of a package.
	in string
	// home is the directory of the module that the name belongs to, "" for an option,
	// an argument and a block.
	home string
	// at is the name, and word its last part.
	at, word diag.Range
	// given is set where something is named that is declared elsewhere: a variable that
	// is given a value, an input in front of a package, an option in renamed_to.
	given bool
	// label is set for an option's label behind its name.
	label bool
}

type targetKind string

const (
	isVariable    targetKind = "variable"
	isLocal       targetKind = "local"
	isInput       targetKind = "input"
	isDerivation  targetKind = "derivation"
	isEnvironment targetKind = "environment"
	isModule      targetKind = "module"
	isOutput      targetKind = "output"
	isSystem      targetKind = "system"
	isHome        targetKind = "home"
	isFunction    targetKind = "function"
	isOption      targetKind = "option"
	isPackage     targetKind = "package"
	isArgument    targetKind = "argument"
	isBlock       targetKind = "block"
)

// roots are the words that names of blocks begin with.
var roots = map[string]targetKind{
	"var": isVariable, "local": isLocal, "input": isInput, "derivation": isDerivation, "environment": isEnvironment, "module": isModule,
}

// declaring are the types of the blocks whose label is a name.
var declaring = map[string]targetKind{
	"variable": isVariable, "input": isInput, "derivation": isDerivation, "environment": isEnvironment, "module": isModule,
	"output": isOutput, "system": isSystem, "home": isHome, "function": isFunction,
}

// same reports whether two words mean the same.
func (t target) same(o target) bool {
	return t.kind == o.kind && t.name == o.name && t.in == o.in && t.home == o.home
}

// targetAt finds what the word at a byte of a file means.
func (s *Session) targetAt(file string, offset int) (target, bool) {
	o, home := s.outline(file), s.home(file)
	if n, step, ok := o.NameAt(offset); ok {
		if t, ok := s.named(n, step, home); ok {
			return t, true
		}
	}
	for t := range s.words(o, home) {
		if t.at.Start.Byte <= offset && offset <= t.at.End.Byte {
			return t, true
		}
	}
	return target{}, false
}

// named is what a name in an expression of the module at home means, up to one of its
// steps.
func (s *Session) named(n syntax.OutlineName, step int, home string) (target, bool) {
	to := func(kind targetKind, last int) target {
		at := n.Range
		at.End = n.Path[last].Range.End
		return target{kind: kind, name: n.Path[last].Name, home: home, at: at, word: n.Path[last].Range}
	}
	if n.Call {
		return target{kind: isFunction, name: n.Root, home: home, at: n.Range, word: n.Range}, true
	}
	if step < 0 {
		return s.iterated(n)
	}
	if kind, ok := roots[n.Root]; ok {
		out := 1
		if len(n.Path) > 1 && n.Path[1].Index {
			out++
		}
		if kind == isModule && step >= out {
			t := to(isOutput, out)
			t.home = s.usedBy(home, n.Path[0].Name)
			return t, t.home != ""
		}
		return to(kind, 0), true
	}
	switch {
	case n.Root == "config" || n.Root == "option":
		if opt := s.option(steps(n.Path[:step+1])); opt != nil && opt.Path != "" {
			t := to(isOption, step)
			t.name, t.home = opt.Path, ""
			t.label = opt == s.option(steps(n.Path[:step]))
			return t, true
		}
	case n.Root == "self" || n.Root == "parent":
		at := s.instanceAt(n)
		if opt := along(at, steps(n.Path[:step+1])); opt != nil && opt != at {
			t := to(isOption, step)
			t.name, t.home = opt.Path, ""
			t.label = opt == along(at, steps(n.Path[:step]))
			return t, true
		}
	case n.Root == "pkg" && step == 0:
		return to(isInput, 0), true
	case n.Root == "pkg" && step == 1:
		t := to(isPackage, 1)
		t.in = n.Path[0].Name
		return t, true
	}
	return target{}, false
}

func steps(path []syntax.Step) []string {
	names := make([]string, len(path))
	for i, p := range path {
		names[i] = p.Name
	}
	return names
}

// option returns the option that a path with labels in it leads to, or the one
// whose label its end is; nil when there is none.
func (s *Session) option(path []string) *option.Option {
	known := s.learn()
	if o := along(known.options, path); o != nil {
		return o
	}
	return along(known.homes, path)
}

// optionIn is option for a path in a block at the top: of what homes have in a home,
// and of what systems have in any other.
func (s *Session) optionIn(top string, path []string) *option.Option {
	if top == "home" {
		return along(s.learn().homes, path)
	}
	return along(s.learn().options, path)
}

func along(at *option.Option, path []string) *option.Option {
	if at == nil {
		return nil
	}
	options, whole := at.Along(path)
	switch {
	case !whole:
		return nil
	case len(options) == 0:
		return at
	}
	return options[len(options)-1]
}

// definesOptions reports whether options are defined in a block at the top.
func definesOptions(typ string) bool { return typ == "config" || typ == "system" || typ == "home" }

// words goes over everything in a text of the module at home that is not in an
// expression and means something: headers, arguments, keys.
func (s *Session) words(o *syntax.Outline, home string) func(yield func(target) bool) {
	return func(yield func(target) bool) {
		each := func(t target) bool {
			if t.word.IsZero() {
				t.word = t.at
			}
			return yield(t)
		}
		for _, b := range o.Body.Blocks {
			if !s.blockWords(b, home, each) || !s.textWords(b, b.Type, home, each) || !failureWords(b, o, home, each) {
				return
			}
		}
	}
}

// blockWords is words for a block at the top.
func (s *Session) blockWords(b *syntax.OutlineBlock, home string, yield func(target) bool) bool {
	if !yield(target{kind: isBlock, name: b.Type, at: b.TypeRange}) {
		return false
	}
	if kind, ok := declaring[b.Type]; ok && len(b.Labels) == 1 {
		if !yield(target{kind: kind, name: b.Labels[0], home: home, at: b.LabelRanges[0]}) {
			return false
		}
	}
	switch {
	case b.Type == "locals":
		for _, a := range b.Body.Attrs {
			if !yield(target{kind: isLocal, name: a.Name, home: home, at: a.NameRange}) {
				return false
			}
		}
		return true
	case b.Type == "option":
		return s.declarationWords(b, "", yield)
	case definesOptions(b.Type):
		return s.definitionWords(b, nil, b.Type, yield)
	case b.Type == "module" && len(b.Labels) == 1:
		used := s.usedBy(home, b.Labels[0])
		return argumentWords(b, b.Type, func(t target) bool {
			if _, argument := vocabulary["module"].args[t.name]; !argument && used != "" {
				t = target{kind: isVariable, name: t.name, home: used, at: t.at, given: true}
			}
			return yield(t)
		})
	}
	return argumentWords(b, b.Type, func(t target) bool {
		if t.kind == isArgument && t.in == "variables" { // of a test
			t = target{kind: isVariable, name: t.name, home: home, at: t.at, given: true}
		}
		return yield(t)
	})
}

// definitionWords is words for a block in which options are defined, path being
// that of its body, top the type of the block at the top.
func (s *Session) definitionWords(b *syntax.OutlineBlock, path []string, top string, yield func(target) bool) bool {
	word := func(path []string, name string, at diag.Range) bool {
		opt := s.option(append(slices.Clone(path), name))
		switch _, argument := vocabulary[top].args[name]; {
		case opt != nil:
			return yield(target{kind: isOption, name: opt.Path, at: at, label: opt == s.option(path)})
		case argument && len(path) == 0 || name == "when":
			return yield(target{kind: isArgument, name: name, in: top, at: at})
		}
		return true
	}
	if b.Type == "dynamic" {
		return s.dynamicWords(b, path, top, yield)
	}
	for _, a := range b.Body.Attrs {
		if !word(path, a.Name, a.NameRange) {
			return false
		}
		for _, obj := range a.Objects {
			if !byWrappers(obj) {
				continue
			}
			around := append(append(slices.Clone(path), a.Name), obj.Path...)
			for _, k := range obj.Keys {
				if !word(around, k.Name, k.Range) {
					return false
				}
			}
		}
	}
	for _, sub := range b.Body.Blocks {
		if sub.Type == "dynamic" && len(sub.Labels) == 1 && !word(path, sub.Labels[0], sub.LabelRanges[0]) {
			return false
		}
		if !word(path, sub.Type, sub.TypeRange) || !s.definitionWords(sub, s.into(path, sub, b), top, yield) {
			return false
		}
	}
	return true
}

// dynamicWords is definitionWords for a dynamic block, whose arguments are of the
// language.
func (s *Session) dynamicWords(b *syntax.OutlineBlock, path []string, top string, yield func(target) bool) bool {
	for _, sub := range b.Body.Blocks {
		if !s.definitionWords(sub, s.into(path, sub, b), top, yield) {
			return false
		}
	}
	return true
}

// byWrappers reports whether an object is at the head of a definition, where only
// wrappers may be around it.
func byWrappers(obj syntax.OutlineObject) bool {
	return !slices.ContainsFunc(obj.Calls, func(name string) bool {
		_, wrapper := option.IsWrapper(name)
		return !wrapper
	})
}

// argumentWords is words for the arguments of any other block.
func argumentWords(b *syntax.OutlineBlock, in string, yield func(target) bool) bool {
	for _, a := range b.Body.Attrs {
		if !yield(target{kind: isArgument, name: a.Name, in: in, at: a.NameRange}) {
			return false
		}
	}
	for _, sub := range b.Body.Blocks {
		if !yield(target{kind: isBlock, name: sub.Type, in: in, at: sub.TypeRange}) || !argumentWords(sub, sub.Type, yield) {
			return false
		}
	}
	return true
}
