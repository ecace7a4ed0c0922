package debian_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/derivations/sandbox"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems/distro/debian"
)

// sharedDir keeps the real archive's indexes while the tests run.
var sharedDir string

func TestMain(m *testing.M) {
	if sandbox.Main(os.Args) {
		return
	}
	var err error
	if sharedDir, err = os.MkdirTemp("", "sysc-debian-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(sharedDir)
	os.Exit(code)
}

// realSettings are those of an input as a definition would have it.
func realSettings() debian.Settings {
	return debian.Settings{
		Name: "debian", Suites: []string{"trixie", "trixie-updates"}, Security: true, Architecture: "amd64",
	}
}

// realIndexes are those of the real archive.
type realIndexes struct {
	fetcher  *debian.Downloads
	revision debian.Revision
	universe *debian.Universe
}

// readOnce reads the real archive's indexes, once for all tests.
var readOnce = sync.OnceValues(func() (*realIndexes, error) {
	ctx, settings := context.Background(), realSettings()
	r := &realIndexes{}
	r.fetcher = &debian.Downloads{Mirrors: debian.Mirrors(settings, os.Getenv, "/"), Dir: sharedDir}
	var err error
	if r.revision, err = debian.Update(ctx, debian.Archives(settings), r.fetcher, time.Now(), debian.Revision{}); err != nil {
		return nil, err
	}
	r.universe, err = readUniverse(ctx, r.revision, settings.Architecture, r.fetcher)
	return r, err
})

func readReal(t testing.TB) *realIndexes {
	t.Helper()
	r, err := readOnce()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// BenchmarkReadUniverse reads Debian's main, updates and security indexes from
// the cache: 14 MB compressed, 55 MB of text.
func BenchmarkReadUniverse(b *testing.B) {
	real := readReal(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readUniverse(b.Context(), real.revision, "amd64", real.fetcher); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkResolve chooses the packages of a desktop, 1,500 of them.
func BenchmarkResolve(b *testing.B) {
	real := readReal(b)
	request := debian.Request{Packages: []debian.Want{{Name: "task-gnome-desktop"}, {Name: "postgresql"}}, Recommends: true}
	for b.Loop() {
		if _, err := real.universe.Resolve(request); err != nil {
			b.Fatal(err)
		}
	}
}

// A realRoot is a root built in a store of its own.
type realRoot struct {
	store *localstore.Store
	tree  store.Digest
}

// buildRoot realises a root of packages in a new store.
func buildRoot(t *testing.T, packages []debian.Package) realRoot {
	t.Helper()
	ctx := t.Context()
	st, err := localstore.Open(ctx, filepath.Join(t.TempDir(), "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	g := derivations.NewGraph()
	ref, err := debian.Root(g, debian.RootRequest{Name: "test", Architecture: "amd64", Packages: packages})
	if err != nil {
		t.Fatal(err)
	}
	builtins := builtin.Standard()
	maps.Copy(builtins, debian.Builtins())
	paths, err := build.Realise(ctx, st, g, []derivations.Ref{ref}, &build.Options{
		Builtins: builtins, Mirrors: debian.Mirrors(realSettings(), os.Getenv, "/"), Events: logSteps(t),
	})
	if err != nil {
		logFailure(t, err)
		t.Fatal(err)
	}
	object, err := st.Object(ctx, paths[ref])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the root is %s", object.Tree)
	return realRoot{store: st, tree: object.Tree}
}

// logSteps logs how long the steps take that are not about one package.
func logSteps(t *testing.T) func(build.Event) {
	started := make(map[derivations.Hash]time.Time)
	return func(e build.Event) {
		switch {
		case e.Kind == build.Started:
			started[e.Hash] = time.Now()
		case e.Kind == build.Finished && e.Builder != "builtin:fetch" && e.Builder != "builtin:unpack":
			t.Logf("%s: %v", e.Name, time.Since(started[e.Hash]).Round(time.Millisecond))
		}
	}
}

func logFailure(t *testing.T, err error) {
	t.Helper()
	var failed *build.Error
	if errors.As(err, &failed) {
		t.Logf("last lines of the log:\n%s", strings.Join(failed.Tail, "\n"))
	}
}

// run runs a command in a copy of the root and returns what it writes.
func (r realRoot) run(t *testing.T, argv ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	if err := r.store.Checkout(t.Context(), r.tree, dir, store.CheckoutOptions{OwnerXattr: sandbox.OwnerXattr}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	result, err := sandbox.Run(t.Context(), sandbox.Spec{
		Root: dir, WritableRoot: true, Argv: argv, Output: &out,
		Env: []string{"PATH=/usr/sbin:/usr/bin", "LC_ALL=C.UTF-8", "HOME=/root"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.ExitCode != 0 {
		t.Errorf("%s: exit status %d\n%s", strings.Join(argv, " "), result.ExitCode, out.String())
	}
	return out.String()
}

// special lists what in the root is not root's, or has set-id or sticky bits.
func (r realRoot) special(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := tree.Walk(t.Context(), r.store, r.tree, func(path string, e tree.Entry) error {
		if e.UID != 0 || e.GID != 0 || e.Mode&0o7000 != 0 {
			found["/"+path] = fmt.Sprintf("%d:%d %04o", e.UID, e.GID, e.Mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRealMinbase makes a root of the base system, and asks dpkg whether it is
// as it would have made it.
func TestRealMinbase(t *testing.T) {
	packages, err := readReal(t).universe.Resolve(debian.Request{Packages: []debian.Want{{Name: "apt"}}})
	if err != nil {
		t.Fatal(err)
	}
	root := buildRoot(t, packages)

	root.sound(t)
	states := root.run(t, "/usr/bin/dpkg-query", "--show", "--showformat=${Package} ${Version} ${Status}\n")
	var want strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&want, "%s %s install ok installed\n", p.Name, p.Version)
	}
	if diff := cmp.Diff(want.String(), states); diff != "" {
		t.Errorf("installed packages (-want +got):\n%s", diff)
	}

	special := root.special(t)
	for path, want := range map[string]string{
		"/etc/shadow":      "0:42 0640",
		"/etc/gshadow":     "0:42 0640",
		"/var/mail":        "0:8 2775",
		"/usr/bin/passwd":  "0:0 4755",
		"/usr/bin/chage":   "0:42 2755",
		"/usr/bin/expiry":  "0:42 2755",
		"/usr/bin/su":      "0:0 4755",
		"/tmp":             "0:0 1777",
		"/var/log/btmp":    "0:43 0660",
		"/var/log/wtmp":    "0:43 0664",
		"/var/log/lastlog": "0:43 0664",
	} {
		if got := special[path]; got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}

	// Another store, and the packages in another order: the same bits.
	slices.Reverse(packages)
	again := buildRoot(t, packages)
	if root.tree != again.tree {
		t.Errorf("two builds differ:\n%s", difference(t, root, again))
	}
}

// TestRealAdded puts packages on top of a configured root, and compares with one in
// which all were configured at once: packages with files of configuration, units,
// triggers of others and their own, and a conffile of another package's.
func TestRealAdded(t *testing.T) {
	below := []debian.Want{{Name: "apt"}, {Name: "man-db"}, {Name: "systemd-sysv"}, {Name: "ca-certificates"}}
	above := append(slices.Clone(below), debian.Want{Name: "nginx"}, debian.Want{Name: "fontconfig"}, debian.Want{Name: "bash-completion"})
	resolve := func(wants []debian.Want) []debian.Package {
		packages, err := readReal(t).universe.Resolve(debian.Request{Packages: wants})
		if err != nil {
			t.Fatal(err)
		}
		return packages
	}
	packages := resolve(above)
	once := buildRoot(t, packages)
	present := make(map[string]bool)
	for _, p := range resolve(below) {
		present[p.Name] = true
	}
	for i := range packages {
		packages[i].Added = !present[packages[i].Name]
	}
	added := buildRoot(t, packages)
	if once.tree != added.tree {
		t.Errorf("packages on top differ from all at once:\n%s", difference(t, once, added))
	}
}

// difference lists the paths in which two roots differ.
func difference(t *testing.T, a, b realRoot) string {
	var lines []string
	both := sources{a.store, b.store}
	err := tree.Diff(t.Context(), both, a.tree, b.tree, func(c tree.Change) error {
		lines = append(lines, fmt.Sprintf("%s: %+v, %+v", c.Path, c.Old, c.New))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return strings.Join(lines, "\n")
}

// sources looks a tree up in several stores.
type sources []tree.Source

func (s sources) Tree(ctx context.Context, d store.Digest) (*tree.Tree, error) {
	for _, source := range s[:len(s)-1] {
		if t, err := source.Tree(ctx, d); err == nil {
			return t, nil
		}
	}
	return s[len(s)-1].Tree(ctx, d)
}
