package localstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"zombiezen.com/go/sqlite"

	"sysc/store"
	"sysc/store/sign"
	"sysc/store/tree"
)

// A builder that keeps its outputs open, or mapped, changes nothing of what was
// registered (CVE-2024-27297).
func TestAddWhileOpen(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	large := strings.Repeat("large\n", smallBlob)
	in := write(t, "small=before", "tool*=before", "large="+large)
	must(t, os.Link(in+"/small", in+"/again"))
	single := filepath.Join(t.TempDir(), "single")
	must(t, os.WriteFile(single, []byte("before"), 0o644))

	var open []*os.File
	var mapped [][]byte
	for _, path := range []string{in + "/small", in + "/tool", in + "/large", single} {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		defer f.Close()
		open = append(open, f)
		m, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		must(t, err)
		defer unix.Munmap(m)
		mapped = append(mapped, m)
	}
	dir, err := s.AddDir(ctx, in, &AddOptions{Name: "dir"})
	must(t, err)
	file, err := s.AddDir(ctx, single, &AddOptions{Name: "file"})
	must(t, err)
	change := func(text string) {
		for i, f := range open {
			copy(mapped[i][2:], text)
			_, err := f.WriteAt([]byte(text), 0)
			must(t, err)
		}
	}
	change("added")
	register(t, s, dir, file)
	change("registered")
	for path, want := range map[string]string{
		s.PhysicalPath(dir.Path) + "/small": "before", s.PhysicalPath(dir.Path) + "/again": "before",
		s.PhysicalPath(dir.Path) + "/tool": "before", s.PhysicalPath(dir.Path) + "/large": large,
		s.PhysicalPath(file.Path): "before",
	} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %.20q, %v", path, got, err)
		}
	}
	verify(t, s)
}

// Contents that change while they are read are kept as they were read: what has
// a digest has it.
func TestAddWhileWritten(t *testing.T) {
	s := newStore(t)
	in := write(t, "small=.", "large=.")
	hostile(t, func(turn int) {
		text := bytes.Repeat([]byte{byte(turn)}, 3000)
		os.WriteFile(in+"/small", text, 0o644)
		f, err := os.OpenFile(in+"/large", os.O_WRONLY, 0)
		if err == nil {
			f.WriteAt(text, int64(turn%200)*3000)
			f.Truncate(int64(2*smallBlob + turn%1000))
			f.Close()
		}
	})
	different := map[store.Path]bool{}
	for range 100 {
		// Whether the file is cut while it is read decides if this fails; what it
		// adds has to be sound.
		o, err := s.AddDir(t.Context(), in, &AddOptions{Name: "changing"})
		must(t, err)
		register(t, s, o)
		different[o.Path] = true
	}
	if len(different) < 10 {
		t.Errorf("%d different contents: did anybody write?", len(different))
	}
	verify(t, s)
}

// While a directory is added, what is in it is exchanged again and again for a
// link that leads outside, or a pipe. Nothing outside is read, and nothing blocks.
func TestAddRace(t *testing.T) {
	const secret = "a secret of somebody else"
	outside := t.TempDir()
	must(t, os.MkdirAll(outside+"/dir/sub", 0o755))
	must(t, os.WriteFile(outside+"/dir/sub/file", []byte(secret), 0o600))
	for _, tt := range []struct{ name, mine, theirs string }{
		{"directory", "dir/sub/file=mine", "z/dir->" + outside + "/dir"},
		{"file", "file=mine", "z/file->" + outside + "/dir/sub/file"},
		{"pipe", "file=mine", "z/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := write(t, tt.mine, tt.theirs)
			if tt.name == "pipe" {
				must(t, unix.Mkfifo(in+"/z/file", 0o600))
			}
			name := tt.mine[:strings.IndexAny(tt.mine, "/=")]
			hostile(t, func(int) {
				unix.Renameat2(unix.AT_FDCWD, in+"/"+name, unix.AT_FDCWD, in+"/z/"+name, unix.RENAME_EXCHANGE)
			})
			raceAdd(t, in, secret)
		})
	}
}

