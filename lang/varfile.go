package lang

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang/diag"
	"sysc/lang/syntax"
)

// ParseVariables reads a file of values. One whose name ends in .json is an object
// with a key for each variable; in any other there are arguments only, as in
//
//	port = 8080
//
// name is what diagnostics call the file.
func ParseVariables(src []byte, name string) (map[string]VariableValue, diag.List) {
	if strings.HasSuffix(name, ".json") {
		return ParseJSONVariables(src, name)
	}
	attrs, diags := syntax.ParseAttributes(src, name)
	out := map[string]VariableValue{}
	for _, a := range attrs {
		out[a.Name] = VariableValue{Expr: a.Expr, Source: name, Range: a.Expr.Range()}
	}
	return out, diags
}

// ParseJSONVariables is [ParseVariables] for JSON, whatever the name.
func ParseJSONVariables(src []byte, name string) (map[string]VariableValue, diag.List) {
	r := &jsonReader{src: src, name: name, dec: json.NewDecoder(bytes.NewReader(src))}
	r.dec.UseNumber()
	fail := func(err error) (map[string]VariableValue, diag.List) {
		return nil, diag.Errorf(r.here(), "Invalid JSON", "%s is not an object of values in JSON: %v.", name, err)
	}
	if len(src) > syntax.MaxFileSize {
		return fail(fmt.Errorf("it has more than %d MiB", syntax.MaxFileSize>>20))
	}
	if !utf8.Valid(src) {
		return fail(errors.New("it is not UTF-8"))
	}
	if tok, err := r.dec.Token(); err != nil || tok != json.Delim('{') {
		return fail(errors.New("it begins with something else"))
	}
	out := map[string]VariableValue{}
	for r.dec.More() {
		key, err := r.key()
		if err != nil {
			return fail(err)
		}
		if _, dup := out[key]; dup {
			return fail(fmt.Errorf("the key %q stands twice", key))
		}
		at := r.here()
		v, err := r.value(0)
		if err != nil {
			return fail(err)
		}
		out[key] = VariableValue{Source: name, Range: at, Value: func() (cty.Value, diag.List) { return v, nil }}
	}
	if _, err := r.dec.Token(); err != nil {
		return fail(err)
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return fail(errors.New("something follows the object"))
	}
	return out, nil
}

// A jsonReader turns JSON into values: texts as they are, no templates.
type jsonReader struct {
	src  []byte
	name string
	dec  *json.Decoder
}

// here is the place that has been read up to.
func (r *jsonReader) here() diag.Range {
	offset := min(int(r.dec.InputOffset()), len(r.src))
	before := r.src[:offset]
	line := bytes.LastIndexByte(before, '\n') + 1
	pos := diag.Pos{Line: 1 + bytes.Count(before, []byte{'\n'}), Column: 1 + utf8.RuneCount(before[line:]), Byte: offset}
	return diag.Range{Filename: r.name, Start: pos, End: pos}
}

func (r *jsonReader) key() (string, error) {
	tok, err := r.dec.Token()
	if err != nil {
		return "", err
	}
	key, ok := tok.(string)
	if !ok {
		return "", fmt.Errorf("a key is a text, not %v", tok)
	}
	return key, nil
}

func (r *jsonReader) value(depth int) (cty.Value, error) {
	if depth > syntax.MaxNesting {
		return cty.NilVal, fmt.Errorf("it is nested more than %d levels deep", syntax.MaxNesting)
	}
	tok, err := r.dec.Token()
	if err != nil {
		return cty.NilVal, err
	}
	switch tok := tok.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case bool:
		return cty.BoolVal(tok), nil
	case string:
		return cty.StringVal(tok), nil
	case json.Number:
		return jsonNumber(tok.String())
	case json.Delim:
		if tok == '[' {
			return r.list(depth)
		}
		return r.object(depth)
	}
	return cty.NilVal, fmt.Errorf("%v is no value", tok)
}

func (r *jsonReader) list(depth int) (cty.Value, error) {
	var list []cty.Value
	for r.dec.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return cty.NilVal, err
		}
		list = append(list, v)
	}
	_, err := r.dec.Token()
	return cty.TupleVal(list), err
}

func (r *jsonReader) object(depth int) (cty.Value, error) {
	attrs := map[string]cty.Value{}
	for r.dec.More() {
		key, err := r.key()
		if err != nil {
			return cty.NilVal, err
		}
		if _, dup := attrs[key]; dup {
			return cty.NilVal, fmt.Errorf("the key %q stands twice in an object", key)
		}
		if attrs[key], err = r.value(depth + 1); err != nil {
			return cty.NilVal, err
		}
	}
	_, err := r.dec.Token()
	return cty.ObjectVal(attrs), err
}

// jsonNumber refuses numbers that would take minutes to write out.
func jsonNumber(text string) (cty.Value, error) {
	const maxLen, maxExponent = 400, 4
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if len(text) > maxLen || len(strings.TrimLeft(exponent, "+-0")) >= maxExponent {
		return cty.NilVal, errors.New("a number in it is too large or too small")
	}
	return cty.ParseNumberVal(text)
}
