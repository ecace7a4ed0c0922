package lang

import (
	"slices"
	"strings"

	"sysc/internal/lazyregexp"
	"sysc/lang/diag"
)

// TypeHint returns what somebody probably meant who wrote the name of a type that
// there is not, as the end of a message: one of known, under the name that another
// language has for it or misspelt; or "".
func TypeHint(word string, known []string) string {
	switch strings.ToLower(word) {
	case "text", "str":
		word = "string"
	case "int", "long", "uint", "int64":
		word = "integer"
	case "float", "double", "decimal", "real":
		word = "number"
	case "array", "slice", "vector":
		word = "list"
	case "dict", "dictionary", "hash", "mapping", "record":
		word = "map"
	case "struct":
		word = "object"
	}
	if slices.Contains(known, word) {
		return " Did you mean \"" + word + "\"?"
	}
	return diag.DidYouMean(word, known)
}

var unknownType = lazyregexp.New(`^(?:The keyword|Keyword) "([^"]*)" is not a valid type `)

// explainType makes what the HCL library says of the type of a variable tell what
// could stand there.
func explainType(d *diag.Diagnostic) {
	known := []string{"string", "number", "bool", "any", "list", "set", "map", "object", "tuple"}
	if m := unknownType().FindStringSubmatch(d.Detail); m != nil {
		word := m[1]
		switch word {
		case "optional":
			d.Detail = "optional takes a type and perhaps a default, as in optional(string, \"x\")."
			return
		case "integer", "port", "path", "lines", "enum", "pattern", "between", "either", "nullable", "package", "secret":
			d.Detail = word + " is a type of options. A variable is a string, number, bool, list(…), set(…), map(…), object({…}) or tuple([…]); more is demanded in a validation block."
			return
		}
		d.Detail = "There is no type \"" + word + "\"."
		if word == "int" || word == "integer" {
			word = "number"
		}
		d.Detail += TypeHint(word, known)
		return
	}
	for word, example := range map[string]string{
		"list": "list(string)", "set": "set(string)", "map": "map(string)", "object": "object({ name = string })", "tuple": "tuple([string, number])",
	} {
		if strings.HasPrefix(d.Detail, "The "+word+" type constructor requires ") {
			d.Detail = "This type is written like " + example + ", or any for what is not known."
		}
	}
	if strings.HasPrefix(d.Detail, "A type specification is either") {
		d.Detail = "A type is written without quotes: string, number, bool, any, list(string), map(number), object({ name = string }) …"
	}
}