// raceAdd adds what is at in until somebody got between two looks at the same
// thing a few times. The secret must not come into the store.
func raceAdd(t *testing.T, in, secret string) {
	t.Helper()
	s := newStore(t)
	opts := &AddOptions{Name: "race", Meta: func(_ string, st *unix.Stat_t, _ []tree.Xattr) (bool, uint32, uint32, uint32, []tree.Xattr) {
		// A pipe is wanted by nobody, as long as it is one.
		return st.Mode&unix.S_IFMT != unix.S_IFIFO, 0o555, 0, 0, nil
	}}
	const enough = 10
	added, disturbed := 0, 0
	for deadline := time.Now().Add(20 * time.Second); disturbed < enough && time.Now().Before(deadline); {
		if _, err := s.AddDir(t.Context(), in, opts); err != nil {
			disturbed++
		} else {
			added++
		}
	}
	t.Logf("added %d times, disturbed %d times", added, disturbed)
	if f, err := s.OpenBlob(t.Context(), store.DigestOf([]byte(secret))); !errors.Is(err, store.ErrNotExist) {
		f.Close()
		t.Errorf("what is outside came into the store: %v", err)
	}
	verify(t, s)
	if disturbed < enough {
		t.Skipf("only %d races in %d times: this machine has too few cores", disturbed, added)
	}
}

// hostile runs work again and again, in another goroutine, until the test ends.
func hostile(t *testing.T, work func(turn int)) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for turn := 0; ctx.Err() == nil; turn++ {
			work(turn)
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

// A file that is added by itself has no links elsewhere either.
func TestAddFileOutsideLink(t *testing.T) {
	s := newStore(t)
	dir := write(t, "secret=secret")
	must(t, os.Link(dir+"/secret", dir+"/output"))
	_, err := s.AddDir(t.Context(), dir+"/output", &AddOptions{Name: "output"})
	if err == nil || !strings.Contains(err.Error(), "hard link outside") {
		t.Errorf("got %v", err)
	}
	if got, err := os.ReadFile(dir + "/secret"); err != nil || string(got) != "secret" || lstat(t, dir+"/secret").Mode&0o777 != 0o644 {
		t.Errorf("the file outside: %q, %v, mode %o", got, err, lstat(t, dir+"/secret").Mode)
	}
}

// With no umask to help, nobody else can write to anything of a store, hold its
// locks, or look at what is being made; and nothing has a set-id bit.
func TestStateModes(t *testing.T) {
	s := newStore(t)
	must(t, os.Chmod(s.path("tmp"), 0o777)) // as somebody careless may have left it
	must(t, os.Chmod(s.path("store"), 0o777))
	cmd := exec.Command("sh", "-c", `umask 0 && exec "$0" "$@"`, os.Args[0], "-test.run=^TestHelperProcess$")
	object := add(t, s, AddOptions{Name: "old"}, "f=old")
	register(t, s, object)
	cmd.Env = append(os.Environ(), "SYSC_HELPER=use", "SYSC_STORE="+s.Dir(), "SYSC_OBJECT="+string(object.Path))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var fresh store.Path
	var temp string
	if _, err := fmt.Fscanln(out, &fresh, &temp); err != nil {
		t.Fatal(err)
	}
	must(t, s.AddRoot(t.Context(), "some/root", fresh))
	private := 0
	must(t, filepath.WalkDir(s.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err
		}
		mode := lstat(t, path).Mode & 0o7777
		name, _ := filepath.Rel(s.Dir(), path)
		const setID, othersWrite, others = 0o6000, 0o022, 0o077
		if mode&(setID|othersWrite) != 0 && !strings.HasPrefix(name, "tmp/") {
			t.Errorf("%s: mode %#o", name, mode)
		}
		top, _, below := strings.Cut(name, "/")
		if top == "tmp" && !below || (top == "locks" || top == "sessions") && below {
			private++
			if mode&others != 0 {
				t.Errorf("%s: mode %#o, want it private", name, mode)
			}
		}
		return nil
	}))
	if private < 4 { // tmp, the lock of the store, two sessions
		t.Errorf("%d private files, want at least 4", private)
	}
	must(t, in.Close())
	must(t, cmd.Wait())
}

// What somebody else can change is no place for a store: an entry of the directory
// could be exchanged at any time.
func TestOpenOfOthers(t *testing.T) {
	ctx := t.Context()
	shared := filepath.Join(t.TempDir(), "shared")
	must(t, os.Mkdir(shared, 0o755))
	must(t, os.Chmod(shared, 0o777|fs.ModeSticky))
	if _, err := Open(ctx, shared, nil); err == nil || !strings.Contains(err.Error(), "anybody can write to it; chmod o-w "+shared) {
		t.Errorf("world-writable: %v", err)
	}
	if names, err := os.ReadDir(shared); err != nil || len(names) > 0 {
		t.Errorf("made %v, %v", names, err)
	}
	must(t, os.Chmod(shared, 0o755))
	must(t, open(t, shared).Close())
	if os.Geteuid() != 0 {
		if _, err := Open(ctx, "/", nil); err == nil || !strings.Contains(err.Error(), "cannot write to it") {
			t.Errorf("root's directory: %v", err)
		}
		return
	}
	const nobody = 65534
	must(t, os.Chown(shared, nobody, nobody))
	if _, err := Open(ctx, shared, nil); err == nil || !strings.Contains(err.Error(), "it belongs to user 65534, and this is user 0") {
		t.Errorf("somebody's store, opened by root: %v", err)
	}
}

