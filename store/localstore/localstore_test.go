package localstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"sysc/store"
	"sysc/store/storetest"
	"sysc/store/tree"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// reopen closes a store and opens it again: as long as it is open, garbage
// collection takes nothing that was added to it.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	must(t, s.Close())
	return open(t, s.Dir())
}

// newStore opens a store that can be removed afterwards: its objects are
// directories that even their owner cannot write to.
func newStore(t testing.TB) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	t.Cleanup(func() { removeTree(context.Background(), filepath.Dir(dir), "store", 1) })
	return open(t, dir)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes files below a new directory: "path=content", "path->target",
// "path*=content" for an executable one, "path/" for a directory.
func write(t testing.TB, files ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "in")
	must(t, os.Mkdir(dir, 0o755))
	for _, f := range files {
		if name, target, ok := strings.Cut(f, "->"); ok {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			must(t, os.Symlink(target, filepath.Join(dir, name)))
			continue
		}
		name, content, _ := strings.Cut(f, "=")
		mode := os.FileMode(0o644)
		if exe, ok := strings.CutSuffix(name, "*"); ok {
			name, mode = exe, 0o755
		}
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		must(t, os.WriteFile(path, []byte(content), mode))
	}
	return dir
}

func add(t testing.TB, s *Store, opts AddOptions, files ...string) store.Object {
	t.Helper()
	if opts.Name == "" {
		opts.Name = "test"
	}
	o, err := s.AddDir(t.Context(), write(t, files...), &opts)
	must(t, err)
	return o
}

func register(t testing.TB, s *Store, objects ...store.Object) {
	t.Helper()
	must(t, s.Register(t.Context(), objects, nil))
}

// verify expects a clean store.
func verify(t testing.TB, s *Store) VerifyResult {
	t.Helper()
	result, err := s.Verify(t.Context(), func(p Problem) { t.Errorf("verify: %v", p) })
	must(t, err)
	return result
}

func problems(t testing.TB, s *Store) (all []string) {
	t.Helper()
	_, err := s.Verify(t.Context(), func(p Problem) { all = append(all, p.String()) })
	must(t, err)
	return all
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return newStore(t) })
}

func TestBlobs(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	for _, size := range []int{0, 1, smallBlob - 1, smallBlob, smallBlob + 1, 3*smallBlob + 7} {
		data := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
		for range 2 { // the second time it is there
			d, n, err := s.AddBlob(ctx, iotestReader{bytes.NewReader(data)})
			if err != nil || n != int64(size) || d != store.DigestOf(data) {
				t.Fatalf("%d bytes: %s, %d, %v", size, d, n, err)
			}
		}
		f, err := s.OpenBlob(ctx, store.DigestOf(data))
		must(t, err)
		got, err := io.ReadAll(f)
		info, _ := f.Stat()
		f.Close()
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d, %v", size, len(got), err)
		}
		if info.Mode() != 0o444 || info.ModTime().Unix() != 1 {
			t.Errorf("mode %v, time %v", info.Mode(), info.ModTime())
		}
	}
	if _, err := s.OpenBlob(ctx, store.DigestOf([]byte("no"))); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("missing blob: %v", err)
	}
	for _, size := range []int{1, smallBlob, 2 * smallBlob, 2*smallBlob + 1} {
		for _, broken := range []error{errBroken, io.ErrUnexpectedEOF} {
			failing := io.MultiReader(strings.NewReader(strings.Repeat("x", size)), iotest.ErrReader(broken))
			if _, _, err := s.AddBlob(ctx, failing); !errors.Is(err, broken) {
				t.Errorf("broken off after %d bytes: %v, want %v", size, err, broken)
			}
		}
	}
	if got := verify(t, s).Blobs; got != 6 {
		t.Errorf("%d blobs, want 6", got)
	}
	left, err := os.ReadDir(s.path("tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in tmp: %v, %v", left, err)
	}
}

// iotestReader returns odd amounts.
type iotestReader struct{ r io.Reader }

func (r iotestReader) Read(buf []byte) (int, error) { return r.r.Read(buf[:min(len(buf), 77777)]) }

type brokenReader struct{}

