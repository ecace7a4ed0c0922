package lint

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"sysc/lang"
)

// FuzzText: no text makes a rule fail, and each finding is in the text.
func FuzzText(f *testing.F) {
	names, err := filepath.Glob("../../modules/lint/testdata/*.txtar")
	if err != nil || len(names) == 0 {
		f.Fatalf("no archives: %v", err)
	}
	for _, name := range names {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			f.Add(file.Data, strings.HasSuffix(file.Name, ".json"))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, json bool) {
		name := "a.sysc.hcl"
		if json {
			name = "a.sysc.json"
		}
		def, diags := lang.Parse("", map[string][]byte{name: text}, "")
		if def == nil || diags.HasErrors() {
			return
		}
		module := &Text{Definition: def, Files: def.Module.Files}
		var findings []Finding
		var known []string
		for _, rule := range Rules() {
			findings = append(findings, rule.Check(module)...)
			known = append(known, rule.Name)
		}
		for _, f := range Silence(findings, module.Files, known, func(string) bool { return true }) {
			if f.Subject == nil || f.Subject.Filename != name || f.Subject.Start.Byte < 0 || f.Subject.End.Byte > len(text) || f.Subject.Start.Byte > f.Subject.End.Byte {
				t.Errorf("%s has no place: %v", f.Rule, f.Subject)
			}
		}
	})
}