// A linkWorker does with a store what there is to do with one.
type linkWorker struct {
	in, out string
	key     sign.SecretKey
	turns   map[string]int // by store
}

// closedStore is a directory for a store that nobody has open.
func closedStore(t *testing.T) string {
	t.Helper()
	s := newStore(t)
	must(t, s.Close())
	return s.Dir()
}

func newLinkWorker(t *testing.T) *linkWorker {
	t.Helper()
	key, err := sign.Generate("key")
	must(t, err)
	w := &linkWorker{in: write(t, "f=content", "d/g=more"), out: t.TempDir() + "/result", key: key, turns: map[string]int{}}
	time.Sleep(2 * memoryRacy) // or nothing would be remembered
	return w
}

func (w *linkWorker) work(ctx context.Context, dir string) error {
	s, err := Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	o, err := s.AddDir(ctx, w.in, &AddOptions{Name: "o", Remember: true})
	if err != nil {
		return err
	}
	r := store.Realisation{Derivation: store.DerivationHash{1}, Output: "out", Path: o.Path}
	os.Remove(w.out) // that of the store before
	for _, step := range []func() error{
		func() error { return s.Register(ctx, []store.Object{o}, []store.Realisation{r}) },
		func() error {
			return s.AddSignatures(ctx, map[store.Path][]sign.Signature{o.Path: {w.key.Sign(sign.Object(&o))}},
				map[store.Realisation][]sign.Signature{r: {w.key.Sign(sign.Realisation(r))}})
		},
		func() error { return os.Symlink(s.PhysicalPath(o.Path), w.out) },
		func() error { return s.AddIndirectRoots(ctx, w.out) },
		func() error { return s.AddRoot(ctx, "d/r", o.Path) },
		func() error {
			out, err := s.CheckoutDir(ctx, o.Tree)
			if info, _ := os.Lstat(out); err == nil && !info.IsDir() {
				err = errors.New("what is checked out is no directory")
			}
			return err
		},
		func() error { _, err := s.Repair(ctx, nil, func(Problem) {}); return err },
		func() error { _, err := s.Optimise(ctx); return err },
		func() error { return w.addNew(ctx, s) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// addNew registers an object that was not there before.
func (w *linkWorker) addNew(ctx context.Context, s *Store) error {
	w.turns[s.Dir()]++
	d, err := s.AddTree(ctx, &tree.Tree{Entries: []tree.Entry{
		{Name: fmt.Sprint(w.turns[s.Dir()]), Type: tree.Link, Mode: tree.ModeLink, Target: "x"}}})
	if err != nil {
		return err
	}
	o, err := s.MakeObject(ctx, "new", store.KindTree, d, nil)
	if err != nil {
		return err
	}
	return s.Register(ctx, []store.Object{o}, nil)
}

func (w *linkWorker) collect(ctx context.Context, dir string) error {
	s, err := Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	_, err = s.GC(ctx, GCOptions{})
	return errors.Join(err, s.Close())
}

// contents lists what a store has, in a fixed order. Links are left out.
func contents(t *testing.T, dir string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir && d.Type() != fs.ModeSymlink {
			names = append(names, path[len(dir)+1:])
		}
		return err
	}))
	return names
}

