package syntax

import (
	"fmt"
	"strings"

	"sysc/lang/diag"
)

// A Schema says what may stand in a body.
type Schema struct {
	Attrs  []AttrSchema
	Blocks []BlockSchema
}

// An AttrSchema is one argument that may be set.
type AttrSchema struct {
	Name     string
	Required bool
}

// A BlockSchema is one kind of block that may occur.
type BlockSchema struct {
	Type string
	// Labels are the names of its labels, all of which must be given.
	Labels []string
	// Once means that there may be one of each label at most.
	Once bool
}

// Check reports what in a body does not fit s: unknown names with a
// suggestion, missing arguments, blocks where an argument is expected and the
// other way round, wrong numbers of labels. what names the body in messages, as
// in "a derivation".
func (b *Body) Check(what string, s Schema) diag.List {
	var diags diag.List
	for _, a := range b.Attrs {
		diags = append(diags, s.checkAttr(what, a)...)
	}
	seen := map[string]diag.Range{}
	for _, blk := range b.Blocks {
		diags = append(diags, s.checkBlock(what, blk, seen)...)
	}
	for _, as := range s.Attrs {
		if as.Required && b.Attr(as.Name) == nil && !b.hasBlock(as.Name) {
			diags = append(diags, diag.Errorf(b.End, "Missing required argument",
				"The argument %q is required in %s, but it is not set.", as.Name, what)...)
		}
	}
	return diags
}

func (b *Body) hasBlock(typ string) bool {
	for _, blk := range b.Blocks {
		if blk.Type == typ {
			return true
		}
	}
	return false
}

func (s Schema) checkAttr(what string, a *Attr) diag.List {
	for _, as := range s.Attrs {
		if as.Name == a.Name {
			return nil
		}
	}
	for _, bs := range s.Blocks {
		if bs.Type == a.Name {
			return diag.Errorf(a.NameRange, "Unsupported argument",
				"%q is a block in %s, not an argument: write it without the equals sign, as in\n\n  %s {", a.Name, what, bs.example())
		}
	}
	names := make([]string, 0, len(s.Attrs)+len(s.Blocks))
	for _, as := range s.Attrs {
		names = append(names, as.Name)
	}
	for _, bs := range s.Blocks {
		names = append(names, bs.Type)
	}
	return diag.Errorf(a.NameRange, "Unsupported argument",
		"%s", fmt.Sprintf("An argument named %q is not expected in %s.", a.Name, what)+diag.DidYouMean(a.Name, names))
}

func (s Schema) checkBlock(what string, b *Block, seen map[string]diag.Range) diag.List {
	for _, bs := range s.Blocks {
		if bs.Type != b.Type {
			continue
		}
		if diags := b.CheckLabels(bs.Labels...); diags.HasErrors() {
			return diags
		}
		key := strings.Join(append([]string{b.Type}, b.Labels...), "\x00")
		if before, dup := seen[key]; dup && bs.Once {
			return diag.Errorf(b.Range, "Duplicate block", "%s stands twice in %s, first at %s.", b.Header(), what, before)
		}
		seen[key] = b.Range
		return nil
	}
	for _, as := range s.Attrs {
		if as.Name == b.Type {
			return diag.Errorf(b.TypeRange, "Unsupported block type",
				"%q is an argument in %s, not a block: write it with an equals sign, as in\n\n  %s = …", b.Type, what, b.Type)
		}
	}
	var names []string
	for _, bs := range s.Blocks {
		names = append(names, bs.Type)
	}
	for _, as := range s.Attrs {
		names = append(names, as.Name)
	}
	return diag.Errorf(b.TypeRange, "Unsupported block type",
		"%s", fmt.Sprintf("Blocks of type %q are not expected in %s.", b.Type, what)+diag.DidYouMean(b.Type, names))
}

// CheckLabels reports when b has not exactly the labels of these names.
func (b *Block) CheckLabels(names ...string) diag.List {
	example := BlockSchema{Type: b.Type, Labels: names}.example()
	switch {
	case len(b.Labels) > len(names):
		if len(names) == 0 {
			return diag.Errorf(b.LabelRanges[0], "Extraneous label", "%s has no labels: write\n\n  %s {", capital(diag.WithArticle(b.Type+" block")), example)
		}
		return diag.Errorf(b.LabelRanges[len(names)], "Extraneous label",
			"%s has no label but its %s: write\n\n  %s {", capital(diag.WithArticle(b.Type+" block")), strings.Join(names, " and "), example)
	case len(b.Labels) < len(names):
		return diag.Errorf(b.TypeRange, "Missing label",
			"%s needs a label for its %s: write\n\n  %s {", capital(diag.WithArticle(b.Type+" block")), names[len(b.Labels)], example)
	}
	return nil
}

func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func (s BlockSchema) example() string {
	out := s.Type
	for _, l := range s.Labels {
		out += fmt.Sprintf(" %q", strings.ToUpper(l))
	}
	return out
}
