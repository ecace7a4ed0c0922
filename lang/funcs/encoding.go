package funcs

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// encodingFunctions write texts in another form or hash them. md5 and sha1 are
// for formats that ask for them, not for trust.
func encodingFunctions() map[string]function.Function {
	return map[string]function.Function{
		"base64decode": textFunc(base64Decode),
		"base64encode": textFunc(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
		"base64sha256": textFunc(func(s string) (string, error) {
			sum := sha256.Sum256([]byte(s))
			return base64.StdEncoding.EncodeToString(sum[:]), nil
		}),
		"base64sha512": textFunc(func(s string) (string, error) {
			sum := sha512.Sum512([]byte(s))
			return base64.StdEncoding.EncodeToString(sum[:]), nil
		}),
		"base64gzip": boundedText(textFunc(base64Gzip), maxSearched),
		"csvdecode":  boundedText(stdlib.CSVDecodeFunc, maxDecoded),
		"jsondecode": boundedJSON(),
		"md5":        textFunc(func(s string) (string, error) { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]), nil }),
		"sha1":       textFunc(func(s string) (string, error) { sum := sha1.Sum([]byte(s)); return hex.EncodeToString(sum[:]), nil }),
		"sha256": textFunc(func(s string) (string, error) {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:]), nil
		}),
		"sha512": textFunc(func(s string) (string, error) {
			sum := sha512.Sum512([]byte(s))
			return hex.EncodeToString(sum[:]), nil
		}),
		"textdecodebase64": charsetFunc(textDecodeBase64),
		"textencodebase64": charsetFunc(textEncodeBase64),
		"uuidv5":           uuidV5Func,
		"urlencode":        textFunc(func(s string) (string, error) { return url.QueryEscape(s), nil }),
		"urldecode":        textFunc(urlDecode),
	}
}

func base64Decode(s string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	switch {
	case err != nil:
		return "", fmt.Errorf("not base64: %v", err)
	case !utf8.Valid(raw):
		return "", fmt.Errorf("the decoded bytes are not UTF-8, and a string holds text only")
	}
	return string(raw), nil
}

func urlDecode(s string) (string, error) {
	out, err := url.QueryUnescape(s)
	switch {
	case err != nil:
		return "", err
	case !utf8.ValidString(out):
		return "", fmt.Errorf("the decoded bytes are not UTF-8, and a string holds text only")
	}
	return out, nil
}

// boundedJSON refuses nesting that the decoder's recursion would not survive.
func boundedJSON() function.Function {
	decode := stdlib.JSONDecodeFunc
	normal := func(args []cty.Value) []cty.Value {
		if args[0].IsKnown() && !args[0].IsNull() {
			return []cty.Value{cty.StringVal(normalJSON(args[0].AsString()))}
		}
		return args
	}
	return function.New(&function.Spec{
		Params: decode.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			return cty.DynamicPseudoType, checkJSON(text(args[0]))
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return decode.Call(normal(args)) },
	})
}

func checkJSON(s string) error {
	depth, values, inString, escaped := 0, 1, false, false
	if len(s) > maxDecoded {
		return function.NewArgErrorf(0, "text of %d bytes, at most %d can be decoded", len(s), maxDecoded)
	}
	for i := range len(s) {
		switch c := s[i]; {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '[' || c == '{':
			if depth++; depth > maxJSONDepth {
				return function.NewArgErrorf(0, "nested more than %d levels deep", maxJSONDepth)
			}
		case c == ']' || c == '}':
			depth--
		case c == ',':
			if values++; values > maxElements {
				return function.NewArgErrorf(0, "more than %d values", maxElements)
			}
		}
	}
	return nil
}
