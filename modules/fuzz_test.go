package modules

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"sysc/lang/diag"
)

// FuzzValidate validates a definition twice, every option of every system
// included, and wants the same answer.
func FuzzValidate(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(names) == 0 {
		f.Fatalf("no test data: %v", err)
	}
	for _, name := range names {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			if strings.HasSuffix(file.Name, ".sysc.hcl") {
				f.Add(string(file.Data))
			}
		}
	}
	f.Add(laptop)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		first, second := validated(t, dir, text), validated(t, dir, text)
		if first != second {
			t.Errorf("two evaluations differ:\n%s\n%s", first, second)
		}
	})
}

// validated returns what is said of a definition.
func validated(t *testing.T, dir, text string) string {
	ctx := context.Background()
	texts := map[string][]byte{"main.sysc.hcl": []byte(text)}
	p, diags := Check(ctx, dir, &Options{Version: "0.3.0", Platform: "linux/amd64", Texts: texts})
	if !diags.HasErrors() {
		for _, name := range p.Systems() {
			s, more := p.System(ctx, name)
			if s == nil && !more.HasErrors() {
				t.Errorf("no system %q and no error", name)
			}
		}
	}
	var out strings.Builder
	if err := diag.Render(&out, diags, p.Files(), diag.RenderOptions{}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
