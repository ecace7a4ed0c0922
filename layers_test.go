package sysc_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers says what each tree may import of this module, beside itself. The
// longest prefix of a package's directory decides.
//
// It is the diamond of ARCHITECTURE.md:
// internal ← store ← derivations ← {lang, systems} ← modules ← cmd/sysc.
// An initrd's program is small: nothing but what it does itself.
var layers = map[string][]string{
	"internal":            {},
	"store":               {"internal"},
	"derivations":         {"store", "internal"},
	"derivations/sandbox": {"store", "internal"},
	"lang":                {"derivations", "store", "internal"},
	"systems":             {"derivations", "store", "internal"},
	"modules":             {"lang", "systems", "derivations", "store", "internal"},
	"cmd/sysc":            {"modules", "lang", "systems", "derivations", "store", "internal"},
	"cmd/sysc-init":       {"systems"},
}

// hidden are packages that only the trees named may import: how graphs are
// built and where stores are kept is nobody's business but the command's.
var hidden = map[string][]string{
	"derivations/build":   {"derivations/build", "cmd/sysc"},
	"derivations/sandbox": {"derivations/build", "derivations/sandbox", "cmd/sysc"},
	"store/localstore":    {"store", "derivations/build", "systems/mounttest", "cmd/sysc"}, // mounttest: for tests
}

// foreign are the third-party modules that must stay where they belong.
var foreign = map[string][]string{
	"github.com/hashicorp/hcl/v2":     {"lang"},
	"github.com/zclconf/go-cty":       {"lang", "modules"},
	"zombiezen.com/go/sqlite":         {"store/localstore"},
	"modernc.org/sqlite":              {"store/localstore"},
	"github.com/spf13/cobra":          {"cmd/sysc"},
	"github.com/ProtonMail/go-crypto": {"systems/distro"},
}

// TestLayers checks the imports of every package against the tables above.
// Tests may import anything below the command: they wire real parts together, as
// the command does.
func TestLayers(t *testing.T) {
	for file, parsed := range goFiles(t) {
		dir := path.Dir(file)
		test := strings.HasSuffix(file, "_test.go")
		for _, spec := range parsed.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			local, isLocal := strings.CutPrefix(imported, "sysc/")
			if isLocal && !test {
				checkLocal(t, file, dir, local)
			}
			checkForeign(t, file, dir, imported)
		}
	}
}

func checkLocal(t *testing.T, file, dir, imported string) {
	t.Helper()
	if owners, ok := lookup(hidden, imported); ok && !slices.ContainsFunc(owners, below(dir)) {
		t.Errorf("%s imports sysc/%s, which only %v may", file, imported, owners)
	}
	layer, ok := longest(layers, dir)
	if !ok {
		t.Errorf("%s is in no layer", file)
		return
	}
	allowed := append(slices.Clone(layers[layer]), layer)
	if !slices.ContainsFunc(allowed, func(a string) bool { return below(imported)(a) }) {
		t.Errorf("%s imports sysc/%s: %s may import %v", file, imported, layer, layers[layer])
	}
}

func checkForeign(t *testing.T, file, dir, imported string) {
	t.Helper()
	owners, ok := lookup(foreign, imported)
	if ok && !slices.ContainsFunc(owners, below(dir)) {
		t.Errorf("%s imports %s, which only %v may", file, imported, owners)
	}
}

// TestPackageComments checks that every package says what it is for.
func TestPackageComments(t *testing.T) {
	documented := map[string]bool{}
	for file, parsed := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		dir := path.Dir(file)
		documented[dir] = documented[dir] || parsed.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package in %s has no package comment", dir)
		}
	}
}

// goFiles parses the package clauses and imports of every Go file of the
// module, by slash-separated path.
func goFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "tools" || base == "examples") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, name, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)] = parsed
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found only %d Go files: is this the module's root?", len(files))
	}
	return files
}

// longest returns the longest key of table that dir is or lies below.
func longest(table map[string][]string, dir string) (string, bool) {
	best, ok := "", false
	for prefix := range table {
		if below(dir)(prefix) && len(prefix) >= len(best) {
			best, ok = prefix, true
		}
	}
	return best, ok
}

func lookup(table map[string][]string, name string) ([]string, bool) {
	prefix, ok := longest(table, name)
	return table[prefix], ok
}

// below returns a function that reports whether name is prefix or lies below it.
func below(name string) func(prefix string) bool {
	return func(prefix string) bool {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
}
