package derivations

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// MakeAttrs returns the canonical form of v, which must marshal to a JSON object
// without floating-point numbers. A null, and an object without members, give
// empty Attrs.
//
// A string that is not UTF-8 is refused, as JSON could not hold it.
func MakeAttrs(v any) (Attrs, error) {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode attributes: %v", err)
	}
	text := bytes.TrimSuffix(raw.Bytes(), []byte{'\n'})
	if string(text) == "null" {
		return nil, nil
	}
	canonical, err := canonicalJSON(text)
	if err != nil {
		return nil, fmt.Errorf("encode attributes: %v", err)
	}
	switch {
	case canonical[0] != '{':
		return nil, fmt.Errorf("encode attributes: %T is not a JSON object", v)
	case len(canonical) == len("{}"):
		return nil, nil
	}
	return canonical, nil
}

// Decode stores the attributes in v, a pointer to a struct usually. An attribute
// that v has no place for is an error.
func (a Attrs) Decode(v any) error {
	text := []byte(a)
	if len(text) == 0 {
		text = []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("decode attributes: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("decode attributes: text after the object")
	}
	return nil
}

// check reports why a is not what MakeAttrs returns.
func (a Attrs) check() error {
	if len(a) == 0 {
		return nil
	}
	canonical, err := canonicalJSON(a)
	switch {
	case err != nil:
		return fmt.Errorf("attributes: %v", err)
	case canonical[0] != '{' || len(canonical) == len("{}") || !bytes.Equal(canonical, a):
		return fmt.Errorf("attributes: not a JSON object in canonical form")
	}
	return nil
}
