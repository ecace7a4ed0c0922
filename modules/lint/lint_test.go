package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"sysc/modules/std"
)

var update = flag.Bool("update", false, "rewrite the expected findings in testdata")

// lintArchive looks at the files of an archive, and returns the findings, a line
// each.
func lintArchive(t *testing.T, ar *txtar.Archive, skip ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range ar.Files {
		if f.Name == "findings" {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := Directory(t.Context(), dir, &Options{Skip: skip})
	if r.Errors.HasErrors() {
		t.Fatal(r.Errors.Err())
	}
	var b strings.Builder
	for _, f := range r.Findings {
		text := r.Files[f.Subject.Filename]
		word, _, _ := strings.Cut(string(text[f.Subject.Start.Byte:f.Subject.End.Byte]), "\n")
		fmt.Fprintf(&b, "%s:%d %s: %s: %s\n", f.Subject.Filename, f.Subject.Start.Line, f.Rule, word, f.Summary)
	}
	for _, name := range r.Skipped {
		fmt.Fprintf(&b, "not looked at: %s\n", name)
	}
	return b.String()
}

// TestRules: each archive of testdata has the findings that it says. Beside every
// piece that a rule finds there stands one that it must not find.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	fired := map[string]bool{}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := lintArchive(t, ar)
			i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "findings" })
			if *update {
				if i < 0 {
					ar.Files = append(ar.Files, txtar.File{Name: "findings"})
					i = len(ar.Files) - 1
				}
				ar.Files[i].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if i < 0 || got != string(ar.Files[i].Data) {
				t.Errorf("findings:\n%s", got)
			}
			for line := range strings.Lines(got) {
				if _, rest, ok := strings.Cut(line, " "); ok {
					rule, _, _ := strings.Cut(rest, ":")
					fired[rule] = true
				}
			}
		})
	}
	for _, name := range Names() {
		if !fired[name] {
			t.Errorf("no archive has a finding of %s", name)
		}
	}
}

// TestStandardModules: the standard modules have nothing to be found in their texts.
// Their options are there already, so that they cannot be evaluated as others are.
func TestStandardModules(t *testing.T) {
	for _, name := range std.Names() {
		file, text := std.File(name)
		ar := &txtar.Archive{Files: []txtar.File{{Name: filepath.Base(file), Data: text}}}
		if got := lintArchive(t, ar, needEvaluation()...); got != "" {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

func needEvaluation() []string {
	var names []string
	for _, r := range Rules() {
		if r.Evaluates {
			names = append(names, r.Name)
		}
	}
	return names
}

// TestExamples: nor have the examples.
func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob("../../examples/*/*.sysc.hcl")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range dirs {
		r := Directory(t.Context(), filepath.Dir(file), nil)
		if r.Errors.HasErrors() || len(r.Skipped) > 0 {
			t.Errorf("%s: %v %v", file, r.Errors.Err(), r.Cause.Err())
		}
		for _, f := range r.Findings {
			t.Errorf("%s: %s: %s", file, f.Rule, f.Error())
		}
	}
}

// TestDocumented: docs/lint.md has a section for each rule, in their order, which
// says what the rule says of itself.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile("(?m)^### `(.*)`$").FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	if !slices.Equal(names, Names()) {
		t.Errorf("sections %v, rules %v", names, Names())
	}
	for _, r := range Rules() {
		if !strings.Contains(string(text), "`\n\n"+strings.ToUpper(r.About[:1])+r.About[1:]+".") {
			t.Errorf("docs/lint.md does not say of %s: %s", r.Name, r.About)
		}
	}
}
