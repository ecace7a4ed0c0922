package build

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sysc/derivations"
	"sysc/internal/shellword"
)

const (
	// attrsFile is where a program finds its attributes, below buildDir.
	attrsFile = ".attrs.json"
	// attrsShellFile is where a shell finds them.
	attrsShellFile = ".attrs.sh"
)

// writeAttrs writes the attributes, if there are any, to where the program works.
func (x *execution) writeAttrs() error {
	attrs := x.job.resolved.Attrs
	if len(attrs) == 0 {
		return nil
	}
	variables, err := shellAttrs(attrs, func(name string) bool {
		_, set := x.job.d.Env[name]
		return set || slices.Contains(x.job.d.OutputNames(), name)
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(x.buildDir(), attrsFile), attrs, 0o444); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(x.buildDir(), attrsShellFile), variables, 0o444)
}

// shellAttrs returns attributes as a file that a POSIX shell sources: a variable
// for each, sorted.
//
// A text and a number are as they are, true is 1, false and null are empty. A list
// of such is its elements as quoted words, an object of such its keys and values by
// turns: POSIX shells have no arrays but "$@", which eval "set -- $name" makes of
// them.
//
// What else there is a shell has no place for: lists and objects within these, a
// NUL. Nor is there a variable whose name is taken, as environment variables are:
// assigning to it would change what programs see. The name needs a lower-case
// letter: POSIX leaves such names to applications (XBD 8.1), whereas any other may
// mean something to a shell (PATH, IFS, BASH_ENV, …). What is left out is in the
// JSON file.
func shellAttrs(attrs derivations.Attrs, taken func(name string) bool) ([]byte, error) {
	var members map[string]any
	dec := json.NewDecoder(bytes.NewReader(attrs))
	dec.UseNumber()
	if err := dec.Decode(&members); err != nil {
		return nil, fmt.Errorf("write attributes for a shell: %w", err)
	}
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value, ok := shellValue(members[name])
		if ok && isFreeName(name) && !taken(name) {
			fmt.Fprintf(&out, "%s=%s\n", name, shellword.Quote(value))
		} else {
			fmt.Fprintf(&out, "# left out: %s\n", strconv.QuoteToASCII(name))
		}
	}
	return out.Bytes(), nil
}

// isFreeName reports whether no shell gives a variable of that name a meaning.
func isFreeName(name string) bool {
	return shellword.IsName(name) && strings.ToUpper(name) != name
}

// shellValue returns what a variable is, if it can be.
func shellValue(v any) (string, bool) {
	var elements []any
	switch v := v.(type) {
	case []any:
		elements = v
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			elements = append(elements, key, v[key])
		}
	default:
		return shellText(v)
	}
	words := make([]string, len(elements))
	for i, element := range elements {
		text, ok := shellText(element)
		if !ok {
			return "", false
		}
		words[i] = shellword.Quote(text)
	}
	return strings.Join(words, " "), true
}

// shellText returns a plain value as a text.
func shellText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case bool:
		if v {
			return "1", true
		}
		return "", true
	case json.Number:
		return v.String(), true
	case string:
		return v, strings.IndexByte(v, 0) < 0
	}
	return "", false
}
