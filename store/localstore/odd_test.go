package localstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
)

// roundTrip adds what is at in, registers and checks it, checks it out again and
// compares; the result, added again, has to be the same. It returns the object
// and where it was checked out.
func roundTrip(t testing.TB, s *Store, in string, kind store.Kind) (o store.Object, out string) {
	t.Helper()
	ctx := t.Context()
	o, err := s.AddDir(ctx, in, &AddOptions{Name: "odd", Kind: kind})
	must(t, err)
	register(t, s, o)
	verify(t, s)
	out = filepath.Join(t.TempDir(), "out")
	t.Cleanup(func() { removeTree(context.Background(), filepath.Dir(out), "out", 2) })
	must(t, s.Checkout(ctx, o.Tree, out, store.CheckoutOptions{Chown: kind == store.KindRoot}))
	top := out
	if o.Kind == store.KindFile {
		top = out + "/" + store.FileEntry
	}
	if diff := cmp.Diff(snapshot(t, in, kind), snapshot(t, top, kind)); diff != "" {
		t.Errorf("checked out (-want +got)\n%s", diff)
	}
	again, err := s.AddDir(ctx, top, &AddOptions{Name: "odd", Kind: kind})
	if err != nil || again.Tree != o.Tree || again.Path != o.Path {
		t.Errorf("checked out and added: %s, %v; want %s", again.Path, err, o.Path)
	}
	return o, out
}

// snapshot describes what is at top, without any code of the store: everything
// about an entry that is kept for an object of that kind, by path.
func snapshot(t testing.TB, top string, kind store.Kind) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		text := fileType(st.Mode)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			sum, err := fileSum(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %s executable %v", st.Size, sum, st.Mode&0o100 != 0)
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " " + strconv.Quote(target)
		}
		if kind == store.KindRoot && path != top {
			text += fmt.Sprintf(" %o %d:%d %q", st.Mode&0o7777, st.Uid, st.Gid, xattrs(t, path))
		}
		all[path[len(top):]] = text
		return nil
	}))
	return all
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// xattrs returns "name=value" of each attribute, sorted.
func xattrs(t testing.TB, path string) (all []string) {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	must(t, err)
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		must(t, err)
		all = append(all, name+"="+string(value[:n]))
	}
	slices.Sort(all)
	return all
}

// longTarget returns the longest target of a link that both a tree and the file
// system of the test can have. XFS ends at 1,023 bytes.
func longTarget(t testing.TB) string {
	t.Helper()
	target := strings.Repeat("../", tree.MaxTarget/3)
	err := os.Symlink(target, filepath.Join(t.TempDir(), "link"))
	if errors.Is(err, unix.ENAMETOOLONG) {
		const most = 1023
		return target[:most]
	}
	must(t, err)
	return target
}

// Names and targets are bytes.
func TestOddRoundTrip(t *testing.T) {
	long := strings.Repeat("\xff", tree.MaxName)
	target := longTarget(t)
	var everyByte []string
	for c := 1; c < 256; c++ {
		if c != '/' && c != '=' && c != '*' && c != '>' {
			everyByte = append(everyByte, "bytes/"+string([]byte{byte(c)})+"b=1")
		}
	}
	in := write(t, append(everyByte,
		"new\nline=1", "\n=2", "bad\xff\xfeutf8*=3", long+"=4", "-rf/--=5", " / =6", "...=7", "a/"+long+"/"+long+"=8",
		// Like those that the store uses itself.
		".t-0123456789abcdef-1=9", store.FileEntry+"/"+store.FileEntry+"=10", "blob.x=11", "blob.x.x*=11", "lost+found/",
		// Equal to whoever folds case or normalises.
		"CASE=12", "case=13", "\u00e9=14", "e\u0301=15",
		"long->"+target, "dangling->/no/such\n\xff", "loop->loop", "up->../../../../..", "dir->a",
		"empty=", "empty.x*=", "nothing/", "nested/nothing/at/all/")...)
	for _, kind := range []store.Kind{store.KindTree, store.KindRoot} {
		s := newStore(t)
		if o, _ := roundTrip(t, s, in, kind); kind == store.KindTree {
			if diff := cmp.Diff(snapshot(t, in, kind), snapshot(t, s.PhysicalPath(o.Path), kind)); diff != "" {
				t.Errorf("on disk (-want +got)\n%s", diff)
			}
		}
	}
}

