package option

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/store"
)

// A Mismatch says why a value is not of a type.
type Mismatch struct {
	// Path leads to the part of the value that is wrong, as in `[2].name`; "" for
	// the value itself.
	Path string
	// Reason is a sentence without subject: "a string is required, got a list".
	Reason string
}

// Error returns the path and the reason.
func (m *Mismatch) Error() string {
	if m.Path == "" {
		return m.Reason
	}
	return "at " + m.Path + ": " + m.Reason
}

func mismatch(format string, args ...any) *Mismatch {
	return &Mismatch{Reason: fmt.Sprintf(format, args...)}
}

func (m *Mismatch) at(step string) *Mismatch {
	if m == nil {
		return nil
	}
	return &Mismatch{Path: step + m.Path, Reason: m.Reason}
}

// A mode tells how much Fit may change a value.
type mode uint8

const (
	// converting changes scalars as Terraform does: 1 to "1", "true" to true.
	converting mode = iota
	// exact leaves scalars as they are.
	exact
)

// maxInteger bounds whole numbers: derivations and JSON readers hold 64 bits.
const maxInteger = 63

// Fit checks one definition's value against the type and returns it as the type
// has it: scalars converted as in Terraform, tuples as lists. Marks stay. An
// unknown value, which stands for one whose error is reported already, fits
// everything.
func (t *Type) Fit(v cty.Value) (cty.Value, *Mismatch) { return t.fit(v, converting) }

func (t *Type) fit(v cty.Value, m mode) (cty.Value, *Mismatch) {
	plain, marks := v.Unmark()
	if !plain.IsKnown() {
		return cty.DynamicVal, nil
	}
	if plain.IsNull() && t.Kind != KindNullable && t.Kind != KindAny && t.Kind != KindEither {
		return cty.NilVal, mismatch("%s is required, got null", t.words())
	}
	switch t.Kind {
	case KindAny:
		return v, nil
	case KindNullable:
		if plain.IsNull() {
			return cty.NullVal(t.Elem.ctyType()).WithMarks(marks), nil
		}
		return t.Elem.fit(v, m)
	case KindEither:
		return t.fitEither(v, m)
	case KindList, KindSet, KindTuple:
		return t.fitSequence(plain, marks, m)
	case KindMap:
		return t.fitMap(plain, marks, m)
	case KindObject:
		return t.fitObject(plain, marks, m)
	}
	if t.Kind == KindPackage && plain.Type().IsObjectType() && plain.Type().HasAttribute("out") {
		// A whole derivation stands for its output.
		return t.fit(plain.GetAttr("out").WithMarks(marks), m)
	}
	got, err := t.fitScalar(plain, m)
	if err != nil {
		return cty.NilVal, err
	}
	return got.WithMarks(marks), nil
}

// fitEither looks first for an alternative that needs no conversion.
func (t *Type) fitEither(v cty.Value, m mode) (cty.Value, *Mismatch) {
	modes := []mode{exact, converting}
	if m == exact {
		modes = modes[:1]
	}
	for _, m := range modes {
		for _, p := range t.Parts {
			if got, err := p.fit(v, m); err == nil {
				return got, nil
			}
		}
	}
	return cty.NilVal, mismatch("%s is required, got %s", t.words(), Describe(v))
}

func (t *Type) fitSequence(v cty.Value, marks cty.ValueMarks, m mode) (cty.Value, *Mismatch) {
	ty := v.Type()
	if !ty.IsListType() && !ty.IsTupleType() && !ty.IsSetType() {
		return cty.NilVal, mismatch("%s is required, got %s%s", t.words(), Describe(v), t.inBrackets(v))
	}
	if t.Kind == KindTuple && (ty.IsSetType() || v.LengthInt() != len(t.Parts)) {
		return cty.NilVal, mismatch("%s is required, got %s", t.words(), Describe(v))
	}
	out := make([]cty.Value, 0, v.LengthInt())
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		elem := t.Elem
		if t.Kind == KindTuple {
			elem = t.Parts[i]
		}
		got, err := elem.fit(e.WithMarks(marks), m)
		if err != nil {
			return cty.NilVal, err.at("[" + strconv.Itoa(i) + "]")
		}
		out = append(out, got)
	}
	switch t.Kind {
	case KindTuple:
		return cty.TupleVal(out), nil
	case KindSet:
		return setOf(t.Elem, out), nil
	}
	return listOf(t.Elem, out), nil
}

