package modules

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/modules/std"
)

// The index of the standard modules says what their texts say.
func TestStandardIndex(t *testing.T) {
	var text bytes.Buffer
	text.WriteString(`package std

// index says which module declares what. The test of package modules writes it:
// go test ./modules -run TestStandardIndex -update
var index = map[string]string{
`)
	declared := map[string]string{}
	for _, name := range std.Names() {
		file, src := std.File(name)
		m, diags := syntax.Parse("", map[string][]byte{file: src})
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		for _, b := range m.Blocks {
			if b.Type == "option" {
				if other, ok := declared[b.Labels[0]]; ok {
					t.Errorf("%s and %s both declare %s", other, name, b.Labels[0])
				}
				declared[b.Labels[0]] = name
			}
		}
	}
	for _, path := range sortedKeys(declared) {
		fmt.Fprintf(&text, "%q: %q,\n", path, declared[path])
		for other := range declared {
			if strings.HasPrefix(other, path+".") {
				t.Errorf("%s is in %s: the index has one module for each", other, path)
			}
		}
	}
	text.WriteString("}\n")
	want, err := format.Source(text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "std/index.go", string(want))
}

// docs/options.md is what the declarations say, and each of them says enough.
func TestOptionsPage(t *testing.T) {
	docs := Undefined(nil).Documentation()
	var page strings.Builder
	if err := WriteMarkdown(&page, docs); err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/options.md", page.String())
	ofHomes := Undefined(nil).HomeDocumentation()
	page.Reset()
	if err := WriteHomeMarkdown(&page, ofHomes); err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/options-home.md", page.String())
	for _, d := range append(docs, ofHomes...) {
		if d.Description == "" || !strings.HasSuffix(d.Description, ".") {
			t.Errorf("%s (%s) has no description that is a sentence: %q", d.Path, d.Module(), d.Description)
		}
	}
	if len(docs) < 80 {
		t.Errorf("only %d options", len(docs))
	}
}

// golden compares a file with what it should be, or with -update makes it that.
func golden(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), want); diff != "" {
		t.Errorf("%s is out of date, run the test with -update (-have +want):\n%s", name, diff)
	}
}

// Every standard module does what testdata/std says: of the definition in each
// archive, the files, units, packages and so on that come out, and what is wrong
// with it.
func TestStandardModules(t *testing.T) {
	names, err := filepath.Glob("testdata/std/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var tested []string
	for _, name := range names {
		base := strings.TrimSuffix(filepath.Base(name), ".txtar")
		tested = append(tested, base)
		t.Run(base, func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "want" })
			if i < 0 {
				ar.Files = append(ar.Files, txtar.File{Name: "want"})
				i = len(ar.Files) - 1
			}
			ar.Files[i].Data = []byte(outcomeOf(t, ar))
			golden(t, name, string(txtar.Format(ar)))
		})
	}
	for _, name := range std.Names() {
		if !slices.Contains(tested, name) {
			t.Errorf("nothing tests the standard module %s", name)
		}
	}
}