func TestOddEmpty(t *testing.T) {
	s := newStore(t)
	empty := t.TempDir()
	tr, _ := roundTrip(t, s, empty, store.KindTree)
	root, _ := roundTrip(t, s, empty, store.KindRoot)
	if tr.Tree != root.Tree || tr.Path == root.Path || tr.Size != 0 {
		t.Errorf("tree %+v, root %+v", tr, root)
	}
	for _, mode := range []os.FileMode{0o600, 0o700} {
		file := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(file, nil, mode))
		if o, _ := roundTrip(t, s, file, store.KindFile); o.Size != 0 {
			t.Errorf("%+v", o)
		}
	}
}

// As deep as a tree may be, which is deeper than its path may be long.
func TestOddDepth(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in")
	must(t, os.Mkdir(in, 0o755))
	name := strings.Repeat("n", tree.MaxName)
	at, err := unix.Open(in, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	for range tree.MaxDepth {
		must(t, unix.Mkdirat(at, name, 0o755))
		next, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		unix.Close(at)
		at = next
	}
	must(t, unix.Symlinkat("bottom", at, "link"))
	unix.Close(at)
	t.Cleanup(func() { removeTree(context.Background(), filepath.Dir(in), "in", 1) })

	// No path leads to the bottom, so nothing but the store can compare.
	ctx := t.Context()
	s := newStore(t)
	o, err := s.AddDir(ctx, in, &AddOptions{Name: "deep"})
	must(t, err)
	register(t, s, o)
	verify(t, s)
	out := filepath.Join(t.TempDir(), "out")
	t.Cleanup(func() { removeTree(context.Background(), filepath.Dir(out), "out", 1) })
	must(t, s.Checkout(ctx, o.Tree, out, store.CheckoutOptions{}))
	again, err := s.AddDir(ctx, out, &AddOptions{Name: "deep"})
	if err != nil || again.Path != o.Path {
		t.Errorf("%s, %v; want %s", again.Path, err, o.Path)
	}
	depth := 0
	for d := o.Tree; ; depth++ {
		tr, err := s.Tree(ctx, d)
		must(t, err)
		if e := tr.Entries[0]; e.Type == tree.Dir {
			d = e.Digest
		} else if e.Target == "bottom" {
			break
		}
	}
	if depth != tree.MaxDepth {
		t.Errorf("%d directories, want %d", depth, tree.MaxDepth)
	}
	s = reopen(t, s)
	gc(t, s, GCOptions{})
	if left := verify(t, s); left != (VerifyResult{}) {
		t.Errorf("left: %+v", left)
	}
}

// Holes at the beginning, in the middle, and at the end of a file stay holes, in
// the store and outside.
func TestOddHoles(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in")
	must(t, os.Mkdir(in, 0o755))
	const size = 16<<20 + 1
	for name, at := range map[string][]int64{"begin": {0}, "middle": {size / 2}, "end": {size - 4}, "both": {0, size - 4}, "hole": nil} {
		makeSparse(t, in+"/"+name, size, at...)
	}
	s := newStore(t)
	o, out := roundTrip(t, s, in, store.KindTree)
	for _, dir := range []string{s.PhysicalPath(o.Path), out} {
		isSparse(t, dir, size)
	}
}

// makeSparse makes a file of that size that has four bytes of content at each of
// the offsets.
func makeSparse(t testing.TB, path string, size int64, at ...int64) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	must(t, f.Truncate(size))
	for _, offset := range at {
		_, err := f.WriteAt([]byte("data"), offset)
		must(t, err)
	}
	must(t, f.Close())
}

