package lang

import (
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/internal/bytesize"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/store"
)

// limits reads what the outputs may refer to, and how large they may be. It comes
// after the outputs and the fixed result.
func (r *fields) limits(d *derivations.Derivation) {
	l := &d.Limits
	l.References = r.objects(derivations.AllowedReferences, d.OutputNames(), false)
	l.Requisites = r.objects(derivations.AllowedRequisites, d.OutputNames(), false)
	if list := r.objects(derivations.DisallowedReferences, d.OutputNames(), true); list != nil {
		l.DisallowedReferences = *list
	}
	if list := r.objects(derivations.DisallowedRequisites, d.OutputNames(), true); list != nil {
		l.DisallowedRequisites = *list
	}
	l.MaxSize = r.size(derivations.MaxSize)
	l.MaxClosureSize = r.size(derivations.MaxClosureSize)
	if d.Fixed != nil && !l.IsZero() {
		r.fail("output_hash", "Conflicting arguments",
			"A result that is known beforehand can refer to nothing, and its hash settles its size. Leave out the limits of references and sizes, or output_hash.")
	}
}

// runLimits reads what bounds the build while it runs, and what it needs.
func (r *fields) runLimits(d *derivations.Derivation) {
	d.RunLimits = derivations.RunLimits{
		Timeout: r.duration(derivations.Timeout),
		Silence: r.duration(derivations.MaxSilence),
		Log:     r.size(derivations.MaxLog),
		Memory:  r.size(derivations.Memory),
	}
}

// limit evaluates an argument, see [fields.evaluated]; a null counts as not set.
func (r *fields) limit(name string) (v cty.Value, ok bool) {
	v, ok = r.evaluated(name, "Everybody can read the limits of a derivation, so none of them can be sensitive.")
	return v, ok && !v.IsNull()
}

// objects reads a list of store objects, nil when it is not set. outputs are the
// names of the derivation's own outputs, and named tells whether the list takes
// them.
func (r *fields) objects(name string, outputs []string, named bool) *[]string {
	v, ok := r.limit(name)
	if !ok {
		return nil
	}
	list, marks := v.Unmark()
	ty := list.Type()
	if !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		r.fail(name, "Incorrect type", name+" is a list of store objects, as in [derivation.lib.out]: it "+eval.Describe(v)+".")
		return nil
	}
	ranges := elementRanges(r.body.Attr(name).Expr)
	elements := []string{}
	for it := list.ElementIterator(); it.Next(); {
		_, elem := it.Element()
		elem = elem.WithMarks(marks)
		at := r.rangeOf(name)
		if ty.IsTupleType() && len(ranges) == list.LengthInt() {
			at = ranges[len(elements)]
		}
		text, problem := objectText(elem)
		switch own := slices.Contains(outputs, text); {
		case own && !named:
			problem = "The outputs of a derivation may always name themselves and one another, unless they are disallowed. Leave this one out."
		case own:
			problem = ""
		case problem != "" && named:
			problem += " An output of this derivation is written as the text of its name."
		}
		if problem != "" {
			r.diags = append(r.diags, diag.New(diag.Error, at, "Not a store object", "%s", problem))
		}
		elements = append(elements, text)
	}
	return &elements
}

// objectText returns the text of an element of such a list, and why it is not the
// path of a store object, or "".
func objectText(v cty.Value) (text, problem string) {
	plain, _ := eval.Plain(v)
	if plain.IsNull() || plain.Type() != cty.String {
		return "", "A store object is written as a path, such as that of an output, derivation.lib.out: this " + eval.Describe(v) + "."
	}
	text = plain.AsString()
	_, rest, err := store.ParseLogical(text)
	switch {
	case err != nil:
		return text, "A store object is written as its path, such as that of an output, derivation.lib.out, or of source(\"./file\"): this " + eval.Describe(v) +
			". Packages of an input are in the root of the build and not in the store."
	case rest != "":
		return text, "This is a path in a store object, and the limits are about whole objects. Leave out " + strconv.Quote(rest) + "."
	}
	return text, ""
}

// size reads a number of bytes, 0 when it is not set.
func (r *fields) size(name string) int64 {
	v, ok := r.limit(name)
	if !ok {
		return 0
	}
	plain, _ := eval.Plain(v)
	n, ok := int64(0), false
	switch plain.Type() {
	case cty.Number:
		var accuracy big.Accuracy
		n, accuracy = plain.AsBigFloat().Int64()
		ok = accuracy == big.Exact && n > 0
	case cty.String:
		var err error
		n, err = bytesize.Parse(plain.AsString())
		ok = err == nil
	}
	if !ok {
		r.fail(name, "Invalid size", name+" is a whole number of bytes, at least 1, or a text with K, M, G or T for powers of 1024, as in \"500M\": this "+
			eval.Describe(v)+". Without a limit, leave it out.")
		return 0
	}
	return n
}

// duration reads a length of time, 0 when it is not set.
func (r *fields) duration(name string) time.Duration {
	v, ok := r.limit(name)
	if !ok {
		return 0
	}
	plain, _ := eval.Plain(v)
	if plain.Type() == cty.String {
		if d, err := time.ParseDuration(plain.AsString()); err == nil && d > 0 {
			return d
		}
	}
	r.fail(name, "Invalid length of time", name+" is a text with h, m and s for hours, minutes and seconds, as in \"1h30m\" or \"90s\": this "+
		eval.Describe(v)+". Without a limit, leave it out.")
	return 0
}