// A link in place of anything that a store has is refused by name, or gives way to
// what should be there. Nothing that it leads to is written, opened up or removed.
func TestLinksInside(t *testing.T) {
	ctx := t.Context()
	w := newLinkWorker(t)
	begin := closedStore(t)
	must(t, w.work(ctx, begin))
	names := append(contents(t, begin), "db.sqlite-wal", "db.sqlite-shm", "locks/gc")
	// In the order of what Open looks at; anything below is looked at when it is used.
	refused := []string{
		"store", "blobs", "trees", "log", "roots", "locks", "checkouts", "sessions", "records", "realisations", "cache", "dirty", "tmp",
		"signatures", "signatures/objects", "signatures/realisations", "roots/auto", "db.sqlite", "db.sqlite-wal", "db.sqlite-shm",
	}
	for _, dir := range []string{"blobs", "trees", "log", "roots", "locks", "sessions", "cache", "dirty", "tmp"} {
		below := slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, dir+"/") })
		if empty := dir == "log" || dir == "sessions" || dir == "tmp"; below == empty {
			t.Errorf("what is in %s is not tried", dir)
		}
	}
	for _, name := range names {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			dir := closedStore(t)
			must(t, w.work(ctx, dir))
			outside := t.TempDir()
			path, elsewhere := filepath.Join(dir, name), filepath.Join(outside, "elsewhere")
			if st := lstat(t, filepath.Dir(path)); st.Mode&0o222 == 0 {
				must(t, unix.Chmod(filepath.Dir(path), 0o755))
			}
			if err := moveDir(path, elsewhere); errors.Is(err, fs.ErrNotExist) {
				must(t, os.WriteFile(elsewhere, nil, 0o640))
			} else {
				must(t, err)
			}
			t.Cleanup(func() { removeTree(context.Background(), outside, "elsewhere", 1) })
			if st := lstat(t, elsewhere); st.Mode&0o222 != 0 {
				must(t, unix.Chmod(elsewhere, 0o750)) // none that a store would give
			}
			must(t, os.Symlink(elsewhere, path))
			before, modified := snapshot(t, outside, store.KindRoot), lstat(t, elsewhere).Mtim
			want := filepath.Base(name)
			for i, do := range []func(context.Context, string) error{w.work, w.collect, w.work} {
				err := do(ctx, dir)
				if slices.Contains(refused, name) {
					want = name + " is a symbolic link"
				}
				if err != nil && !strings.Contains(err.Error(), want) || err == nil && slices.Contains(refused, name) {
					t.Errorf("step %d: %v; want %q", i, err, want)
				}
			}
			if diff := cmp.Diff(before, snapshot(t, outside, store.KindRoot)); diff != "" {
				t.Errorf("what the link leads to (-want +got)\n%s", diff)
			}
			if lstat(t, elsewhere).Mtim != modified {
				t.Error("what the link leads to was modified")
			}
		})
	}
}

// A store below a link is the same store by another name.
func TestStoreBelowLink(t *testing.T) {
	ctx := t.Context()
	top := t.TempDir()
	must(t, os.Mkdir(top+"/real", 0o755))
	must(t, os.Symlink("real", top+"/link"))
	t.Cleanup(func() { removeTree(context.Background(), top, "real", 1) })
	w := newLinkWorker(t)
	must(t, w.work(ctx, top+"/link/store"))
	must(t, w.work(ctx, top+"/real/store"))
	a, b := open(t, top+"/link/store"), open(t, top+"/real/store")
	o := add(t, a, AddOptions{Name: "new"}, "f=new")
	register(t, a, o)
	gc(t, b, GCOptions{})
	if _, err := b.Object(ctx, o.Path); err != nil {
		t.Errorf("one name collected what is used by the other: %v", err)
	}
	verify(t, a)
	verify(t, b)
	for _, name := range contents(t, top+"/real/store") {
		data, err := os.ReadFile(top + "/real/store/" + name)
		if err == nil && bytes.Contains(data, []byte(top+"/link")) {
			t.Errorf("%s has the path in it", name)
		}
	}
}

// A link in place of a blob, tree or record is not followed, and not taken for
// what should be there.
func TestBlobIsLink(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	o := add(t, s, AddOptions{}, "f=content")
	register(t, s, o)
	d := store.DigestOf([]byte("content"))
	blob := s.path("blobs/" + shardName(d[0]) + "/" + shardedName(d))
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("content"), 0o600))
	must(t, os.Remove(blob))
	must(t, os.Symlink(outside, blob))
	if f, err := s.OpenBlob(ctx, d); err == nil {
		f.Close()
		t.Error("opened what a link leads to")
	}
	if found := problems(t, s); len(found) == 0 {
		t.Error("verify found nothing")
	}
	if _, _, err := s.AddBlob(ctx, strings.NewReader("content")); err != nil {
		t.Error(err)
	}
	if st := lstat(t, blob); st.Mode != unix.S_IFREG|0o444 {
		t.Errorf("the blob has mode %o now", st.Mode)
	}
	if st := lstat(t, outside); st.Mode&0o777 != 0o600 || st.Nlink != 1 {
		t.Errorf("the file outside has mode %o and %d links now", st.Mode&0o777, st.Nlink)
	}
	verify(t, s)
}