func isSparse(t testing.TB, dir string, size int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		st := lstat(t, dir+"/"+f.Name())
		const most = 1 << 20
		if st.Size != size || st.Blocks*512 > most {
			t.Errorf("%s: %d bytes, %d on disk", f.Name(), st.Size, st.Blocks*512)
		}
	}
}

// Root trees keep what a file system can say about a file, as far as whoever
// runs the test may set it.
func TestOddMetadata(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in")
	must(t, os.Mkdir(in, 0o755))
	t.Cleanup(func() { removeTree(context.Background(), filepath.Dir(in), "in", 1) })
	isRoot := os.Geteuid() == 0
	for mode := range uint32(0o10000) {
		// All bits of each kind of user, and all of each with those of another.
		if mode&0o777%0o111 != 0 && mode&0o77 != 0 && mode&0o707 != 0 && mode&0o770 != 0 {
			continue
		}
		file := fmt.Sprintf("%s/file-%04o", in, mode)
		must(t, os.WriteFile(file, []byte("content"), 0o600))
		must(t, unix.Chmod(file, mode))
		// A user cannot look into every directory of theirs, and the test has to.
		if mode&0o500 == 0o500 {
			dir := fmt.Sprintf("%s/dir-%04o", in, mode)
			must(t, os.Mkdir(dir, 0o700))
			must(t, unix.Chmod(dir, mode))
		}
	}
	if !isRoot {
		// Nor read every file, to compare it.
		files, err := filepath.Glob(in + "/file-*")
		must(t, err)
		for _, file := range files {
			if st := lstat(t, file); st.Mode&0o400 == 0 {
				must(t, os.Remove(file))
			}
		}
	}
	for name, value := range map[string]string{
		"user.empty": "", "user.nul": "a\x00b\xff", "user." + strings.Repeat("n", tree.MaxName-len("user.")): "long name",
		"user.big": strings.Repeat("v", 2000),
	} {
		file := fmt.Sprintf("%s/xattr-%.20s", in, name)
		must(t, os.WriteFile(file, []byte(name), 0o600))
		must(t, unix.Setxattr(file, name, []byte(value), 0))
		must(t, unix.Setxattr(file, "user.a", []byte("first"), 0))
		must(t, os.Mkdir(file+".dir", 0o755))
		must(t, unix.Setxattr(file+".dir", name, []byte(value), 0))
	}
	if isRoot {
		for i, owner := range [][2]int{{0, 1}, {1, 0}, {1000, 1000}, {65534, 65534}, {1<<32 - 2, 1<<32 - 2}} {
			base := fmt.Sprintf("%s/owner-%d", in, i)
			must(t, os.WriteFile(base, nil, 0o600))
			must(t, os.Mkdir(base+".dir", 0o755))
			must(t, os.Symlink("x", base+".link"))
			for _, path := range []string{base, base + ".dir", base + ".link"} {
				must(t, os.Lchown(path, owner[0], owner[1]))
			}
			// After the owner, whose change takes these away.
			must(t, unix.Chmod(base, 0o6755))
			must(t, unix.Setxattr(base, "trusted.x", []byte("y"), 0))
			must(t, unix.Setxattr(base+".dir", "trusted.x", []byte("y"), 0))
		}
	}
	s := newStore(t)
	o, _ := roundTrip(t, s, in, store.KindRoot)
	var files, special int
	must(t, tree.Walk(t.Context(), s, o.Tree, func(_ string, e tree.Entry) error {
		if files++; e.Mode&0o7000 != 0 {
			special++
		}
		return nil
	}))
	if files < 100 || special < 50 {
		t.Errorf("%d entries, %d with set-id or sticky bits: is this a test?", files, special)
	}
}

