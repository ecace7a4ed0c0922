package activate_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/generation"
	"sysc/systems/systemstest"
)

// aTime is when everything in these tests happens.
var aTime = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

// A lab is a store, and a machine's directory.
type lab struct {
	testing.TB
	store *localstore.Store
	root  string
}

func newLab(t testing.TB) *lab {
	t.Helper()
	dir := t.TempDir()
	// Directories of a root may be without the right to write.
	t.Cleanup(func() { systemstest.MakeWritable(dir) })
	st, err := localstore.Open(t.Context(), filepath.Join(dir, "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &lab{TB: t, store: st, root: filepath.Join(dir, "root")}
}

// baseRoot is a small root as packages would make it.
var baseRoot = []string{
	"d usr/bin 0755", "f usr/bin/sh 0755 #!shell", "f usr/bin/su 4755 su", "f usr/lib/os-release 0644 NAME=test",
	"d usr/share/empty 0555",
	"l bin usr/bin", "l lib usr/lib",
	"f etc/passwd 0644 root:x:0:0:root:/root:/bin/sh",
	"f etc/group 0644 root:x:0:",
	"f etc/shadow 0640 root:*:::::::",
	"f etc/skel/.profile 0644 PATH=/bin",
	"l etc/os-release ../usr/lib/os-release",
	"l etc/mtab ../proc/self/mounts",
	"d home 0755", "d root 0700", "f root/.profile 0644 root's", "d tmp 1777", "d proc 0555", "d run 0755",
	"f var/lib/dpkg/status 0644 Package: test", "f var/lib/app/data 0640 factory", "l var/run /run",
	"f boot/vmlinuz-6.1.0-9 0644 old kernel", "f boot/initrd.img-6.1.0-9 0644 old initrd",
	"f boot/vmlinuz-6.1.0-10 0644 kernel", "f boot/initrd.img-6.1.0-10 0644 initrd",
	"l vmlinuz boot/vmlinuz-6.1.0-10",
}

// definition returns a system with a few declarations.
func definition() systems.Definition {
	return systems.Definition{
		Name: "test", Platform: "linux/amd64", Hostname: "testhost",
		Packages: []systems.Package{{Name: "test", Version: "1", Architecture: "all", Explicit: true, Size: 1}},
		Files:    []systems.File{{Path: "/etc/motd", Content: "hello\n", Mode: 0o644, Position: "main.sysc.hcl:3"}},
		Users:    []systems.User{{Name: "alice", UID: 1000, Group: "alice", Home: "/home/alice", Shell: "/bin/sh"}},
		Units: []systems.Unit{{Name: "hello.service", Enable: true, WantedBy: []string{"multi-user.target"},
			Content: "[Service]\nExecStart=/bin/sh\n"}},
		KernelParams: []string{"quiet"},
	}
}

// build realises a definition on a root of the entries, baseRoot when there are
// none, and loads the system.
func (l *lab) build(def systems.Definition, entries ...string) *systems.System {
	l.Helper()
	if entries == nil {
		entries = baseRoot
	}
	g := derivations.NewGraph()
	base, err := systemstest.AddRoot(g, entries)
	if err != nil {
		l.Fatal(err)
	}
	def.Root = base
	ref, err := systems.Compose(g, def)
	if err != nil {
		l.Fatal(err)
	}
	paths, err := build.Realise(l.Context(), l.store, g, []derivations.Ref{ref}, &build.Options{Builtins: systemstest.Builtins()})
	if err != nil {
		l.Fatal(err)
	}
	system, err := systems.Load(l.Context(), l.store, paths[ref])
	if err != nil {
		l.Fatal(err)
	}
	return system
}

func (l *lab) request(system *systems.System) activate.Request {
	return activate.Request{Root: l.root, System: system, Store: l.store, Now: aTime, Provenance: systems.Provenance{Version: "test"}}
}

// doSwitch switches, and fails the test when that fails.
func (l *lab) doSwitch(system *systems.System) *activate.Result {
	l.Helper()
	res, err := activate.Switch(l.Context(), l.request(system))
	if err != nil {
		l.Fatal(err)
	}
	return res
}

func (l *lab) doRollback(to generation.Number) *activate.Result {
	l.Helper()
	res, err := activate.Rollback(l.Context(), l.request(nil), to)
	if err != nil {
		l.Fatal(err)
	}
	return res
}

// read returns what a process in the machine would read at a path.
func (l *lab) read(p string) string {
	l.Helper()
	data, err := os.ReadFile(l.path(p))
	if err != nil {
		l.Fatal(err)
	}
	return string(data)
}

func (l *lab) path(p string) string { return filepath.Join(l.root, p) }

// wantFile compares a file's contents.
func (l *lab) wantFile(p, want string) {
	l.Helper()
	if got := l.read(p); got != want {
		l.Errorf("%s holds %q, want %q", p, got, want)
	}
}

// write changes a file as an administrator would.
func (l *lab) write(p, text string) {
	l.Helper()
	if err := os.WriteFile(l.path(p), []byte(text), 0o644); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) profile() *generation.Profile {
	l.Helper()
	p, err := generation.Open(l.root)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { p.Close() })
	return p
}

func (l *lab) exists(p string) bool {
	_, err := os.Lstat(l.path(p))
	return err == nil
}

// addObject registers an object with one directory's listing.
func (l *lab) addObject(name string, kind store.Kind, listing *tree.Tree) store.Object {
	l.Helper()
	d, err := l.store.AddTree(l.Context(), listing)
	if err != nil {
		l.Fatal(err)
	}
	obj, err := l.store.MakeObject(l.Context(), name, kind, d, nil)
	if err != nil {
		l.Fatal(err)
	}
	if err := l.store.Register(l.Context(), []store.Object{obj}, nil); err != nil {
		l.Fatal(err)
	}
	return obj
}

func derivedFile(blob store.Digest, size int64) *tree.Tree {
	return derivations.FileTree(blob, size, false)
}
