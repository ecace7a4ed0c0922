package systems

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sysc/internal/lazyregexp"
)

// Where a home's environment variables stand: for the user's systemd and what it
// starts (environment.d(5)), and for shells that read it from their profile.
const (
	environmentD     = "/.config/environment.d/50-sysc.conf"
	environmentShell = "/.config/sysc/environment.sh"
)

// variableName is a name of a variable as POSIX shells take it (POSIX.1-2024, Base
// Definitions, section 3.216), and variableRef what stands for another one's value.
var (
	variableName = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
	variableRef  = lazyregexp.New(`^\$(\$|[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})`)
)

// maxVariable bounds the value of an environment variable in bytes: execve(2) takes
// 128 KiB with the name, and files have escapes.
const maxVariable = 60 << 10

// A variableText is a value taken apart: texts, and in between names of variables
// whose values are to stand there.
type variableText struct {
	texts []string // one more than names
	names []string
}

// CheckVariable reports what is wrong with an environment variable. In a value, $NAME
// and ${NAME} stand for the values of others and $$ for a dollar sign; it is one line
// of text.
func CheckVariable(name, value string) error {
	if !variableName().MatchString(name) {
		return fmt.Errorf("%q cannot be the name of an environment variable: names have letters, digits and _ only, and do not begin with a digit", name)
	}
	if len(value) > maxVariable {
		return fmt.Errorf("the value of %s has %d bytes, at most %d", name, len(value), maxVariable)
	}
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return fmt.Errorf("the value of %s is not one line of text without control characters", name)
	}
	_, err := parseVariable(name, value)
	return err
}

func parseVariable(name, value string) (variableText, error) {
	var v variableText
	text := ""
	for {
		before, _, found := strings.Cut(value, "$")
		text += before
		if !found {
			v.texts = append(v.texts, text)
			return v, nil
		}
		ref := variableRef().FindString(value[len(before):])
		switch ref {
		case "":
			return v, fmt.Errorf("in the value of %s, a $ stands before something that is no name: $NAME and ${NAME} are the values of variables, and a dollar sign is written $$", name)
		case "$$":
			text += "$"
		default:
			v.texts, v.names = append(v.texts, text), append(v.names, strings.Trim(ref, "${}"))
			text = ""
		}
		value = value[len(before)+len(ref):]
	}
}

// EnvironmentFiles returns the files that set environment variables. A variable
// stands behind those that its value names.
func EnvironmentFiles(vars map[string]string, position string) ([]File, error) {
	order, err := variableOrder(vars)
	if err != nil {
		return nil, err
	}
	var forSystemd, forShells strings.Builder
	forSystemd.WriteString("# Made by sysc from a home's option env.\n")
	forShells.WriteString("# Made by sysc from a home's option env, to be read by shells: . ~" + environmentShell + "\n")
	for _, name := range order {
		v, err := parseVariable(name, vars[name])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&forSystemd, "%s=%s\n", name, v.quoted("$$", "${%s}"))
		fmt.Fprintf(&forShells, "export %s=%s\n", name, v.quoted(`\$`, "${%s-}"))
	}
	return []File{
		{Path: environmentD, Content: forSystemd.String(), Mode: 0o444, Position: position},
		{Path: environmentShell, Content: forShells.String(), Mode: 0o444, Position: position},
	}, nil
}

// quoted writes a value in double quotes. dollar is how a dollar sign is written, and
// ref another variable's value.
func (v variableText) quoted(dollar, ref string) string {
	escape := strings.NewReplacer(`"`, `\"`, `\`, `\\`, "`", "\\`", "$", dollar)
	var b strings.Builder
	b.WriteByte('"')
	for i, text := range v.texts {
		if i > 0 {
			fmt.Fprintf(&b, ref, v.names[i-1])
		}
		b.WriteString(escape.Replace(text))
	}
	b.WriteByte('"')
	return b.String()
}

// variableOrder sorts variables by name, and each behind those that its value names. A
// variable may name itself, as PATH does, and means the value that it had before.
func variableOrder(vars map[string]string) ([]string, error) {
	var order []string
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		v, err := parseVariable(name, vars[name])
		if err != nil {
			return err
		}
		state[name] = visiting
		names := slices.Clone(v.names)
		slices.Sort(names)
		for _, other := range names {
			if _, ours := vars[other]; !ours || other == name || state[other] == done {
				continue
			}
			if state[other] == visiting {
				return errors.New("the environment variables " + name + " and " + other + " each need the value of the other")
			}
			if err := visit(other); err != nil {
				return err
			}
		}
		state[name] = done
		order = append(order, name)
		return nil
	}
	for _, name := range sortedKeys(vars) {
		if state[name] == done {
			continue
		}
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}