var errBroken = errors.New("broken")

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func TestSparse(t *testing.T) {
	s := newStore(t)
	const size = 256<<20 + 3
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	must(t, err)
	must(t, f.Truncate(size))
	_, err = f.WriteAt([]byte("end"), size-3)
	must(t, err)
	must(t, f.Close())
	o, err := s.AddDir(t.Context(), path, &AddOptions{Name: "image"})
	must(t, err)
	register(t, s, o)
	var st unix.Stat_t
	must(t, unix.Stat(s.PhysicalPath(o.Path), &st))
	if st.Size != size || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes in %d blocks: the holes are gone", st.Size, st.Blocks)
	}
	dst := filepath.Join(t.TempDir(), "copy")
	must(t, s.Checkout(t.Context(), o.Tree, dst, store.CheckoutOptions{}))
	must(t, unix.Stat(dst+"/"+store.FileEntry, &st))
	if st.Size != size || st.Blocks*512 > 1<<20 {
		t.Errorf("copy: %d bytes in %d blocks", st.Size, st.Blocks)
	}
}

func TestAddBlobFile(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	dir, remove, err := s.TempDir(ctx, "fetch")
	must(t, err)
	path := filepath.Join(dir, "f")
	outside := filepath.Join(t.TempDir(), "other")
	for _, prepare := range []func(){
		func() { must(t, os.WriteFile(path, []byte("moved"), 0o600)) },
		func() { must(t, os.WriteFile(path, []byte("moved"), 0o600)) }, // present
		func() { // shared with somebody: must be copied
			must(t, os.WriteFile(outside, []byte("linked"), 0o600))
			must(t, os.Link(outside, path))
		},
	} {
		prepare()
		want, err := os.ReadFile(path)
		must(t, err)
		d, n, err := s.AddBlobFile(ctx, path)
		if err != nil || d != store.DigestOf(want) || n != int64(len(want)) {
			t.Errorf("%s: %s, %d, %v", want, d, n, err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s: the file is still there", want)
		}
	}
	must(t, os.WriteFile(outside, []byte("changed"), 0o600))
	for _, bad := range []func() error{
		func() error { return os.Symlink(outside, path) },
		func() error { return unix.Mkfifo(path, 0o600) },
		func() error { return os.Mkdir(path, 0o700) },
	} {
		must(t, bad())
		if _, _, err := s.AddBlobFile(ctx, path); err == nil {
			t.Error("no regular file, but no error")
		}
		must(t, os.Remove(path))
	}
	must(t, remove())
	verify(t, s)
}

func TestOpenRefuses(t *testing.T) {
	ctx := t.Context()
	top := t.TempDir()
	real := filepath.Join(top, "real")
	open(t, real).Close()

	link := filepath.Join(top, "link")
	must(t, os.Symlink("real", link))
	file := filepath.Join(top, "file")
	must(t, os.WriteFile(file, nil, 0o644))
	newer := filepath.Join(top, "newer")
	s := open(t, newer)
	must(t, s.db.do(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteTransient(conn, "PRAGMA user_version = 99", nil)
	}))
	must(t, s.Close())

	for _, tt := range []struct{ dir, want string }{
		{link, "symbolic link; name the directory itself, " + real},
		{file, "not a directory"},
		{newer, "newer sysc"},
	} {
		_, err := Open(ctx, tt.dir, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.dir, err, tt.want)
		}
	}
	var version *VersionError
	if _, err := Open(ctx, newer, nil); !errors.As(err, &version) || version.Have != 99 {
		t.Errorf("got %v, want a VersionError", err)
	}
	// A database that a crash left empty is a new one (NixOS/nix#7064).
	empty := filepath.Join(top, "empty")
	must(t, os.Mkdir(empty, 0o755))
	must(t, os.WriteFile(empty+"/db.sqlite", nil, 0o644))
	if objects, err := open(t, empty).Objects(ctx); err != nil || len(objects) > 0 {
		t.Errorf("empty database: %v, %v", objects, err)
	}
}

// Where there is no store, none is made for who looks for one.
func TestOpenExisting(t *testing.T) {
	missing, unmounted := filepath.Join(t.TempDir(), "missing"), t.TempDir()
	for _, dir := range []string{missing, unmounted} {
		if _, err := Open(t.Context(), dir, &Options{Existing: true}); !errors.Is(err, ErrNone) {
			t.Errorf("%s: got %v", dir, err)
		}
	}
	if _, err := os.Lstat(missing); err == nil {
		t.Error("the directory was made")
	}
	if names, err := os.ReadDir(unmounted); err != nil || len(names) > 0 {
		t.Errorf("made %v, %v", names, err)
	}
	s := newStore(t)
	must(t, s.Close())
	again, err := Open(t.Context(), s.Dir(), &Options{Existing: true})
	must(t, err)
	must(t, again.Close())
}

func TestOpenReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	must(t, open(t, dir).Close())
	want := "read-only file system"
	if os.Geteuid() == 0 {
		// Nothing but a mount stops root. It needs a mount namespace, which the
		// test makes for a process of its own.
		cmd := exec.Command("unshare", "-m", "sh", "-c", `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -test.run=^TestHelperProcess$`, "sh", dir, os.Args[0])
		cmd.Env = append(os.Environ(), "SYSC_HELPER=open", "SYSC_STORE="+dir)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("got %v: %s", err, out)
		}
		return
	}
	must(t, os.Chmod(dir, 0o555))
	if _, err := Open(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "cannot write to it") {
		t.Errorf("got %v", err)
	}
	must(t, os.Chmod(dir, 0o755))
}

func TestPermissions(t *testing.T) {
	s := newStore(t)
	unlock, err := s.Lock(t.Context(), "key", nil)
	must(t, err)
	defer unlock()
	entries, err := os.ReadDir(s.path("locks"))
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("%d lock files, want 2", len(entries))
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("lock %s has mode %v: anybody could hold it for ever", e.Name(), info.Mode())
		}
	}
	if info, err := os.Stat(s.path("tmp")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("tmp: %v, %v", info.Mode(), err)
	}
}

// TestLock: goroutines wait for one another in silence, other openings of the store
// stand for other processes, and nobody waits longer than he wants.
func TestLock(t *testing.T) {
	s := newStore(t)
	silent := func(holder string) { t.Errorf("told of %s", holder) }
	unlock, err := s.Lock(t.Context(), "key", silent)
	must(t, err)
	got := make(chan error)
	held := true
	go func() {
		unlock, err := s.Lock(t.Context(), "key", silent)
		if err == nil && held {
			t.Error("two hold the lock")
		}
		got <- errors.Join(err, unlock())
	}()
	other, err := s.Lock(t.Context(), "another key", silent)
	must(t, err)
	must(t, other())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, "key", silent); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	process, err := Open(t.Context(), s.dir, nil)
	must(t, err)
	defer process.Close()
	told := 0
	ctx, cancel = context.WithCancel(t.Context())
	if _, err := process.Lock(ctx, "key", func(string) { told++; cancel() }); !errors.Is(err, context.Canceled) || told != 1 {
		t.Errorf("got %v, told %d times", err, told)
	}
	held = false
	must(t, unlock())
	must(t, <-got)
}

func TestRegister(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	lib := add(t, s, AddOptions{Name: "lib"}, "lib.so=library", "empty=")
	if _, err := s.Object(ctx, lib.Path); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("before it is registered: %v", err)
	}
	app := add(t, s, AddOptions{Name: "app", Candidates: []store.Path{lib.Path}},
		"bin/app*=#!"+lib.Path.Logical()+"/lib.so", "lib->"+lib.Path.Logical())
	if !slices.Equal(app.References, []store.Path{lib.Path}) {
		t.Fatalf("references %v", app.References)
	}
	if err := s.Register(ctx, []store.Object{app}, nil); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("reference that is not valid: %v", err)
	}
	if _, err := s.Object(ctx, app.Path); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("after a failed transaction: %v", err)
	}
	hash := store.DerivationHash{1}
	r := store.Realisation{Derivation: hash, Output: "out", Path: app.Path}
	must(t, s.Register(ctx, []store.Object{app, lib, app}, []store.Realisation{r}))
	must(t, s.Register(ctx, []store.Object{app}, nil)) // again is nothing
	got, err := s.Object(ctx, app.Path)
	must(t, err)
	if fmt.Sprint(got) != fmt.Sprint(app) {
		t.Errorf("got %+v, want %+v", got, app)
	}
	if p, err := s.Realisation(ctx, hash, "out"); err != nil || p != app.Path {
		t.Errorf("realisation %s, %v", p, err)
	}
	if _, err := s.Realisation(ctx, hash, "doc"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("missing realisation: %v", err)
	}
	info, err := os.Lstat(s.PhysicalPath(app.Path) + "/bin/app")
	must(t, err)
	if info.Mode() != 0o555 || info.ModTime().Unix() != 1 {
		t.Errorf("bin/app: %v %v", info.Mode(), info.ModTime())
	}
	if info, _ := os.Lstat(s.PhysicalPath(app.Path)); info.Mode().Perm() != 0o555 || info.ModTime().Unix() != 1 {
		t.Errorf("top: %v %v", info.Mode(), info.ModTime())
	}
	result := verify(t, s)
	if result.Objects != 2 {
		t.Errorf("%+v", result)
	}
	closure, err := s.Closure(ctx, []store.Path{app.Path})
	want := []store.Path{app.Path, lib.Path}
	slices.Sort(want)
	if err != nil || !slices.Equal(closure, want) {
		t.Errorf("closure %v, %v", closure, err)
	}
	if refs, err := s.Referrers(ctx, lib.Path); err != nil || !slices.Equal(refs, []store.Path{app.Path}) {
		t.Errorf("referrers %v, %v", refs, err)
	}
	edges, err := s.WhyDepends(ctx, app.Path, lib.Path)
	if err != nil || !slices.Equal(edges, []Edge{{From: app.Path, To: lib.Path, File: "bin/app"}}) {
		t.Errorf("why: %v, %v", edges, err)
	}
	if edges, err := s.WhyDepends(ctx, lib.Path, app.Path); err != nil || edges != nil {
		t.Errorf("why not: %v, %v", edges, err)
	}
}