// A listing of the right digest that no writer could have made is refused
// wherever it turns up (CVE-2024-45593: names that come twice, names that lead
// elsewhere).
func TestHostileListing(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	outside := t.TempDir()
	content, _, err := s.AddBlob(ctx, strings.NewReader("content"))
	must(t, err)
	file := tree.Entry{Type: tree.File, Mode: tree.ModeFile, Size: 7, Digest: content}
	link := tree.Entry{Type: tree.Link, Mode: tree.ModeLink, Target: outside}
	for _, tt := range []struct {
		name  string
		names [2]string // that the encoding shall have, in place of the next
		legal [2]string
	}{
		{"twice", [2]string{"bb", "bb"}, [2]string{"aa", "bb"}},
		{"unsorted", [2]string{"bb", "ba"}, [2]string{"aa", "ba"}},
		{"dot dot", [2]string{"..", "bb"}, [2]string{"aa", "bb"}},
		{"dot", [2]string{".", "b"}, [2]string{"a", "b"}},
		{"slash", [2]string{"../x", "bbbb"}, [2]string{"aaaa", "bbbb"}},
		{"absolute", [2]string{"/x", "bb"}, [2]string{"aa", "bb"}},
		{"NUL", [2]string{"a\x00", "bb"}, [2]string{"aa", "bb"}},
		{"through a link", [2]string{"bb", "bb/x"}, [2]string{"bb", "bbxx"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, second := link, file
			first.Name, second.Name = tt.legal[0], tt.legal[1]
			data, err := (&tree.Tree{Entries: []tree.Entry{first, second}}).Encode()
			must(t, err)
			legal := data
			for i := range tt.names {
				// The name's last place: the target may have the same letters.
				data = replaceOnce(t, data, tt.legal[i], tt.names[i], i == 1)
			}
			if bytes.Equal(data, legal) {
				t.Fatal("nothing changed")
			}
			d := store.DigestOf(data)
			must(t, s.keepTree(d, data))
			if _, err := s.Tree(ctx, d); err == nil {
				t.Error("Tree accepted it")
			}
			dst := filepath.Join(t.TempDir(), "out")
			if err := s.Checkout(ctx, d, dst, store.CheckoutOptions{}); err == nil {
				t.Error("Checkout accepted it")
			}
			for _, kind := range []store.Kind{store.KindTree, store.KindRoot} {
				p, err := store.MakePath(store.MakeID(kind, "x", d, nil, nil), "x")
				must(t, err)
				if err := s.Register(ctx, []store.Object{{Path: p, Kind: kind, Tree: d}}, nil); err == nil {
					t.Errorf("Register accepted it as kind %d", kind)
				}
			}
		})
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("written outside: %v, %v", left, err)
	}
}

// replaceOnce changes the first or last place of old in data.
func replaceOnce(t testing.TB, data []byte, old, text string, last bool) []byte {
	t.Helper()
	at := bytes.Index(data, []byte(old))
	if last {
		at = bytes.LastIndex(data, []byte(old))
	}
	if at < 0 || len(old) != len(text) {
		t.Fatalf("%q for %q", text, old)
	}
	out := slices.Clone(data)
	copy(out[at:], text)
	return out
}

// nest makes a tree of few listings that stand for many: width entries in each of
// depth listings name the one before, the first of which has the entries bottom.
func nest(t testing.TB, s *Store, depth, width int, bottom ...tree.Entry) store.Digest {
	t.Helper()
	level := &tree.Tree{Entries: bottom}
	for {
		d, err := s.AddTree(t.Context(), level)
		must(t, err)
		if depth--; depth < 0 {
			return d
		}
		size := level.Size()
		level = &tree.Tree{}
		for i := range width {
			level.Entries = append(level.Entries, tree.Entry{Name: fmt.Sprintf("%02d", i), Type: tree.Dir, Mode: tree.ModeDir, Size: size, Digest: d})
		}
	}
}

func blobEntry(t testing.TB, s *Store, name string) tree.Entry {
	t.Helper()
	d, n, err := s.AddBlob(t.Context(), strings.NewReader(name))
	must(t, err)
	return tree.Entry{Name: name, Type: tree.File, Mode: tree.ModeFile, Size: n, Digest: d}
}

func bomb(t testing.TB, kind store.Kind, d store.Digest) store.Object {
	t.Helper()
	p, err := store.MakePath(store.MakeID(kind, "bomb", d, nil, nil), "bomb")
	must(t, err)
	return store.Object{Path: p, Kind: kind, Tree: d}
}

