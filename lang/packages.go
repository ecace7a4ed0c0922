package lang

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/eval"
)

// Packages reads a value as a list of packages: a list, set or tuple whose
// elements are texts ("git", "trixie:git") or derivations, that is paths of
// outputs or whole derivations. null is the empty list. rng is where the value
// stands, and ranges where its elements do, as far as that is known.
func Packages(v cty.Value, rng diag.Range, ranges []diag.Range) ([]Package, diag.List) {
	v, marks := v.Unmark()
	ty := v.Type()
	switch {
	case v.IsNull():
		return nil, nil
	case !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType():
		return nil, diag.Errorf(rng, "Incorrect type", "Packages are a list, as in [\"git\", \"vim\"]: this %s.", eval.Describe(v))
	}
	var out []Package
	var diags diag.List
	for it := v.ElementIterator(); it.Next(); {
		_, elem := it.Element()
		at := rng
		if ty.IsTupleType() && len(ranges) == v.LengthInt() {
			at = ranges[len(out)]
		}
		p, more := makePackage(elem.WithMarks(marks), at)
		diags = append(diags, more...)
		out = append(out, p)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return out, diags
}

func makePackage(v cty.Value, rng diag.Range) (Package, diag.List) {
	plain, marks := eval.Plain(v)
	switch {
	case plain.IsNull():
		return Package{}, diag.Errorf(rng, "Invalid package", "A package is null here.")
	case marks.Sensitive:
		return Package{}, diag.Errorf(rng, "Sensitive value in the store", "The name of a package cannot be sensitive.")
	case plain.Type().IsObjectType() && plain.Type().HasAttribute("out") && plain.Type().AttributeType("out") == cty.String:
		return Package{Path: plain.GetAttr("out").AsString(), Range: rng}, nil
	case plain.Type() != cty.String:
		return Package{}, diag.Errorf(rng, "Invalid package", "A package is the text of its name, a pkg reference or a derivation: this %s.", eval.Describe(v))
	case len(marks.Paths) > 0:
		return Package{Path: plain.AsString(), Range: rng}, nil
	}
	input, name, ok := strings.Cut(plain.AsString(), ":")
	if !ok {
		input, name = "", input
	}
	if name == "" || ok && input == "" || strings.ContainsAny(name, " \t\n\r/") {
		return Package{}, diag.Errorf(rng, "Invalid package", "%s", fmt.Sprintf("%q is not the name of a package.", plain.AsString()))
	}
	return Package{Input: input, Name: name, Range: rng}, nil
}
