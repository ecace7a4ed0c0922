package editor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// A Hover is what is shown of a word.
type Hover struct {
	// Text is Markdown.
	Text  string
	Range diag.Range
}

// Hover returns what is known of the word at a byte of a file.
func (s *Session) Hover(file string, offset int) (Hover, bool) {
	s.learn()
	t, ok := s.targetAt(file, offset)
	if !ok {
		return Hover{}, false
	}
	text := s.describe(t)
	return Hover{Text: text, Range: t.at}, text != ""
}

// describe says in Markdown what a target is, "" when nothing is known.
func (s *Session) describe(t target) string {
	switch t.kind {
	case isOption:
		if opt := s.optionByPath(t.name); opt != nil {
			return describeOption(opt)
		}
	case isFunction:
		if f, ok := s.learn().functions[t.name]; ok {
			return code(signature(t.name, f)) + functionDoc(f)
		}
	case isArgument:
		if doc, ok := vocabulary[t.in].args[t.name]; ok && doc != "" {
			return fmt.Sprintf("`%s` of %s\n\n%s", t.name, t.in, doc)
		}
		return ""
	case isBlock:
		return vocabulary[t.name].doc
	case isPackage:
		for _, p := range s.learn().packages[t.in] {
			if p.Name == t.name {
				return fmt.Sprintf("Package `%s` of input %s, version %s", p.Name, t.in, p.Version)
			}
		}
		return ""
	}
	return s.describeDeclared(t)
}

// describeDeclared shows the text that declares something.
func (s *Session) describeDeclared(t target) string {
	places := s.Declarations(Target{t})
	if len(places) == 0 {
		return ""
	}
	at := places[0]
	text, _ := s.Text(at.Filename)
	for _, b := range s.outline(at.Filename).Body.Blocks {
		if t.kind == isLocal && b.Type == "locals" {
			for _, a := range b.Body.Attrs {
				if a.Name == t.name {
					return code(clip(string(text[a.Range.Start.Byte:a.Range.End.Byte])))
				}
			}
		}
		if len(b.LabelRanges) == 0 || b.LabelRanges[0] != at {
			continue
		}
		out := code(clip(string(text[b.Whole.Start.Byte:b.Whole.End.Byte])))
		if doc := s.descriptionOf(b, text); doc != "" {
			out += "\n" + doc
		}
		return out
	}
	return ""
}

// descriptionOf returns the description that stands in a block, when it is
// written out.
func (s *Session) descriptionOf(b *syntax.OutlineBlock, text []byte) string {
	for _, a := range b.Body.Attrs {
		if a.Name != "description" {
			continue
		}
		_, value, _ := strings.Cut(string(text[a.Range.Start.Byte:a.Range.End.Byte]), "=")
		e, diags := syntax.ParseExpression([]byte(strings.TrimSpace(value)), a.Range.Filename)
		if diags.HasErrors() {
			return ""
		}
		doc, _ := e.StringLiteral()
		return doc
	}
	return ""
}

// clip leaves the first lines of a text.
func clip(text string) string {
	const most = 12
	lines := strings.SplitN(strings.TrimRight(text, "\n"), "\n", most+1)
	if len(lines) > most {
		lines = append(lines[:most], "…")
	}
	return strings.Join(lines, "\n")
}

// code is a text of the language in Markdown.
func code(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "sysc\n" + text + "\n" + fence + "\n"
}

// optionByPath finds an option by its name without labels.
func (s *Session) optionByPath(path string) *option.Option {
	known := s.learn()
	if o := byPath(known.options, path); o != nil {
		return o
	}
	return byPath(known.homes, path)
}

// byPath finds the option below at by its name without labels.
func byPath(at *option.Option, path string) *option.Option {
	for name := range strings.SplitSeq(path, ".") {
		if at == nil {
			return nil
		}
		at, _ = at.Child(name)
	}
	return at
}

func describeOption(o *option.Option) string {
	var b strings.Builder
	switch {
	case o.Type != nil:
		fmt.Fprintf(&b, "`%s`: %s\n", o.Path, o.Type)
	case len(o.Labels) > 0:
		fmt.Fprintf(&b, "`%s`: a block with labels (%s)\n", o.Path, strings.Join(o.Labels, ", "))
	default:
		fmt.Fprintf(&b, "`%s`: a group of options\n", o.Path)
	}
	for _, part := range []string{o.Description, warning("Deprecated", o.Deprecated), warning("Removed", o.Removed)} {
		if part != "" {
			b.WriteString("\n" + part + "\n")
		}
	}
	if text := defaultText(o); text != "" {
		b.WriteString("\nDefault:\n" + code(text))
	}
	if o.Example != nil {
		b.WriteString("\nExample:\n" + code(o.Example.Text()))
	}
	if o.Module != "" && o.Module != "." {
		b.WriteString("\nDeclared by " + o.Module + ".\n")
	}
	return b.String()
}

func warning(what, text string) string {
	if text == "" {
		return ""
	}
	return "**" + what + "**: " + text
}

func defaultText(o *option.Option) string {
	if o.DefaultText != "" || o.Default == nil {
		return o.DefaultText
	}
	return clip(o.Default.Text())
}

// signature is how a function is called: `join(separator, lists…)`.
func signature(name string, f *eval.Function) string {
	var params []string
	switch {
	case f.Native != nil:
		params = slices.Clone(f.Params)
		for i := len(params) - f.Optional; i < len(params); i++ {
			params[i] += "?"
		}
	case f.Refused == "":
		for _, p := range f.Impl.Params() {
			params = append(params, p.Name+typeSuffix(p.Type))
		}
		if v := f.Impl.VarParam(); v != nil {
			params = append(params, v.Name+"…"+typeSuffix(v.Type))
		}
	}
	return name + "(" + strings.Join(params, ", ") + ")"
}

func typeSuffix(t cty.Type) string {
	if t == cty.DynamicPseudoType {
		return ""
	}
	return ": " + t.FriendlyName()
}

// functionDoc is what a function says of itself.
func functionDoc(f *eval.Function) string {
	switch {
	case f.Refused != "":
		return "\n" + f.Refused + "\n"
	case f.Native == nil && f.Impl.Description() != "":
		return "\n" + f.Impl.Description() + "\n"
	}
	return ""
}