// Whoever registers an object cannot choose its path: references and contents
// are part of the id.
func TestRegisterChecks(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	a := add(t, s, AddOptions{Name: "a"}, "f=1")
	b := add(t, s, AddOptions{Name: "b"}, "f=2")
	register(t, s, b)
	for name, change := range map[string]func(*store.Object){
		"contents":   func(o *store.Object) { o.Tree = b.Tree },
		"references": func(o *store.Object) { o.References = []store.Path{b.Path} },
		"kind":       func(o *store.Object) { o.Kind = store.KindRoot },
		"not a file": func(o *store.Object) { o.Kind = store.KindFile },
		"itself":     func(o *store.Object) { o.References = []store.Path{a.Path} },
		"path":       func(o *store.Object) { o.Path = "../../etc/passwd" },
		"self":       func(o *store.Object) { o.SelfReferences = []store.SelfReference{{File: "f"}} },
		"no tree":    func(o *store.Object) { o.Tree = store.Digest{1} },
	} {
		o := a
		change(&o)
		if err := s.Register(ctx, []store.Object{o}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// A tree with a setuid bit is no canonical one.
	setuid, err := s.AddTree(ctx, &tree.Tree{Entries: []tree.Entry{
		{Name: "su", Type: tree.File, Mode: 0o4555, Size: 1, Digest: store.DigestOf([]byte("1"))}}})
	must(t, err)
	o := store.Object{Kind: store.KindTree, Tree: setuid}
	o.Path, err = store.MakePath(store.MakeID(o.Kind, "su", setuid, nil, nil), "su")
	must(t, err)
	if err := s.Register(ctx, []store.Object{o}, nil); err == nil || !strings.Contains(err.Error(), "not canonical") {
		t.Errorf("setuid: %v", err)
	}
	o, err = s.MakeObject(ctx, "su", store.KindTree, setuid, nil)
	must(t, err)
	register(t, s, o)
	if info, err := os.Lstat(s.PhysicalPath(o.Path) + "/su"); err != nil || info.Mode() != 0o555 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	verify(t, s)
}

func TestLeftoverInTheWay(t *testing.T) {
	s := newStore(t)
	for _, o := range []store.Object{
		add(t, s, AddOptions{Name: "a"}, "f=1"),
		add(t, s, AddOptions{Name: "b", Kind: store.KindTree}),
	} {
		path := s.PhysicalPath(o.Path)
		must(t, os.MkdirAll(path+"/half/made", 0o755))
		must(t, os.Chmod(path+"/half", 0o555))
		register(t, s, o)
	}
	verify(t, s)
}

func TestFileObject(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	for _, mode := range []os.FileMode{0o644, 0o755} {
		path := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(path, []byte("content"), mode))
		o, err := s.AddDir(ctx, path, &AddOptions{Name: "f"})
		must(t, err)
		if o.Kind != store.KindFile || o.Size != 7 {
			t.Errorf("%+v", o)
		}
		register(t, s, o)
		info, err := os.Lstat(s.PhysicalPath(o.Path))
		if err != nil || info.Mode() != mode&^0o222|0o444&mode || info.ModTime().Unix() != 1 {
			t.Errorf("%v: %v, %v", mode, info, err)
		}
		if _, err := s.AddDir(ctx, path, &AddOptions{Name: "f", Kind: store.KindTree}); err == nil {
			t.Error("a file was taken for a tree")
		}
	}
	if _, err := s.AddDir(ctx, t.TempDir(), &AddOptions{Name: "f", Kind: store.KindFile}); err == nil {
		t.Error("a directory was taken for a file")
	}
	verify(t, s)
}
