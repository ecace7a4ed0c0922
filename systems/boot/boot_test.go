package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/store"
	"sysc/systems/rootdir"
)

func testEntry() *Entry {
	return &Entry{
		Title: "laptop, generation 12 (2026-05-01 10:00)", Version: "12", SortKey: OtherKey,
		Linux: "/sysc/0123/linux", Initrd: "/sysc/4567/initrd", Options: "sysc.generation=12 quiet console=ttyS0",
	}
}

// testdata/*.conf are what loaders get; they are compared byte by byte.
func TestRenderGolden(t *testing.T) {
	plain := testEntry()
	bare := testEntry()
	bare.Initrd, bare.Options, bare.SortKey = "", "", SelectedKey
	for name, e := range map[string]*Entry{"plain": plain, "bare": bare} {
		want, err := os.ReadFile(filepath.Join("testdata", name+".conf"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(e.Render())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		back, err := Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Errorf("%s read again (-want +got):\n%s", name, diff)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, change := range map[string]func(e *Entry){
		"line break":     func(e *Entry) { e.Options = "a\nlinux /evil" },
		"relative path":  func(e *Entry) { e.Linux = "sysc/linux" },
		"parent":         func(e *Entry) { e.Initrd = "/sysc/../initrd" },
		"no kernel":      func(e *Entry) { e.Linux = "" },
		"outer space":    func(e *Entry) { e.Title = " x" },
		"no UTF-8":       func(e *Entry) { e.Title = "\xff" },
		"space in path":  func(e *Entry) { e.Linux = "/a b" },
		"escape":         func(e *Entry) { e.Title = "a\x1b[2J" },
		"no version":     func(e *Entry) { e.Version = "" },
		"no sorting key": func(e *Entry) { e.SortKey = "" },
	} {
		e := testEntry()
		change(e)
		if err := e.Check(); err == nil {
			t.Errorf("%s: accepted %+v", name, e)
		}
	}
}

func TestParseFileName(t *testing.T) {
	for name, want := range map[string]int{
		"sysc-1.conf": 1, "sysc-42+3.conf": 42, "sysc-42+2-1.conf": 42, "sysc-42+0-3.conf": 42,
		"sysc-.conf": 0, "sysc-01.conf": 0, "sysc-1": 0, "other-1.conf": 0, "sysc--1.conf": 0, "sysc-1+.conf": 0,
		"sysc-1+3-.conf": 0, "sysc-1+x.conf": 0, "sysc-99999999999999999999.conf": 0, ".sysc-1.conf.sysc-new": 0,
	} {
		got, _, ok := ParseFileName(name)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%s: %d, %v; want %d", name, got, ok, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(testEntry().Render())
	f.Add([]byte("# comment\ntitle\tx\nversion 1\nsort-key a\nlinux /l\noptions a\noptions b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(e.Render())
		if err != nil {
			t.Fatalf("what was parsed cannot be rendered: %v", err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("changed by rendering (-first +second):\n%s", diff)
		}
	})
}

// newPartition returns an empty partition and its directory.
func newPartition(t *testing.T) (*Partition, string) {
	t.Helper()
	path := t.TempDir()
	dir, err := rootdir.Open(path, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return NewPartition(dir), path
}

func TestSelectOrdersEntries(t *testing.T) {
	p, _ := newPartition(t)
	for n := 1; n <= 3; n++ {
		e := testEntry()
		e.Version = string(rune('0' + n))
		if err := p.SetEntry(n, e, Tries{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, _, ok, err := p.Selected(); n != 3 || !ok || err != nil {
		t.Errorf("without a selection %d boots (%v, %v), want the newest", n, ok, err)
	}
	for _, want := range []int{1, 3, 2} {
		if err := p.Select(want, Tries{}); err != nil {
			t.Fatal(err)
		}
		if n, _, _, _ := p.Selected(); n != want {
			t.Errorf("selected %d, %d boots", want, n)
		}
	}
}

// TestFallbackIsWhatRanBefore: who has gone back to an older generation comes back to that
// one, not to the newest.
func TestFallbackIsWhatRanBefore(t *testing.T) {
	p, _ := newPartition(t)
	add := func(n int, tries Tries) {
		t.Helper()
		e := testEntry()
		e.Version = fmt.Sprint(n)
		if err := errors.Join(p.SetEntry(n, e, tries), p.Select(n, tries)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(n, good int) {
		t.Helper()
		if got, _, _, err := p.Selected(); got != n || err != nil {
			t.Errorf("%d boots, %v; want %d", got, err, n)
		}
		if got, _, err := p.LastGood(); got != good || err != nil {
			t.Errorf("the last good one is %d, %v; want %d", got, err, good)
		}
	}
	for n := 1; n <= 12; n++ { // more than there are keys
		add(n, Tries{})
	}
	want(12, 12)
	if err := p.Select(2, Tries{}); err != nil {
		t.Fatal(err)
	}
	want(2, 2)
	add(13, NewTries(1))
	want(13, 2)
	if given, err := p.GiveUp(13); !given || err != nil {
		t.Fatal(given, err)
	}
	want(2, 2)
	add(14, NewTries(1))
	want(14, 2)
	if err := p.RemoveEntry(2); err != nil {
		t.Fatal(err)
	}
	want(14, 12)
}

func TestBrokenEntryDoesNotBlock(t *testing.T) {
	p, path := newPartition(t)
	if err := p.SetEntry(2, testEntry(), Tries{}); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(path, "loader/entries/sysc-1.conf")
	if err := os.WriteFile(broken, []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.Select(2, Tries{}); err != nil {
		t.Error(err)
	}
	if n, _, ok, err := p.Selected(); n != 2 || !ok || err != nil {
		t.Errorf("%d boots, %v, %v", n, ok, err)
	}
}

func TestCountedEntryKeepsItsName(t *testing.T) {
	p, path := newPartition(t)
	e := testEntry()
	if err := p.SetEntry(2, e, Tries{}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(path, "loader/entries")
	if err := os.Rename(filepath.Join(dir, "sysc-2.conf"), filepath.Join(dir, "sysc-2+2-1.conf")); err != nil {
		t.Fatal(err)
	}
	if err := p.Select(2, Tries{}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "sysc-2+2-1.conf" {
		t.Errorf("entries %v, %v", entries, err)
	}
}

func TestFilesAreSharedAndChecked(t *testing.T) {
	p, path := newPartition(t)
	blobs := t.TempDir()
	content := []byte("kernel")
	d := store.DigestOf(content)
	opened := 0
	open := func(_ context.Context, want store.Digest) (*os.File, error) {
		opened++
		return os.Open(filepath.Join(blobs, want.Hex()))
	}
	if err := os.WriteFile(filepath.Join(blobs, d.Hex()), content, 0o644); err != nil {
		t.Fatal(err)
	}
	file := File{Name: "linux", Digest: d, Size: int64(len(content))}
	for range 2 {
		if err := p.Files(t.Context(), []File{file}, open); err != nil {
			t.Fatal(err)
		}
	}
	if opened != 1 {
		t.Errorf("copied %d times, want once", opened)
	}
	got, err := os.ReadFile(filepath.Join(path, file.Path()))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("boot file %q, %v", got, err)
	}
	// A store that rotted must not reach the boot partition.
	bad := File{Name: "initrd", Digest: store.DigestOf([]byte("initrd")), Size: 6}
	if err := os.WriteFile(filepath.Join(blobs, bad.Digest.Hex()), []byte("rotten"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.Files(t.Context(), []File{bad}, open); err == nil {
		t.Error("a damaged initrd was installed")
	}
	if _, err := os.Lstat(filepath.Join(path, bad.Path())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the damaged file stands: %v", err)
	}
}

func TestNoRoomIsKnownBeforehand(t *testing.T) {
	p, path := newPartition(t)
	huge := File{Name: "linux", Digest: store.DigestOf(nil), Size: 1 << 60}
	need, err := p.Need([]File{huge}, 1)
	if err != nil || need.Bytes < huge.Size || need.Fits() {
		t.Errorf("needs %+v, %v", need, err)
	}
	var space *SpaceError
	if err := p.CheckSpace(need, nil); !errors.As(err, &space) || space.Need < huge.Size || space.Delete != nil {
		t.Errorf("error %v", err)
	}
	if entries, _ := os.ReadDir(path); len(entries) > 0 {
		t.Errorf("something was written: %v", entries)
	}
}

// Generations share files: deleting one frees what no other has.
func TestSpaceErrorNamesWhatFreesEnough(t *testing.T) {
	p, path := newPartition(t)
	size := map[string]int64{"a": 3 << 20, "b": 5 << 20}
	for n, kernel := range []string{1: "a", 2: "a", 3: "b", 4: "b"} {
		if kernel == "" {
			continue
		}
		f := File{Name: "linux", Digest: store.DigestOf([]byte(kernel)), Size: size[kernel]}
		file := filepath.Join(path, f.Path())
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, make([]byte, f.Size), 0o644)); err != nil {
			t.Fatal(err)
		}
		e := testEntry()
		e.Linux, e.Initrd = f.Path(), ""
		if err := p.SetEntry(n, e, Tries{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		missing   int64
		removable []int
		want      []int
		frees     int64
	}{
		{1 << 20, []int{1, 2, 3}, []int{1, 2}, 3 << 20},
		{1 << 20, []int{1, 3}, nil, 0},
		{4 << 20, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}, 8 << 20},
		{4 << 20, []int{1, 2, 3}, nil, 0},
	} {
		need := Need{Bytes: c.missing, Free: spare}
		var space *SpaceError
		if err := p.CheckSpace(need, c.removable); !errors.As(err, &space) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, space.Delete); diff != "" || space.Frees != c.frees {
			t.Errorf("%+v: frees %d, delete (-want +got):\n%s", c, space.Frees, diff)
		}
	}
}

// What is there needs nothing; what is not takes whole blocks.
func TestNeed(t *testing.T) {
	p, path := newPartition(t)
	there := File{Name: "linux", Digest: store.DigestOf([]byte("there")), Size: 5}
	file := filepath.Join(path, there.Path())
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("there"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := p.SetEntry(1, testEntry(), Tries{}); err != nil {
		t.Fatal(err)
	}
	if need, err := p.Need([]File{there}, 1); err != nil || need.Bytes != 0 || !need.Fits() {
		t.Errorf("%+v, %v", need, err)
	}
	need, err := p.Need([]File{there, {Name: "initrd", Digest: store.DigestOf(nil), Size: 1}}, 2)
	_, block, _ := p.dir.Space()
	if want := 2*block + (maxUsualEntry+block-1)/block*block; err != nil || need.Bytes != want {
		t.Errorf("%+v, %v; want %d", need, err, want)
	}
}

// Loaders put an entry last that they have given up on, whatever its key; choosing it
// means to try it again.
func TestTries(t *testing.T) {
	p, path := newPartition(t)
	dir := filepath.Join(path, "loader/entries")
	for n := 1; n <= 3; n++ {
		e := testEntry()
		e.Version = strconv.Itoa(n)
		if err := p.SetEntry(n, e, NewTries(3)); err != nil {
			t.Fatal(err)
		}
	}
	boots := func(want int, tries Tries) {
		t.Helper()
		if n, got, _, err := p.Selected(); n != want || got != tries || err != nil {
			t.Errorf("%d boots, %+v, %v; want %d, %+v", n, got, err, want, tries)
		}
	}
	boots(3, NewTries(3))
	count := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	count("sysc-3+3.conf", "sysc-3+0-3.conf")
	boots(2, NewTries(3))
	count("sysc-2+3.conf", "sysc-2+1-2.conf")
	boots(2, Tries{true, 1, 2})
	if err := p.Select(2, NewTries(3)); err != nil {
		t.Fatal(err)
	}
	boots(2, Tries{true, 1, 2}) // what a loader counts is its own
	if err := p.Select(3, NewTries(2)); err != nil {
		t.Fatal(err)
	}
	boots(3, NewTries(2))
	count("sysc-3+2.conf", "sysc-3+0-2.conf")
	if err := p.Select(3, NewTries(0)); err != nil {
		t.Fatal(err)
	}
	boots(3, Tries{})
	if err := p.Retain(func(n int) bool { return n != 2 }); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 || left[0].Name() != "sysc-1+3.conf" || left[1].Name() != "sysc-3.conf" {
		t.Errorf("entries %v, %v", left, err)
	}
}

func TestRetain(t *testing.T) {
	p, path := newPartition(t)
	used := File{Name: "linux", Digest: store.DigestOf([]byte("used"))}
	unused := File{Name: "linux", Digest: store.DigestOf([]byte("unused"))}
	for n, f := range map[int]File{1: unused, 2: used} {
		e := testEntry()
		e.Linux, e.Initrd = f.Path(), ""
		if err := p.SetEntry(n, e, Tries{}); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(path, filepath.Dir(f.Path())), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	foreign := filepath.Join(path, "sysc/mine")
	if err := os.Mkdir(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := p.Retain(func(n int) bool { return n == 2 }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		filepath.Dir(used.Path()): true, filepath.Dir(unused.Path()): false, "sysc/mine": true,
		"loader/entries/sysc-1.conf": false, "loader/entries/sysc-2.conf": true,
	} {
		if _, err := os.Lstat(filepath.Join(path, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it to exist: %v", name, err, want)
		}
	}
}

// names are the entry files of a partition.
func names(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(path, EntriesDir))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// A generation is called good or given up; one is given up only when another one boots.
func TestBlessAndGiveUp(t *testing.T) {
	p, path := newPartition(t)
	for n, tries := range map[int]Tries{1: {}, 2: {Counted: true, Left: 2, Done: 1}, 3: NewTries(3)} {
		if err := p.SetEntry(n, testEntry(), tries); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Select(3, NewTries(3)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Bless(2), p.Bless(9)); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]bool{1: false, 2: false, 3: true, 9: false} { // good ones stay
		if given, err := p.GiveUp(n); err != nil || given != want {
			t.Errorf("give up %d: %v, %v", n, given, err)
		}
	}
	if diff := cmp.Diff([]string{"sysc-1.conf", "sysc-2.conf", "sysc-3+0-1.conf"}, names(t, path)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n, ok, err := p.LastGood(); n != 2 || !ok || err != nil {
		t.Errorf("last good one: %d, %v, %v", n, ok, err)
	}
	if n, ok, err := p.Wanted(); n != 3 || !ok || err != nil {
		t.Errorf("wanted: %d, %v, %v", n, ok, err)
	}
	if n, _, _, err := p.Selected(); n != 2 || err != nil {
		t.Errorf("boots: %d, %v", n, err)
	}
	for _, n := range []int{1, 2} {
		if err := p.RemoveEntry(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Select(3, NewTries(2)); err != nil {
		t.Fatal(err)
	}
	if given, err := p.GiveUp(3); err != nil || given { // there is nothing else
		t.Errorf("give up the last one: %v, %v", given, err)
	}
	if tries, ok, err := p.Tries(3); tries != NewTries(2) || !ok || err != nil {
		t.Errorf("tries: %v, %v, %v", tries, ok, err)
	}
}

func TestSetOneShot(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := SetOneShot(dir, 12); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"))
	want := append([]byte{7, 0, 0, 0}, []byte("s\x00y\x00s\x00c\x00-\x001\x002\x00.\x00c\x00o\x00n\x00f\x00\x00\x00")...)
	if err != nil || !bytes.Equal(data, want) {
		t.Errorf("%q, %v, want %q", data, err, want)
	}
	if err := SetOneShot(filepath.Join(dir, "none"), 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without UEFI: %v", err)
	}
}