// inBrackets says how a value that is no list becomes the only element of one.
func (t *Type) inBrackets(v cty.Value) string {
	if v.Type() != cty.String && v.Type() != cty.Number || t.Kind == KindTuple {
		return ""
	}
	if _, err := t.Elem.Fit(v); err != nil {
		return ""
	}
	return "; write [" + Describe(v) + "]"
}

func (t *Type) fitMap(v cty.Value, marks cty.ValueMarks, m mode) (cty.Value, *Mismatch) {
	if ty := v.Type(); !ty.IsMapType() && !ty.IsObjectType() {
		return cty.NilVal, mismatch("%s is required, got %s", t.words(), Describe(v))
	}
	out := map[string]cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		key := k.AsString()
		got, err := t.Elem.fit(e.WithMarks(marks), m)
		if err != nil {
			return cty.NilVal, err.at("[" + strconv.Quote(key) + "]")
		}
		out[key] = got
	}
	return mapOf(t.Elem, out), nil
}

func (t *Type) fitObject(v cty.Value, marks cty.ValueMarks, m mode) (cty.Value, *Mismatch) {
	if ty := v.Type(); !ty.IsMapType() && !ty.IsObjectType() {
		return cty.NilVal, mismatch("%s is required, got %s", t.words(), Describe(v))
	}
	given := v.AsValueMap()
	out := map[string]cty.Value{}
	for _, a := range t.Attrs {
		e, ok := given[a.Name]
		delete(given, a.Name)
		if a.Optional && (!ok || isNull(e) && a.Type.Kind != KindNullable) {
			out[a.Name] = a.absent()
			continue
		}
		if !ok {
			return cty.NilVal, mismatch("attribute %q is required", a.Name)
		}
		got, err := a.Type.fit(e.WithMarks(marks), m)
		if err != nil {
			return cty.NilVal, err.at("." + a.Name)
		}
		out[a.Name] = got
	}
	for _, name := range sortedKeys(given) {
		return cty.NilVal, mismatch("an object of this type has no attribute %q", name)
	}
	return cty.ObjectVal(out), nil
}

func (a Attr) absent() cty.Value {
	if a.Default == cty.NilVal {
		return cty.NullVal(a.Type.ctyType())
	}
	return a.Default
}

// fitScalar takes a known value without marks that is not null.
func (t *Type) fitScalar(v cty.Value, m mode) (cty.Value, *Mismatch) {
	want := t.ctyType()
	if v.Type() != want {
		if m == exact || !v.Type().IsPrimitiveType() {
			return cty.NilVal, mismatch("%s is required, got %s", t.words(), Describe(v))
		}
		got, err := convert.Convert(v, want)
		if err != nil || got.IsNull() {
			return cty.NilVal, mismatch("%s is required, got %s", t.words(), Describe(v))
		}
		v = got
	}
	if want == cty.Number {
		return v, t.checkNumber(v)
	}
	if want == cty.String {
		return v, t.checkString(v.AsString())
	}
	return v, nil
}