// Listings that nest too deep, or that name few trees very often, are refused
// wherever they would become files or an object, and nothing is written.
func TestListingBombs(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	wide := nest(t, s, 40, 2) // two to the fortieth directories
	for _, tt := range []struct {
		name string
		tree store.Digest
		want string
	}{
		{"deep", nest(t, s, tree.MaxDepth+1, 1), "deeper than 256 directories"},
		{"wide", wide, "stands for 134217726 entries, with all that is below it; at most 67108864 are allowed"},
		{"both", nest(t, s, tree.MaxDepth, 100), "at most 67108864 are allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refused := func(what string, err error) {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: got %v", what, err)
				}
			}
			began := time.Now()
			dst := filepath.Join(t.TempDir(), "out")
			refused("Checkout", s.Checkout(ctx, tt.tree, dst, store.CheckoutOptions{Link: true}))
			if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Checkout wrote something: %v", err)
			}
			_, err := s.CheckoutDir(ctx, tt.tree)
			refused("CheckoutDir", err)
			for _, kind := range []store.Kind{store.KindTree, store.KindRoot} {
				refused("Register", s.Register(ctx, []store.Object{bomb(t, kind, tt.tree)}, nil))
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	for _, dir := range []string{"store", "checkouts", "records"} {
		if left, err := os.ReadDir(s.path(dir)); err != nil || len(left) > 0 {
			t.Errorf("%s: %v, %v", dir, left, err)
		}
	}
	if _, err := tree.Canonical(ctx, s, wide); err != nil {
		t.Errorf("canonical: %v", err)
	}
}

// A bomb that is in the database all the same costs nobody for ever, whole or
// damaged. The new database does not have it.
func TestRegisteredBomb(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	s := newStore(t)
	wide := bomb(t, store.KindRoot, nest(t, s, 40, 2, blobEntry(t, s, "bottom")))
	top, err := s.Tree(ctx, wide.Tree)
	must(t, err)
	wide.Size = top.Size()
	must(t, s.writeRecord(&wide))
	must(t, s.db.write(ctx, func(conn *sqlite.Conn) error { return insert(conn, []store.Object{wide}, nil) }))
	must(t, s.AddRoot(ctx, "bomb", wide.Path))
	verify(t, s)
	s = reopen(t, s)
	if result := gc(t, s, GCOptions{}); result.Blobs > 0 || result.Trees > 0 {
		t.Errorf("collected %+v", result)
	}
	must(t, os.Remove(s.blobPath("bottom")))
	want := fmt.Sprintf("%s: %q: blob %s of 6 bytes is missing", wide.Path, strings.Repeat("00/", 40)+"bottom", store.DigestOf([]byte("bottom")))
	if got := problems(t, s); !slices.Equal(got, []string{want}) {
		t.Errorf("got %q, want %q", got, want)
	}
	if result, err := s.Repair(ctx, nil, func(Problem) {}); err != nil || !slices.Equal(result.Lost, []store.Path{wide.Path}) {
		t.Errorf("repair: %+v, %v", result, err)
	}
	_, _, err = s.AddBlob(ctx, strings.NewReader("bottom"))
	must(t, err)
	must(t, s.Close())
	result, err := Rebuild(ctx, s.Dir(), nil)
	if err != nil || result.Objects != 0 || len(result.Left) != 1 || !strings.Contains(result.Left[0].String(), "at most 67108864") {
		t.Errorf("rebuild: %+v, %v", result, err)
	}
}

// The last number of entries that is allowed, and the first that is not. Those of a
// directory count as often as it occurs.
func TestMostEntries(t *testing.T) {
	s := newStore(t)
	// Each level has two entries and twice those of the level below.
	const depth = 25
	entries := []tree.Entry{{Name: "00", Type: tree.Dir, Mode: tree.ModeDir, Digest: nest(t, s, depth, 2)}}
	for count := 2<<depth - 1; count <= tree.MaxExpanded+1; count++ {
		d, err := s.AddTree(t.Context(), &tree.Tree{Entries: entries})
		must(t, err)
		err = s.Register(t.Context(), []store.Object{bomb(t, store.KindRoot, d)}, nil)
		if (err == nil) != (count <= tree.MaxExpanded) {
			t.Errorf("%d entries: %v", count, err)
		}
		entries = append(slices.Clone(entries), blobEntry(t, s, fmt.Sprintf("%02d", len(entries))))
	}
}
