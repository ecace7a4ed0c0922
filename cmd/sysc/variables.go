package main

import (
	"maps"
	"os"
	"slices"
	"strings"

	"sysc/lang"
	"sysc/lang/diag"
)

// A varFlag is one --var or --var-file.
type varFlag struct {
	text string
	file bool
}

// varFlags is a flag that adds to a list, which --var and --var-file share because
// the last one counts.
type varFlags struct {
	list *[]varFlag
	file bool
}

func (f *varFlags) String() string { return "" }

func (f *varFlags) Type() string { return "text" }

func (f *varFlags) Set(text string) error {
	*f.list = append(*f.list, varFlag{text: text, file: f.file})
	return nil
}

// variables collects values from outside; what comes later wins: the environment,
// then the command line in its order. texts are the files that were read, for
// diagnostics. Only files that are named are read: what a definition gives depends
// on nothing that happens to lie around.
func (a *app) variables() (values map[string]lang.VariableValue, texts map[string][]byte, diags diag.List) {
	const prefix = "SYSC_VAR_"
	values, texts = map[string]lang.VariableValue{}, map[string][]byte{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && (a.saved == nil || slices.Contains(a.saved.secret, rest)) {
			values[rest] = lang.VariableValue{Text: value, Source: name, Ambient: true}
		}
	}
	if a.saved != nil {
		maps.Copy(values, a.saved.values)
	}
	for _, v := range a.vars {
		if v.file {
			text, err := os.ReadFile(v.text)
			if err != nil {
				diags = append(diags, diag.Errorf(diag.Range{}, "Cannot read a file of variables", "%v.", err)...)
				continue
			}
			texts[v.text] = text
			fromFile, more := lang.ParseVariables(text, v.text)
			diags = append(diags, more...)
			maps.Copy(values, fromFile)
			continue
		}
		name, value, ok := strings.Cut(v.text, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			diags = append(diags, diag.Errorf(diag.Range{}, "Wrong --var", "It is written --var NAME=VALUE, with the value behind the first equals sign.")...)
			continue
		}
		values[name] = lang.VariableValue{Text: value, Source: "--var " + name}
	}
	return values, texts, diags
}