func (t *Type) checkNumber(v cty.Value) *Mismatch {
	n := v.AsBigFloat()
	whole := t.Kind == KindInteger || t.Kind == KindPort || t.Kind == KindBetween && t.whole()
	// The exponent is looked at first: printing or rounding 1e50000000 takes
	// minutes.
	if n.IsInf() || n.Sign() != 0 && (n.MantExp(nil) > 1100 || n.MantExp(nil) < -1100) {
		return mismatch("%s is required, got a number out of all range", t.words())
	}
	if whole && (!n.IsInt() || n.MantExp(nil) > maxInteger) {
		return mismatch("%s is required, got %s", t.words(), Describe(v))
	}
	low, high := t.Min, t.Max
	if t.Kind == KindPort {
		low, high = big.NewFloat(1), big.NewFloat(65535)
	}
	if low != nil && (n.Cmp(low) < 0 || n.Cmp(high) > 0) {
		return mismatch("%s is required, got %s", t.words(), Describe(v))
	}
	return nil
}

func (t *Type) checkString(s string) *Mismatch {
	switch t.Kind {
	case KindEnum:
		if !slices.Contains(t.Values, s) {
			return mismatch("%s is required, got %s", t.words(), strconv.Quote(s))
		}
	case KindPattern:
		if !t.re.MatchString(s) {
			return mismatch("%s is required, got %s", t.words(), strconv.Quote(s))
		}
	case KindPath:
		if reason := checkPath(s); reason != "" {
			return mismatch("%s is required, got %s, which %s", t.words(), strconv.Quote(s), reason)
		}
	case KindSecret:
		if reason := checkPath(s); reason != "" {
			return mismatch("%s is required, got %s, which %s", t.words(), strconv.Quote(s), reason)
		}
		if strings.HasPrefix(s, store.Dir+"/") {
			return mismatch("%s is required, got a path in the store, which anybody can read", t.words())
		}
	case KindPackage:
		if s == "" || strings.ContainsAny(s, " \t\r\n") {
			return mismatch("%s is required, got %s", t.words(), strconv.Quote(s))
		}
	}
	return nil
}

// checkPath says what keeps s from being absolute and clean, "" when nothing
// does.
func checkPath(s string) string {
	switch {
	case !strings.HasPrefix(s, "/"):
		return "does not begin with a slash"
	case strings.ContainsRune(s, 0):
		return "holds a NUL"
	case s == "/":
		return ""
	case strings.HasSuffix(s, "/"):
		return "ends with a slash"
	}
	for part := range strings.SplitSeq(s[1:], "/") {
		switch part {
		case "":
			return "has two slashes in a row"
		case ".", "..":
			return "has a " + strconv.Quote(part) + " in it"
		}
	}
	return ""
}

// words describes the type in a sentence: "a list of strings".
func (t *Type) words() string {
	if t.what != "" {
		return t.what
	}
	switch t.Kind {
	case KindBool:
		return "true or false"
	case KindString, KindLines:
		return "a string"
	case KindNumber:
		return "a number"
	case KindInteger:
		return "a whole number"
	case KindPort:
		return "a port (1 to 65535)"
	case KindPath:
		return "an absolute, clean path"
	case KindSecret:
		return "the path of a secret's file"
	case KindPackage:
		return `a package ("git" or "trixie:git")`
	case KindEnum:
		return oneOf(t.Values)
	case KindPattern:
		return "a string that matches " + strconv.Quote(t.Pattern)
	case KindBetween:
		what := "a number"
		if t.whole() {
			what = "a whole number"
		}
		return fmt.Sprintf("%s from %s to %s", what, text(t.Min), text(t.Max))
	case KindNullable:
		return t.Elem.words() + ", or null"
	case KindEither:
		return t.Parts[0].words() + ", or " + t.Parts[1].words()
	case KindList, KindSet, KindMap:
		if t.Elem.what == "" {
			return "a " + t.String()
		}
		return map[Kind]string{KindList: "a list", KindSet: "a set", KindMap: "a map"}[t.Kind] + " (of each: " + t.Elem.what + ")"
	}
	return "a value of type " + t.String()
}

func oneOf(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return "one of " + strings.Join(quoted, ", ")
}
