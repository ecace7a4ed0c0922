package funcs

import (
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
)

// settings are the members of an object that a function takes, those that are null
// left out.
type settings map[string]cty.Value

// settingsOf reads the object. example shows a call.
func settingsOf(a eval.Arg, function string, known []string, example string, required ...string) (settings, diag.List) {
	v, marks := a.Value.Unmark()
	if ty := v.Type(); v.IsNull() || !v.IsKnown() || !ty.IsObjectType() && !ty.IsMapType() {
		return nil, diag.Errorf(a.Range, "Invalid function argument", "%s takes an object, as in\n\n  %s", function, example)
	}
	out := settings{}
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		name := key.AsString()
		if !slices.Contains(known, name) {
			return nil, diag.Errorf(a.Range, "Unsupported argument", "%s has no setting %q.%s", function, name, diag.DidYouMean(name, known))
		}
		if plain, _ := value.Unmark(); !plain.IsNull() {
			out[name] = value.WithMarks(marks)
		}
	}
	for _, name := range required {
		if _, ok := out[name]; !ok {
			return nil, diag.Errorf(a.Range, "Missing argument", "%s needs %s.", function, name)
		}
	}
	return out, nil
}

// texts returns the settings of these names that are given.
func (s settings) texts(a eval.Arg, names ...string) (map[string]string, diag.List) {
	var diags diag.List
	texts := map[string]string{}
	for _, name := range names {
		if v, ok := s[name]; ok {
			text, more := eval.Arg{Value: v, Range: a.Range}.PlainText(name)
			diags = append(diags, more...)
			texts[name] = text
		}
	}
	return texts, diags
}
