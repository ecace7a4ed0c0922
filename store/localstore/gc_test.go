package localstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sysc/store"
)

func gc(t testing.TB, s *Store, opts GCOptions) GCResult {
	t.Helper()
	result, err := s.GC(t.Context(), opts)
	must(t, err)
	return result
}

func TestGC(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	lib := add(t, s, AddOptions{Name: "lib"}, "lib=1", "shared=s")
	app := add(t, s, AddOptions{Name: "app", Candidates: []store.Path{lib.Path}}, "app*="+lib.Path.ID())
	dead := add(t, s, AddOptions{Name: "dead"}, "dead=2", "shared=s")
	deader := add(t, s, AddOptions{Name: "deader", Candidates: []store.Path{dead.Path}}, "x="+dead.Path.ID())
	root := add(t, s, AddOptions{Name: "root", Kind: store.KindRoot}, "etc/f=3")
	hash := store.DerivationHash{7}
	must(t, s.Register(ctx, []store.Object{lib, app, dead, deader, root}, []store.Realisation{{Derivation: hash, Output: "out", Path: dead.Path}}))
	must(t, s.AddRoot(ctx, "profile/main", app.Path))
	must(t, s.AddRoot(ctx, "r", root.Path))
	for _, o := range []store.Object{root, dead} {
		_, err := s.CheckoutDir(ctx, o.Tree)
		must(t, err)
	}
	leftovers(t, s)
	_, _, err := s.AddBlob(ctx, strings.NewReader("never registered"))
	must(t, err)
	if got := gc(t, s, GCOptions{}); got.Kept != 5 || got.Blobs+got.Trees+got.Checkouts > 0 || got.Leftovers != 3 {
		t.Errorf("while it is open: %+v", got)
	}
	leftovers(t, s)
	s = reopen(t, s)
	kept, remove, err := s.TempDir(ctx, "mine")
	must(t, err)

	want := []store.Path{dead.Path, deader.Path}
	slices.Sort(want)
	dry := gc(t, s, GCOptions{DryRun: true})
	if !slices.Equal(dry.Objects, want) || dry.Kept != 3 {
		t.Errorf("dry run: %+v", dry)
	}
	verify(t, s.expectObjects(t, 5))
	result := gc(t, s, GCOptions{})
	if result.Bytes != dry.Bytes || result.Blobs != dry.Blobs || result.Trees != dry.Trees || result.Checkouts != 1 || result.Blobs != 3 {
		t.Errorf("did %+v, announced %+v", result, dry)
	}
	verify(t, s.expectObjects(t, 3))
	for _, name := range []string{"store/" + string(fakePath(t, '0')), "tmp/old", "blobs/00/.t-killed-1", "sessions/killed"} {
		if _, err := os.Lstat(s.path(name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if _, err := os.Lstat(kept); err != nil {
		t.Errorf("a directory in use: %v", err)
	}
	must(t, remove())
	if p, err := s.Realisation(ctx, hash, "out"); err != nil || p != dead.Path {
		t.Errorf("the realisation went with its object: %v", err)
	}
	// Made again, it is valid again.
	again := add(t, s, AddOptions{Name: "dead"}, "dead=2", "shared=s")
	register(t, s, again)
	if again.Path != dead.Path {
		t.Errorf("%s, want %s", again.Path, dead.Path)
	}
	s = reopen(t, s)
	must(t, s.RemoveRoot(ctx, "profile/main"))
	if got := gc(t, s, GCOptions{}); got.Kept != 1 {
		t.Errorf("%+v", got)
	}
	verify(t, s)
}

// What a killed process was writing beside the database and in the cache goes, what a
// living one writes stays.
func TestGCTakesUnfinishedFiles(t *testing.T) {
	g := newSigned(t)
	must(t, g.AddRoot(t.Context(), "keep", g.app.Path))
	dirs, err := g.metaDirs()
	must(t, err)
	if len(dirs) != 5 { // two of realisations
		t.Fatalf("directories: %q", dirs)
	}
	dirs = append(dirs, "cache")
	var mine, left []string
	for i, dir := range dirs {
		mine = append(mine, g.path(dir+"/"+g.tempName()))
		left = append(left, g.path(dir+"/"+tempPrefix+"-killed-"+strconv.Itoa(i)))
	}
	for _, file := range slices.Concat(mine, left) {
		must(t, os.WriteFile(file, []byte("half"), 0o444))
	}
	must(t, os.WriteFile(g.path("realisations/stranger"), nil, 0o444))
	for _, opts := range []GCOptions{{DryRun: true}, {}} {
		if got := gc(t, g.Store, opts); got.Leftovers != len(left) {
			t.Errorf("%+v: %+v", opts, got)
		}
	}
	for _, file := range left {
		if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there", file)
		}
	}
	for _, file := range mine {
		must(t, os.Remove(file))
	}
	g.expect(t, g.onObject, g.onResult)
}

// leftovers makes what killed processes leave.
func leftovers(t testing.TB, s *Store) {
	must(t, os.MkdirAll(s.path("tmp/old/x"), 0o755))
	must(t, os.Chmod(s.path("tmp/old"), 0o500))
	must(t, os.MkdirAll(s.path("store/"+string(fakePath(t, '0'))), 0o755))
	must(t, os.MkdirAll(s.path("blobs/00"), 0o755))
	must(t, os.WriteFile(s.path("blobs/00/.t-killed-1"), nil, 0o444))
	must(t, os.WriteFile(s.path("sessions/killed"), []byte{noteDigest}, 0o600))
}

func (s *Store) expectObjects(t testing.TB, n int) *Store {
	t.Helper()
	if objects, err := s.Objects(t.Context()); err != nil || len(objects) != n {
		t.Errorf("%d objects, %v; want %d", len(objects), err, n)
	}
	return s
}

func TestIndirectRoots(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	a := add(t, s, AddOptions{Name: "a"}, "f=1")
	b := add(t, s, AddOptions{Name: "b"}, "f=2")
	register(t, s, a, b)
	s = reopen(t, s)
	dir := filepath.Join(t.TempDir(), "new\nline")
	must(t, os.Mkdir(dir, 0o755))
	link := dir + "/result"
	if err := s.AddIndirectRoots(ctx, link); err == nil {
		t.Error("no link, but no error")
	}
	must(t, os.Symlink("/etc/passwd", link))
	if err := s.AddIndirectRoots(ctx, link); err == nil {
		t.Error("a link to something else, but no error")
	}
	must(t, os.Remove(link))
	must(t, os.Symlink(s.PhysicalPath(a.Path), link))
	must(t, s.AddIndirectRoots(ctx, link))
	roots, err := s.Roots(ctx)
	if err != nil || len(roots) != 1 || roots[0].Path != a.Path || roots[0].Link != link {
		t.Fatalf("%+v, %v", roots, err)
	}
	// Again: the record stays, and says that the link was seen.
	record := s.path("roots/" + roots[0].Name)
	before, err := os.Stat(record)
	must(t, err)
	must(t, os.Chtimes(record, time.Unix(1, 0), time.Unix(1, 0)))
	must(t, s.AddIndirectRoots(ctx, link))
	after, err := os.Stat(record)
	must(t, err)
	if !os.SameFile(before, after) || time.Since(after.ModTime()) > time.Hour {
		t.Errorf("the same root again: another file, or seen at %v", after.ModTime())
	}
	// The link may lead elsewhere later.
	must(t, os.Remove(link))
	must(t, os.Symlink("/anywhere/"+string(b.Path), link))
	if got := gc(t, s, GCOptions{DryRun: true}); !slices.Equal(got.Objects, []store.Path{a.Path}) {
		t.Errorf("%+v", got)
	}
	gc(t, s, GCOptions{})
	// What would go without it, by whatever path it is named.
	alias := filepath.Join(t.TempDir(), "alias")
	must(t, os.Symlink(dir, alias))
	if got := gc(t, s, GCOptions{DryRun: true, Without: []string{alias + "/result"}}); !slices.Equal(got.Objects, []store.Path{b.Path}) {
		t.Errorf("without its root: %+v", got)
	}
	// Its disk is not mounted: what was known last counts, for a while.
	must(t, os.Rename(dir, dir+".away"))
	roots, err = s.Roots(ctx)
	if err != nil || len(roots) != 1 || !roots[0].Unreachable {
		t.Errorf("%+v, %v", roots, err)
	}
	old := time.Now().Add(-31 * 24 * time.Hour)
	if got := gc(t, s, GCOptions{}); len(got.Objects) != 0 {
		t.Errorf("%+v", got)
	}
	must(t, os.Chtimes(s.path("roots/"+roots[0].Name), old, old))
	if got := gc(t, s, GCOptions{DryRun: true}); len(got.Objects) != 1 {
		t.Errorf("after the grace period: %+v", got)
	}
	must(t, os.Rename(dir+".away", dir))
	if got := gc(t, s, GCOptions{}); len(got.Objects) != 0 {
		t.Errorf("back again: %+v", got)
	}
	must(t, os.Remove(link))
	if got := gc(t, s, GCOptions{}); !slices.Equal(got.Objects, []store.Path{b.Path}) {
		t.Errorf("link removed: %+v", got)
	}
}

// A link that is removed with its directory, as that of a generation is, keeps nothing
// when the store is told; one that stays keeps its object.
func TestRemoveLinks(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	a, b := add(t, s, AddOptions{Name: "a"}, "f=1"), add(t, s, AddOptions{Name: "b"}, "f=2")
	register(t, s, a, b)
	s = reopen(t, s)
	top := t.TempDir()
	must(t, os.Symlink(top, top+"/alias"))
	var links []string
	for name, o := range map[string]store.Object{"1": a, "2": b} {
		must(t, os.Mkdir(top+"/"+name, 0o755))
		must(t, os.Symlink(s.PhysicalPath(o.Path), top+"/"+name+"/system"))
		must(t, s.AddIndirectRoots(ctx, top+"/"+name+"/system"))
		links = append(links, top+"/alias/"+name+"/system")
	}
	failed := errors.New("failed")
	if err := s.RemoveLinks(ctx, links, func() error { return failed }); err != failed {
		t.Errorf("got %v", err)
	}
	must(t, s.RemoveLinks(ctx, append(links, top+"/3/system"), func() error { return os.RemoveAll(top + "/1") }))
	if roots, err := s.Roots(ctx); err != nil || len(roots) != 1 || roots[0].Path != b.Path {
		t.Errorf("roots %+v, %v", roots, err)
	}
	if got := gc(t, s, GCOptions{}); !slices.Equal(got.Objects, []store.Path{a.Path}) {
		t.Errorf("collected %+v", got)
	}
}

func TestRootNames(t *testing.T) {
	s := newStore(t)
	a := add(t, s, AddOptions{Name: "a"}, "f=1")
	register(t, s, a)
	for _, name := range []string{"", "..", "../x", "auto/x", "/abs", "a//b", "a/../b", "a\nb", strings.Repeat("x/", 9) + "x"} {
		if err := s.AddRoot(t.Context(), name, a.Path); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
	must(t, s.AddRoot(t.Context(), "x/y/z", a.Path))
	if target, err := filepath.EvalSymlinks(s.path("roots/x/y/z")); err != nil || target != s.PhysicalPath(a.Path) {
		t.Errorf("%s, %v", target, err)
	}
	must(t, s.AddRoot(t.Context(), "x/y/z", a.Path))
	must(t, s.RemoveRoot(t.Context(), "no/such"))
	must(t, s.RemoveRoot(t.Context(), "x/y/z"))
	must(t, s.RemoveRoot(t.Context(), "x/y/z"))
	if roots, err := s.Roots(t.Context()); err != nil || len(roots) > 0 {
		t.Errorf("left: %v, %v", roots, err)
	}
}

// A root's name does not lead through another root, into its object.
func TestRootBelowRoot(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	o := add(t, s, AddOptions{}, "d/file=1")
	register(t, s, o)
	must(t, s.AddRoot(ctx, "x/y", o.Path))
	for _, name := range []string{"x/y/z", "x/y/d/z"} {
		if err := s.AddRoot(ctx, name, o.Path); err == nil || !strings.Contains(err.Error(), "x/y is a root itself") {
			t.Errorf("add %s: %v", name, err)
		}
	}
	must(t, s.RemoveRoot(ctx, "x/y/d/file"))
	verify(t, s)
}

// Without a listing nobody knows what it needs: nothing is removed then.
// TestRootIsMadeAside: a process that is killed while it makes a root leaves nothing but
// what a collector finds.
func TestRootIsMadeAside(t *testing.T) {
	s := newStore(t)
	o := add(t, s, AddOptions{Name: "o"}, "f=1")
	register(t, s, o)
	must(t, s.AddRoot(t.Context(), "dir/root", o.Path))
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(s.PhysicalPath(o.Path), link))
	must(t, s.AddIndirectRoots(t.Context(), link))
	aside := ""
	must(t, s.placeRoot("dir/other", func(tmp string) error {
		aside = filepath.Dir(tmp)
		return os.Symlink("../../store/"+string(o.Path), tmp)
	}))
	if aside != s.path("tmp") {
		t.Errorf("it was made in %q", aside)
	}
	if err := s.AddRoot(t.Context(), "dir", o.Path); err == nil {
		t.Error("a root in the place of a directory")
	}
	if left, err := os.ReadDir(s.path("tmp")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if roots, err := s.Roots(t.Context()); err != nil || len(roots) != 3 {
		t.Errorf("roots %+v, %v", roots, err)
	}
}

// A root that cannot be read may keep anything: nothing is collected, and the message
// names what is in the way.
func TestGCDamagedRoot(t *testing.T) {
	s := newStore(t)
	register(t, s, add(t, s, AddOptions{}, "f=1"))
	s = reopen(t, s)
	must(t, os.Mkdir(s.path("roots/auto"), 0o755))
	for name, damage := range map[string]func(path string) error{
		"auto/" + fakeID('z'): func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"direct":              func(path string) error { return os.Symlink("nowhere", path) },
	} {
		must(t, damage(s.path("roots/"+name)))
		want := "remove " + s.path("roots/"+name) + " if nothing needs it"
		if _, err := s.GC(t.Context(), GCOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		s.expectObjects(t, 1)
		must(t, os.Remove(s.path("roots/"+name)))
	}
	if got := gc(t, s, GCOptions{}); len(got.Objects) != 1 {
		t.Errorf("collected %+v", got)
	}
}

func TestGCDamaged(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	a := add(t, s, AddOptions{Name: "a"}, "d/f=1")
	b := add(t, s, AddOptions{Name: "b"}, "d/f=2")
	register(t, s, a, b)
	must(t, s.AddRoot(ctx, "a", a.Path))
	must(t, os.Remove(s.path("trees/"+shardName(a.Tree[0])+"/"+shardedName(a.Tree))))
	if _, err := s.GC(ctx, GCOptions{}); err == nil || !strings.Contains(err.Error(), string(a.Path)) {
		t.Errorf("got %v", err)
	}
	s.expectObjects(t, 2)
}

func TestVerifyFinds(t *testing.T) {
	s := newStore(t)
	o := add(t, s, AddOptions{Name: "o"}, "d/file=content", "d/tool*=tool", "link->x")
	register(t, s, o)
	verify(t, s)
	path := s.PhysicalPath(o.Path)
	blob := store.DigestOf([]byte("content"))
	damage := func(name string, change func(), want string) {
		t.Helper()
		change()
		if got := problems(t, s); !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	restore := func(change func()) { t.Helper(); change(); verify(t, s) }
	times := func(p string) {
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, storeTimes, unix.AT_SYMLINK_NOFOLLOW))
	}

	damage("bit flip", func() {
		must(t, os.Chmod(path+"/d/file", 0o644))
		must(t, os.WriteFile(path+"/d/file", []byte("c0ntent"), 0o444))
		must(t, os.Chmod(path+"/d/file", 0o444))
		times(path + "/d/file")
	}, "blobs/"+shardName(blob[0])+"/"+shardedName(blob)+": its contents have digest")
	restore(func() {
		must(t, os.Chmod(path+"/d/file", 0o644))
		must(t, os.WriteFile(path+"/d/file", []byte("content"), 0o444))
		must(t, os.Chmod(path+"/d/file", 0o444))
		times(path + "/d/file")
	})
	damage("mode", func() { must(t, os.Chmod(path+"/d", 0o755)) }, `"d": mode 0755, want 0555`)
	damage("stranger", func() { must(t, os.WriteFile(path+"/d/new", nil, 0o444)) }, `"d/new": it does not belong here`)
	must(t, os.Remove(path+"/d/new"))
	damage("gone", func() { must(t, os.Remove(path+"/d/file")) }, `"d/file": no such file`)
	damage("other file", func() {
		must(t, os.WriteFile(path+"/d/file", []byte("content?"), 0o444))
		times(path + "/d/file")
	}, `"d/file": its contents have digest`)
	must(t, os.Chmod(path, 0o755))
	damage("link", func() {
		must(t, os.Remove(path+"/link"))
		must(t, os.Symlink("y", path+"/link"))
	}, `"link": it leads to "y", want "x"`)
	damage("blob gone", func() {
		must(t, os.Remove(s.path("blobs/"+shardName(blob[0])+"/"+shardedName(blob))))
	}, `"d/file": blob `+blob.String()+" of 7 bytes is missing")
	damage("tree", func() {
		name := s.path("trees/" + shardName(o.Tree[0]) + "/" + shardedName(o.Tree))
		must(t, os.Chmod(name, 0o644))
		must(t, os.WriteFile(name, []byte("nonsense"), 0o444))
	}, "damaged: its bytes have digest")
}

// A power cut may leave a blob of the right name and size full of zeros.
func TestRecover(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	good := add(t, s, AddOptions{Name: "good"}, "f=synced")
	register(t, s, good)
	d, _, err := s.AddBlob(ctx, strings.NewReader("lost"))
	must(t, err)
	path := s.path("blobs/" + shardName(d[0]) + "/" + shardedName(d))
	zero := func(size int) {
		must(t, os.Chmod(path, 0o644))
		must(t, os.WriteFile(path, make([]byte, size), 0o444))
	}
	zero(4)
	must(t, os.WriteFile(s.path("trees/"+shardName(good.Tree[0])+"/.t-x"), nil, 0o444))
	_, err = s.CheckoutDir(ctx, good.Tree)
	must(t, err)
	marks, err := os.ReadDir(s.path("dirty"))
	if err != nil || len(marks) != 1 {
		t.Fatalf("marks %v, %v", marks, err)
	}
	must(t, s.Close())
	s = open(t, s.Dir())
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the same boot: %v", err)
	}
	must(t, s.Close())
	// Another boot.
	must(t, os.Rename(s.path("dirty/"+marks[0].Name()), s.path("dirty/some-other-boot")))
	s = open(t, s.Dir())
	if _, err := os.Stat(path); err == nil {
		t.Error("the zeros are still there")
	}
	if left, _ := os.ReadDir(s.path("checkouts")); len(left) > 0 {
		t.Errorf("checkouts left: %v", left)
	}
	if marks, err := os.ReadDir(s.path("dirty")); err != nil || len(marks) > 0 {
		t.Errorf("marks left: %v, %v", marks, err)
	}
	verify(t, s)
	if got, _, err := s.AddBlob(ctx, strings.NewReader("lost")); err != nil || got != d {
		t.Errorf("%s, %v", got, err)
	}
	verify(t, s)
}

// A file keeps an object for as long as the text is in it.
func TestFileRoots(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	a := add(t, s, AddOptions{Name: "a"}, "f=1")
	b := add(t, s, AddOptions{Name: "b"}, "f=2")
	register(t, s, a, b)
	s = reopen(t, s)
	dir := filepath.Join(t.TempDir(), "new\nline")
	must(t, os.Mkdir(dir, 0o755))
	file := filepath.Join(dir, "lock")
	write := func(text string) {
		t.Helper()
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	expect := func(why string, paths ...store.Path) {
		t.Helper()
		roots, err := s.Roots(ctx)
		must(t, err)
		var got []store.Path
		for _, r := range roots {
			if r.Link != file || r.Text == "" {
				t.Errorf("%s: %+v", why, r)
			}
			got = append(got, r.Path)
		}
		slices.Sort(got)
		slices.Sort(paths)
		if !slices.Equal(got, paths) {
			t.Errorf("%s: roots %v, want %v", why, got, paths)
		}
	}
	for _, text := range []string{"", "a\nb", strings.Repeat("x", maxRootText+1)} {
		if err := s.AddFileRoots(ctx, file, map[store.Path]string{a.Path: text}); err == nil {
			t.Errorf("the text %q is accepted", text)
		}
	}
	write("x one y two z")
	must(t, s.AddFileRoots(ctx, file, map[store.Path]string{a.Path: "one", b.Path: "two two"}))
	expect("one is there", a.Path)
	must(t, s.AddFileRoots(ctx, file, map[store.Path]string{b.Path: "two z"}))
	expect("both are there", a.Path, b.Path)
	if got := gc(t, s, GCOptions{DryRun: true}); len(got.Objects) != 0 {
		t.Errorf("%+v", got)
	}
	// Wherever in a long file it stands.
	for _, at := range []int{0, 64<<10 - 2, 64<<10 - 1, 64 << 10, 200_000} {
		write(strings.Repeat("-", at) + "one")
		expect(fmt.Sprintf("at %d", at), a.Path)
	}
	// Its disk is not mounted: what was known last counts, for a while.
	must(t, os.Rename(dir, dir+".away"))
	roots, err := s.Roots(ctx)
	if err != nil || len(roots) != 3 || !roots[0].Unreachable {
		t.Errorf("%+v, %v", roots, err)
	}
	if got := gc(t, s, GCOptions{DryRun: true}); len(got.Objects) != 0 {
		t.Errorf("%+v", got)
	}
	must(t, os.Rename(dir+".away", dir))
	// Not a file, and nobody who writes to it.
	must(t, os.Remove(file))
	must(t, unix.Mkfifo(file, 0o644))
	expect("a pipe")
	must(t, os.Remove(file))
	expect("gone")
	if got := gc(t, s, GCOptions{DryRun: true}); len(got.Objects) != 2 {
		t.Errorf("%+v", got)
	}
}
