package lang

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/tools/txtar"

	"sysc/derivations"
	"sysc/lang/diag"
)

var update = flag.Bool("update", false, "rewrite golden files")

// graphHost makes a root out of a derivation that names the packages.
type graphHost struct{ graph *derivations.Graph }

func (h graphHost) Input(name string, from diag.Range) (cty.Value, diag.List) {
	return cty.ObjectVal(map[string]cty.Value{"revision": cty.StringVal("1"), "name": cty.StringVal(name)}), nil
}

func (h graphHost) Environment(req EnvironmentRequest) (string, diag.List) {
	var names []string
	for _, p := range req.Packages {
		if p.Name == "no-such-package" {
			return "", diag.Errorf(p.Range, "Unknown package", "There is no package %q in %s.", p.Name, req.Base)
		}
		names = append(names, p.Input+":"+p.Name+p.Path)
	}
	attrs, err := derivations.MakeAttrs(map[string]any{"base": req.Base, "packages": names})
	if err != nil {
		return "", diag.Errorf(req.Range, "Cannot make a root", "%v.", err)
	}
	hash, err := h.graph.Add(derivations.Derivation{Name: "root", Platform: "any", Builder: "builtin:test-root", Attrs: attrs}, req.Origin)
	if err != nil {
		return "", diag.Errorf(req.Range, "Cannot make a root", "%v.", err)
	}
	path, err := h.graph.Placeholder(derivations.Ref{Derivation: hash, Output: derivations.DefaultOutput})
	if err != nil {
		return "", diag.Errorf(req.Range, "Cannot make a root", "%v.", err)
	}
	return path, nil
}

// run evaluates everything in a module of files.
func run(dir string, files map[string][]byte, vars map[string]VariableValue) (*Module, diag.List) {
	def, diags := Parse(dir, files, "0.3.0")
	if def == nil {
		return nil, diags
	}
	g := derivations.NewGraph()
	m, more := Evaluate(def, Options{Graph: g, Host: graphHost{g}, Variables: vars})
	diags = append(diags, more...)
	return m, append(diags, m.Force()...).Sort()
}

// moduleFiles takes the definition files out of an archive, and values of
// variables ("name=value" lines of the file "vars").
func moduleFiles(ar *txtar.Archive) (files map[string][]byte, vars map[string]VariableValue) {
	files = map[string][]byte{}
	for _, f := range ar.Files {
		switch {
		case strings.HasSuffix(f.Name, ".sysc.hcl"), strings.HasSuffix(f.Name, ".sysc.json"):
			files[f.Name] = f.Data
		case f.Name == "vars":
			vars = map[string]VariableValue{}
			for line := range strings.Lines(string(f.Data)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				vars[name] = VariableValue{Text: value, Source: "--var " + name + "=…"}
			}
		}
	}
	return files, vars
}

// TestDiagnostics evaluates each testdata/diagnostics/*.txtar and compares what
// is printed with the archive's file "want".
func TestDiagnostics(t *testing.T) {
	names, err := filepath.Glob("testdata/diagnostics/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for _, f := range ar.Files {
				if f.Name != "want" && f.Name != "vars" {
					if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			files, vars := moduleFiles(ar)
			m, diags := run(dir, files, vars)
			if m != nil {
				files = m.Files()
			}
			var out strings.Builder
			if err := diag.Render(&out, diags, files, diag.RenderOptions{}); err != nil {
				t.Fatal(err)
			}
			got := out.String()
			i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "want" })
			if *update {
				if i < 0 {
					ar.Files = append(ar.Files, txtar.File{Name: "want"})
					i = len(ar.Files) - 1
				}
				ar.Files[i].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := ""
			if i >= 0 {
				want = string(ar.Files[i].Data)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("diagnostics differ (-want +got):\n%s", diff)
			}
		})
	}
}
