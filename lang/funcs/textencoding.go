package funcs

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

// charset returns the encoding of an IANA name and the name that is preferred.
func charset(name string) (encoding.Encoding, string, error) {
	enc, err := ianaindex.IANA.Encoding(name)
	if err != nil || enc == nil {
		return nil, "", function.NewArgErrorf(1, "%q is not the name of a character encoding that is known here, such as UTF-8, UTF-16LE or ISO-8859-1", name)
	}
	preferred, err := ianaindex.IANA.Name(enc)
	if err != nil {
		preferred = name
	}
	return enc, preferred, nil
}

func charsetFunc(f func(enc encoding.Encoding, name, s string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String}, {Name: "encoding", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			enc, name, err := charset(args[1].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			s, err := f(enc, name, args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

func textEncodeBase64(enc encoding.Encoding, name, s string) (string, error) {
	out, err := enc.NewEncoder().Bytes([]byte(s))
	if err != nil {
		return "", fmt.Errorf("the text has characters that cannot be represented in %s", name)
	}
	return base64.StdEncoding.EncodeToString(out), nil
}

func textDecodeBase64(enc encoding.Encoding, name, s string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) {
		return "", fmt.Errorf("not base64: there is an invalid character at offset %d", int64(corrupt))
	}
	out, err := enc.NewDecoder().Bytes(raw)
	if err != nil || !utf8.Valid(out) || bytes.ContainsRune(out, utf8.RuneError) {
		return "", fmt.Errorf("the bytes have symbols that are not defined for %s", name)
	}
	return string(out), nil
}

// base64Gzip compresses without a time or name.
func base64Gzip(s string) (string, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := strings.NewReader(s).WriteTo(w); err != nil {
		return "", err
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
