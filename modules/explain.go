package modules

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
)

// An Explanation is what is known of an option's final value.
type Explanation struct {
	// Path is the option's full name, and Asked the one that was asked for when that
	// is an old one.
	Path, Asked string
	Type        string
	Description string
	Deprecated  string
	// Value is JSON, nil when there is no value, and for what has no type: its
	// entries have values. Sensitive is set when it is not to be shown.
	Value     json.RawMessage
	Sensitive bool
	// Failed is set when there is no value because of an error.
	Failed bool
	// Declared is where the option is declared.
	Declared []option.Declaration
	// Definitions are all definitions of the option, those in use first.
	Definitions []option.Definition
	// Pieces are the elements of a list or set, or the texts that lines are made of.
	Pieces []ExplainedPiece
	// Entries are what is in a group, labelled option or map.
	Entries []ExplainedEntry
}

// An ExplainedPiece is an element of a list or set with the places that it comes
// from.
type ExplainedPiece struct {
	Value     json.RawMessage
	Sensitive bool
	From      []option.Origin
}

// An ExplainedEntry is an option in a group, an instance or a key, in short.
type ExplainedEntry struct {
	Path string
	Type string
	// Value is nil when there is none, or when the entry has entries of its own.
	Value     json.RawMessage
	Sensitive bool
	Failed    bool
	// Keys are those of a labelled option or map.
	Keys []string
	// From are the places of the definitions in use; empty when the default holds.
	From []diag.Range
}

// Explain evaluates one option, written as behind "config.", and returns its
// value with all its definitions. The explanation is complete as far as possible
// also when there are errors, such as that two definitions contradict each
// other; it is nil when there is no such option. The path "" is that of all
// options.
func (s *System) Explain(path string) (*Explanation, diag.List) {
	if path == "" {
		s.reach(nil)
	}
	n := s.e.options.Root()
	if path != "" {
		steps, ok := optionSteps(path)
		if !ok {
			return nil, diag.Errorf(diag.Range{}, "Not an option", "%q is not the name of an option. It is written as in expressions, without config in front: services.web.port, or site[\"main\"].port.", path)
		}
		s.reach(stepNames(steps))
		var diags diag.List
		if n, diags = s.find(steps); n == nil {
			return nil, append(diags, s.e.diagnostics()...).Sort()
		}
	}
	out := &Explanation{Path: n.Path(), Type: n.TypeText(), Definitions: n.Definitions()}
	if out.Path != path {
		out.Asked = path
	}
	if o := n.Option(); o != nil {
		out.Description, out.Deprecated, out.Declared = o.Description, o.Deprecated, o.Declarations()
	}
	out.Sensitive = n.Option() != nil && n.Option().Sensitive
	var diags diag.List
	if n.Type() != nil {
		var v cty.Value
		v, diags = n.Value(diag.Range{})
		out.Value, out.Sensitive, out.Failed = shown(v, diags)
	}
	sensitive := out.Sensitive
	if sensitive {
		// The text may be the value.
		for i := range out.Definitions {
			out.Definitions[i].Text = "(sensitive)"
		}
	}
	for _, p := range n.Pieces() {
		e := ExplainedPiece{From: p.From, Sensitive: sensitive}
		if !sensitive {
			e.Value, e.Sensitive, _ = shown(p.Value, nil)
		}
		out.Pieces = append(out.Pieces, e)
	}
	out.Entries = entries(n, sensitive)
	return out, append(diags, s.e.diagnostics()...).Sort()
}

// find returns the node that steps lead to, nil when there is none.
func (s *System) find(steps []syntax.Step) (*option.Node, diag.List) {
	n := s.e.options.Root()
	for i, step := range steps {
		c, ok := n.Child(step.Name, diag.Range{})
		if ok {
			n = c
			continue
		}
		if n.Group() || n.Keyed() {
			step.Range = diag.Range{}
			return nil, (&names{sys: s.e}).missing(n, step, syntax.Reference{Root: "config", Path: steps})
		}
		return nil, diag.Errorf(diag.Range{}, "Not an option",
			"%s is an option, and what it holds is no option of its own: ask for %s.", n.Path(), syntax.Reference{Root: "config", Path: steps[:i]}.String()[len("config."):])
	}
	return n, nil
}

// shown is a value as JSON.
func shown(v cty.Value, diags diag.List) (data json.RawMessage, sensitive, failed bool) {
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return nil, false, true
	}
	plain, marks := eval.Plain(v)
	if marks.Sensitive {
		return nil, true, false
	}
	return encode(plain), false, false
}

// entries lists what n merges by key, groups in it taken apart.
func entries(n *option.Node, sensitive bool) []ExplainedEntry {
	nodes, _ := n.Entries()
	var out []ExplainedEntry
	for _, c := range nodes {
		if c.Group() && !n.Keyed() {
			out = append(out, entries(c, sensitive)...)
			continue
		}
		e := ExplainedEntry{Path: c.Path(), Type: c.TypeText()}
		inside, keyed := c.Entries()
		if keyed {
			for _, key := range inside {
				e.Keys = append(e.Keys, key.Key())
			}
		}
		if o := c.Option(); sensitive || o != nil && o.Sensitive {
			e.Sensitive = true
		} else if !c.Keyed() && !c.Group() || c.Type() != nil {
			v, diags := c.Value(diag.Range{})
			e.Value, e.Sensitive, e.Failed = shown(v, diags)
		}
		for _, d := range c.Definitions() {
			if d.Status == option.StatusUsed && !d.Default && !d.Range.IsZero() {
				e.From = append(e.From, d.Range)
			}
		}
		out = append(out, e)
	}
	return out
}

// Summary is the value in a few words: JSON, cut when it is long.
func (e *ExplainedEntry) Summary() string {
	const most = 60
	switch {
	case e.Sensitive:
		return "(sensitive)"
	case e.Failed:
		return "(no value)"
	case e.Value == nil:
		return fmt.Sprintf("(%d)", len(e.Keys))
	}
	if text := []rune(string(e.Value)); len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(e.Value)
}
