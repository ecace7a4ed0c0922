package sysc_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// evaluating are the packages that evaluation consists of. What they learn from
// outside of their arguments has to be noted, or an evaluation would be remembered
// that is not true any more.
var evaluating = []string{
	"lang", "modules", "derivations", "store", "systems",
}

// notEvaluating are packages below these, and files, that no evaluation comes to.
var notEvaluating = []string{
	"derivations/build", "derivations/builtin", "derivations/sandbox", "store/localstore", "store/sign", "store/export", "store/cache", "store/storetest", // building and storing
	"systems/activate", "systems/boot", "systems/composefs", "systems/generation", "systems/health", "systems/live", "systems/livemount", "systems/rootdir", "systems/systemstest", // machines
	"systems/earlyboot", "systems/erofs", "systems/ext4", "systems/fat", "systems/image", "systems/initrd", "systems/mounttest",
	"systems/grub", "systems/ociarchive", "systems/squashfs", "systems/tarball", "systems/vm", "systems/vmtest", // and what boots them
	"systems/load.go",                      // reads an object that was built
	"systems/program.go",                   // has the program in a step
	"systems/distro/debian/debiantest",     // makes archives
	"systems/distro/debian/hostscan",       // is asked for a first definition
	"systems/distro/debian/fetcher.go",     // fetches
	"systems/distro/debian/release.go",     // asks archives for their state
	"systems/distro/debian/hostsources.go", // is asked for mirrors when something is fetched
	"systems/distro/debian/installed.go",   // reads roots in a store
	"systems/distro/debian/hostscan",       // writes a first definition
	"modules/editor",                       // evaluates and remembers nothing
	"modules/evalcache",                    // keeps what was evaluated
	"modules/source",                       // fetches
	"modules/locking.go",                   // asks archives
	"modules/lockown.go",                   // reads what is locked
	"modules/search.go",                    // asks archives
	"modules/test.go",                      // reads what was built
}

// ambient are packages that reach for the machine, and names in packages that
// otherwise do not.
var ambient = map[string][]string{
	"os": nil, "os/exec": nil, "os/user": nil, "io/ioutil": nil, "syscall": nil, "golang.org/x/sys/unix": nil,
	"net": {"Dial", "Listen", "Lookup", "Interfaces", "InterfaceAddrs"}, "net/http": nil, "plugin": nil, "unsafe": nil,
	"sysc/internal/download": nil, "sysc/internal/mountinfo": nil, "sysc/internal/procfd": nil,
	"math/rand": nil, "math/rand/v2": nil, "crypto/rand": nil,
	"path/filepath": {"EvalSymlinks", "Glob", "Walk", "WalkDir"},
	"time":          {"Now", "Since", "Until", "Local", "LoadLocation", "Sleep"},
}

// TestReadsAreNoted finds code of evaluation that could read something past
// internal/readlog.
func TestReadsAreNoted(t *testing.T) {
	seen := 0
	for file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") || !inAny(file, evaluating) || inAny(file, notEvaluating) {
			continue
		}
		seen++
		checkAmbient(t, file)
	}
	if seen < 100 {
		t.Errorf("only %d files were looked at", seen)
	}
}

// inAny reports whether a file is one of a list, or below one.
func inAny(file string, list []string) bool { return slices.ContainsFunc(list, below(file)) }

func checkAmbient(t *testing.T, file string) {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	partly := map[string][]string{} // by the name in the file
	for _, spec := range parsed.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		names, ok := ambient[imported]
		switch {
		case !ok:
		case names == nil:
			t.Errorf("%s imports %s: what an evaluation reads has to be noted, by internal/readlog (what no evaluation comes to is listed in reads_test.go)", file, imported)
		case spec.Name != nil:
			partly[spec.Name.Name] = names
		default:
			partly[path.Base(imported)] = names
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.ContainsFunc(partly[x.Name], func(name string) bool { return strings.HasPrefix(s.Sel.Name, name) }) {
				t.Errorf("%s: %s.%s depends on the machine, which an evaluation has to note, by internal/readlog", fset.Position(s.Pos()), x.Name, s.Sel.Name)
			}
		}
		return true
	})
}