// outcomeOf evaluates the definition in an archive.
func outcomeOf(t *testing.T, ar *txtar.Archive) string {
	dir := t.TempDir()
	for _, f := range ar.Files {
		if f.Name != "want" {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f.Name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx := context.Background()
	p, diags := Load(ctx, dir, &Options{Platform: "linux/amd64"})
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	var out strings.Builder
	for _, name := range p.Systems() {
		s, diags := p.Open(ctx, name)
		s.e.options.CheckNames()
		s.e.checkAssertions()
		value, more := s.Value(`{
			packages = config.packages, file = { for k, v in config.file : k => { content = v.content, mode = v.mode } }, symlink = config.symlink, unit = config.unit
		}`)
		diags = append(diags, more...)
		fmt.Fprintf(&out, "system %q, with %s\n", name, strings.Join(sortedKeys(s.e.standard), ", "))
		writeOutcome(t, &out, value.JSON)
		if err := diag.Render(&out, diags.Sort(), p.Files(), diag.RenderOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// writeOutcome shows what a system consists of, texts as they are.
func writeOutcome(t *testing.T, out *strings.Builder, value []byte) {
	if value == nil {
		return
	}
	type unit struct {
		Content *string
		Enable  *bool
	}
	var v struct {
		Packages []string
		File     map[string]struct{ Content, Mode string }
		Symlink  map[string]struct{ Target string }
		Unit     map[string]unit
	}
	if err := json.Unmarshal(value, &v); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "packages %s\n", strings.Join(v.Packages, ", "))
	for _, name := range sortedKeys(v.File) {
		fmt.Fprintf(out, "== file %s %s\n%s", name, v.File[name].Mode, v.File[name].Content)
	}
	for _, name := range sortedKeys(v.Symlink) {
		fmt.Fprintf(out, "== symlink %s -> %s\n", name, v.Symlink[name].Target)
	}
	for _, name := range sortedKeys(v.Unit) {
		u := v.Unit[name]
		fmt.Fprintf(out, "== unit %s", name)
		if u.Enable != nil {
			fmt.Fprintf(out, " enable %v", *u.Enable)
		}
		out.WriteByte('\n')
		if u.Content != nil {
			out.WriteString(*u.Content)
		}
	}
}

// The example of standard modules is right, but for a lock file.
func TestStandardExample(t *testing.T) {
	ctx := context.Background()
	p, diags := Load(ctx, "../examples/server", &Options{Platform: "linux/amd64"})
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	s, diags := p.Open(ctx, "server")
	s.e.options.CheckNames()
	s.e.checkAssertions()
	s.e.options.Root().Force()
	if diags = append(diags, s.e.diagnostics()...); len(diags) > 0 {
		t.Error(diags.Err())
	}
	if got := strings.Join(sortedKeys(s.e.standard), " "); got != "hosts networkd nginx openssh sudo timer timezone" {
		t.Errorf("it has the modules %s", got)
	}
}

// What nobody names is not read; what somebody names somehow is.
func TestStandardTouched(t *testing.T) {
	tests := map[string]string{
		"hostname = \"s\"\n": "",
		"services {\n openssh {\n enable = true\n }\n }\n":                                               "openssh",
		"services = default({ openssh = { enable = true } })\n":                                          "openssh",
		"packages = config.time.timezone == null ? [] : []\n":                                            "timezone",
		"packages = option.services[\"nginx\"].enable.is_defined ? [] : []\n":                            "nginx",
		"packages = [for k, v in config.networking : k if false]\n":                                      "hosts, networkd",
		"packages = [for k in [\"hosts\"] : k if config.networking[k] == 1]\n":                           "hosts, networkd",
		"services = { for k in [\"nginx\"] : k => { enable = true } }\n":                                 "nginx, openssh, timer",
		"networking {\n interface \"eth0\" {\n config = lookup(config.i18n, \"locale\", \"\")\n }\n }\n": "locale, networkd",
		"hostname = \"config.services.nginx\"\n":                                                         "",
	}
	for body, want := range tests {
		b := newBench(t)
		b.write("s.sysc.hcl", "system \"s\" {\n"+body+"}\n")
		s, diags := b.load().Open(context.Background(), "s")
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		if got := strings.Join(sortedKeys(s.e.standard), ", "); got != want {
			t.Errorf("%s\ngot %q, want %q", body, got, want)
		}
	}
	// Names from outside of the definition.
	b := newBench(t)
	b.write("s.sysc.hcl", "system \"s\" {\n  hostname = \"s\"\n}\n")
	s, _ := b.load().Open(context.Background(), "s")
	if value, diags := s.Value("config.services.openssh.ports"); string(value.JSON) != "[22]" || diags.HasErrors() {
		t.Errorf("eval: %s, %v", value.JSON, diags.Err())
	}
	if e, diags := s.Explain("time"); diags.HasErrors() || len(e.Entries) != 1 {
		t.Errorf("explain: %+v, %v", e, diags.Err())
	}
}