// A directory with very many entries costs what they cost.
func TestOddManyEntries(t *testing.T) {
	// Hard links only: new files would be the file system's time, not ours.
	linked := func(n int) (time.Duration, uint64) {
		return manyEntries(t, n, func(dir string, i int) error {
			const links = 1000
			name, first := entryName(dir, i), entryName(dir, i-i%links)
			if name == first {
				return os.WriteFile(name, []byte(strconv.Itoa(i)), 0o644)
			}
			return os.Link(first, name)
		})
	}
	small, smallBytes := linked(10_000)
	large, largeBytes := linked(100_000)
	// Ten times as many may cost ten times as much; squared, it is a hundred.
	if most := 40*small + time.Second; large > most {
		t.Errorf("%v for ten times as many as %v", large, small)
	}
	if most := 2 * smallBytes; largeBytes > most {
		t.Errorf("%d bytes per entry, with a tenth of the entries %d", largeBytes, smallBytes)
	}
}

func entryName(dir string, i int) string { return dir + "/entry-" + strconv.Itoa(i) }

// manyEntries sends a directory of n entries, each of which make makes, through a
// store and returns how long that took, and how many bytes were allocated for each.
func manyEntries(t testing.TB, n int, make func(dir string, i int) error) (took time.Duration, bytes uint64) {
	t.Helper()
	ctx := t.Context()
	top := t.TempDir()
	in := top + "/in"
	must(t, os.Mkdir(in, 0o755))
	t.Cleanup(func() { removeTree(context.Background(), top, "in", 2) })
	for i := range n {
		must(t, make(in, i))
	}
	s := newStore(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	o, err := s.AddDir(ctx, in, &AddOptions{Name: "many"})
	must(t, err)
	register(t, s, o)
	verify(t, s)
	again, err := s.AddDir(ctx, s.PhysicalPath(o.Path), &AddOptions{Name: "many", OutsideLinks: true})
	if err != nil || again.Path != o.Path {
		t.Errorf("%s, %v; want %s", again.Path, err, o.Path)
	}
	took = time.Since(began)
	runtime.ReadMemStats(&after)
	bytes = (after.TotalAlloc - before.TotalAlloc) / uint64(n)
	t.Logf("%d entries: %v, %d bytes allocated each", n, took, bytes)
	names, err := os.ReadDir(s.PhysicalPath(o.Path))
	if err != nil || len(names) != n {
		t.Errorf("%d names, %v; want %d", len(names), err, n)
	}
	return took, bytes
}

// A blob that has as many links as the file system allows is copied.
func TestOddLinkLimit(t *testing.T) {
	s := newStore(t)
	d, _, err := s.AddBlob(t.Context(), strings.NewReader("same"))
	must(t, err)
	blob := s.path("blobs/" + shardName(d[0]) + "/" + shardedName(d))
	links := t.TempDir()
	limit := 1
	const most = 70_000 // 65,000 on ext4, 65,535 on Btrfs, 2³¹−1 on XFS
	for ; err == nil && limit < most; limit++ {
		err = os.Link(blob, entryName(links, limit))
	}
	names := []string{"a", "b", "c", "d/e"}
	want := len(names) // without a limit
	if errors.Is(err, unix.EMLINK) {
		want, err = 2, nil
		for i := range want {
			must(t, os.Remove(entryName(links, 1+i)))
		}
	}
	must(t, err)
	in := write(t, "a=same", "b=same", "c=same", "d/e=same", "other=other")
	o, _ := roundTrip(t, s, in, store.KindTree)
	linked := 0
	for _, name := range names {
		if lstat(t, s.PhysicalPath(o.Path)+"/"+name).Ino == lstat(t, blob).Ino {
			linked++
		}
	}
	if linked != want {
		t.Errorf("%d links, want %d; %d were possible", linked, want, limit)
	}
	if got, err := s.Optimise(t.Context()); err != nil || got.Files != 0 {
		t.Errorf("with all the links that are allowed: %+v, %v", got, err)
	}
	// Room for all again.
	for i := range len(names) - want {
		must(t, os.Remove(entryName(links, 3+i)))
	}
	if got, err := s.Optimise(t.Context()); err != nil || got.Files != len(names)-want {
		t.Errorf("with room for more: %+v, %v; want %d files", got, err, len(names)-want)
	}
	verify(t, s)
}
