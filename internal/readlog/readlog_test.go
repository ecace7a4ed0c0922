package readlog

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// write makes a file, and directories for it.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// example makes a directory with all kinds of things.
func example(t *testing.T) string {
	dir := t.TempDir()
	write(t, dir+"/a.x", "a")
	write(t, dir+"/sub/b.x", "b")
	write(t, dir+"/sub/deep/c", "c")
	if err := errors.Join(os.Symlink("a.x", dir+"/link"), os.Symlink("../a.x", dir+"/sub/up")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCheck changes what was read, one thing at a time.
func TestCheck(t *testing.T) {
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { write(t, filepath.Join(dir, name), text) }
	}
	chmod := func(name string, mode fs.FileMode) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	relink := func(target string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := errors.Join(os.Remove(dir+"/link"), os.Symlink(target, dir+"/link")); err != nil {
				t.Fatal(err)
			}
		}
	}
	nothing := func(*testing.T, string) {}
	for _, c := range []struct {
		name   string
		read   func(l *Log, r *Root)
		change func(t *testing.T, dir string)
		want   string // what has changed, "" for nothing
	}{
		{"nothing", everything, nothing, ""},
		{"content", readFile("a.x"), put("a.x", "b"), "content of"},
		{"content of another", readFile("a.x"), put("sub/b.x", "x"), ""},
		{"content beyond the limit", func(_ *Log, r *Root) { r.ReadFile("a.x", 1) }, put("a.x", "ab"), ""},
		{"content through a link", readFile("link"), put("a.x", "b"), "content of"},
		{"same content", readFile("a.x"), put("a.x", "a"), ""},
		{"mode with the content", readFile("a.x"), chmod("a.x", 0o755), "content of"},
		{"link to the same content", readFile("link"), func(t *testing.T, dir string) {
			put("other", "a")(t, dir)
			relink("other")(t, dir)
		}, ""},
		{"link that leaves", readFile("link"), func(t *testing.T, dir string) {
			outside := filepath.Join(t.TempDir(), "a")
			write(t, outside, "a")
			relink(outside)(t, dir)
		}, "content of"},
		{"content below", readFile("sub/deep/c"), put("sub/deep/c", "d"), "content of"},
		{"several below", func(_ *Log, r *Root) {
			for _, name := range []string{"sub/b.x", "sub/deep/c", "sub/none", "sub/deep/none", "a.x", "sub/b.x/x"} {
				r.ReadFile(name, math.MaxInt64)
			}
		}, nothing, ""},
		{"link out of a directory below", readFile("sub/up"), nothing, ""},
		{"link out of a directory below that leads elsewhere", readFile("sub/up"), put("a.x", "b"), "content of"},
		{"link below that leaves all", readFile("sub/b.x"), func(t *testing.T, dir string) {
			outside := filepath.Join(t.TempDir(), "b")
			write(t, outside, "b")
			if err := errors.Join(os.Remove(dir+"/sub/b.x"), os.Symlink(outside, dir+"/sub/b.x")); err != nil {
				t.Fatal(err)
			}
		}, "content of"},
		{"directory that becomes a link", readFile("sub/deep/c"), func(t *testing.T, dir string) {
			outside := t.TempDir()
			write(t, outside+"/c", "c")
			if err := errors.Join(os.RemoveAll(dir+"/sub/deep"), os.Symlink(outside, dir+"/sub/deep")); err != nil {
				t.Fatal(err)
			}
		}, "content of"},
		{"removed", readFile("a.x"), remove("a.x"), "content of"},
		{"absent", readFile("none"), nothing, ""},
		{"absent no more", readFile("none"), put("none", ""), "content of"},
		{"no regular file", readFile("sub"), nothing, ""},
		{"hash", func(l *Log, _ *Root) { l.Hash(rootOf(l, "a.x")) }, put("a.x", "b"), "content of"},
		{"mode", func(_ *Log, r *Root) { r.Stat("a.x") }, chmod("a.x", 0o755), "mode of"},
		{"size", func(_ *Log, r *Root) { r.Stat("a.x") }, put("a.x", "aa"), "mode of"},
		{"mode, not content", func(_ *Log, r *Root) { r.Stat("a.x") }, put("a.x", "b"), ""},
		{"mode of a directory", func(_ *Log, r *Root) { r.Stat("sub") }, put("sub/new", ""), ""},
		{"file that becomes a link", func(_ *Log, r *Root) { r.Lstat("a.x") }, func(t *testing.T, dir string) {
			if err := errors.Join(os.Rename(dir+"/a.x", dir+"/was"), os.Symlink("was", dir+"/a.x")); err != nil {
				t.Fatal(err)
			}
		}, "mode of"},
		{"list", func(_ *Log, r *Root) { r.ReadDir(".") }, put("new", ""), "list of"},
		{"list of others", func(_ *Log, r *Root) { r.ReadDir(".", ".x") }, put("new", ""), ""},
		{"list by suffix", func(_ *Log, r *Root) { r.ReadDir(".", ".y", ".x") }, put("new.x", ""), "list of"},
		{"list that lost one", func(_ *Log, r *Root) { r.ReadDir(".", ".x") }, remove("a.x"), "list of"},
		{"absent directory", func(_ *Log, r *Root) { r.ReadDir("none") }, put("none/x", ""), "list of"},
		{"walk", func(_ *Log, r *Root) { r.WalkDir("sub", ignore) }, put("sub/deep/new", ""), "list of"},
		{"walk elsewhere", func(_ *Log, r *Root) { r.WalkDir("sub", ignore) }, put("new", ""), ""},
		{"target", func(_ *Log, r *Root) { r.Readlink("link") }, relink("sub"), "target of"},
		{"real path", func(l *Log, _ *Root) { l.RealPath(rootOf(l, "link")) }, relink("sub"), "real path of"},
		{"directory that was not there", func(l *Log, _ *Root) { l.OpenRoot(rootOf(l, "none")) }, put("none/x", ""), "directory"},
		{"fact", func(l *Log, _ *Root) { l.Note("x", "1"); l.Note("y", "other") }, nothing, "value of y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := example(t)
			l := New()
			r, err := l.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			l.Note("dir", dir)
			c.read(l, r)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			c.change(t, dir)
			facts := func(name string) string { return map[string]string{"dir": dir, "x": "1", "y": "2"}[name] }
			for _, l := range []*Log{l, decoded(t, l)} {
				if changed, _ := l.Check(facts); !strings.HasPrefix(changed, c.want) || (changed == "") != (c.want == "") {
					t.Errorf("changed is %q, want %q", changed, c.want)
				}
			}
		})
	}
}

func ignore(string, fs.DirEntry, error) error { return nil }

func readFile(name string) func(*Log, *Root) {
	return func(_ *Log, r *Root) { r.ReadFile(name, math.MaxInt64) }
}

// rootOf is a path below the directory of [example].
func rootOf(l *Log, name string) string { return filepath.Join(l.reads[0].answer, name) }

// everything asks everything.
func everything(l *Log, r *Root) {
	for _, name := range []string{"a.x", "link", "sub", "none"} {
		r.Stat(name)
		r.Lstat(name)
		r.Readlink(name)
		r.ReadFile(name, 100)
		r.Hash(name)
		r.ReadDir(name)
		path := rootOf(l, name)
		l.Stat(path)
		l.Lstat(path)
		l.ReadFile(path, 100)
		l.Hash(path)
		l.RealPath(path)
	}
	r.WalkDir(".", ignore)
}

func decoded(t *testing.T, l *Log) *Log {
	t.Helper()
	got, err := Decode(string(l.Append([]byte("x"))[1:]))
	if err != nil || !slices.Equal(got.reads, l.reads) {
		t.Fatalf("decoded %v, %v", got, err)
	}
	return got
}

// TestStamps shows that a file is not read once more when nothing about it has
// changed, and that it is when it was changed so shortly before that another change
// would not show.
func TestStamps(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "old")
	info, err := os.Stat(dir + "/f")
	if err != nil {
		t.Fatal(err)
	}
	if s := stampOf(info, time.Now()); s != (stamp{}) {
		t.Errorf("a new file has the stamp %v", s)
	}
	later := time.Now().Add(racy + time.Second)
	s := stampOf(info, later)
	if s == (stamp{}) || s.size != 3 {
		t.Fatalf("an old file has the stamp %v", s)
	}
	// An answer that no reading would give shows that there was none.
	q := question{op: opContent, name: dir + "/f", arg: limitArg(100)}
	if got, _ := ask(q, place{nil, q.name}, s, "known"); got == "known" {
		t.Error("the stamp of a new file was trusted")
	}
	waitUntilOld(t, dir+"/f")
	if got, _ := ask(q, place{nil, q.name}, s, "known"); got != "known" {
		t.Error("the file was read once more")
	}
	write(t, dir+"/f", "new")
	restoreTimes(t, dir+"/f", info.ModTime())
	if got, _ := ask(q, place{nil, q.name}, s, "known"); got == "known" {
		t.Error("a file of the same size and time was not read once more")
	}
}

// waitUntilOld waits until a file is so old that its times tell.
func waitUntilOld(t *testing.T, name string) {
	t.Helper()
	for {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if stampOf(info, time.Now()) != (stamp{}) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func restoreTimes(t *testing.T, name string, to time.Time) {
	t.Helper()
	ts := unix.NsecToTimespec(to.UnixNano())
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{ts, ts}, 0); err != nil {
		t.Fatal(err)
	}
}

// TestRenewed shows that stamps are taken anew when the content is as it was.
func TestRenewed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "text")
	l := New()
	if _, err := l.ReadFile(dir+"/f", 100); err != nil {
		t.Fatal(err)
	}
	if l.reads[0].stamp != (stamp{}) {
		t.Fatal("a new file has a stamp")
	}
	waitUntilOld(t, dir+"/f")
	for _, want := range []bool{true, false} {
		if changed, renewed := l.Check(nil); changed != "" || renewed != want {
			t.Errorf("changed %q, renewed %v, want %v", changed, renewed, want)
		}
	}
}

// TestAfter shows that a file is hashed once more when it is not as it was, and only
// then.
func TestAfter(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "text")
	write(t, dir+"/g", "other")
	waitUntilOld(t, dir+"/g")
	first := New()
	want, err := first.Hash(dir + "/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Hash(dir + "/g"); err != nil {
		t.Fatal(err)
	}
	again, err := After(first).Hash(dir + "/f")
	if err != nil || again != want {
		t.Errorf("got %+v, %v, want %+v", again, err, want)
	}
	// Another hash in the log shows that it is taken from there.
	r := &first.reads[0]
	r.answer = r.answer[:len(r.answer)-1] + "x"
	second := After(decoded(t, first))
	if got, err := second.Hash(dir + "/f"); err != nil || got.SHA256 == want.SHA256 || got.Size != 4 || got.Mode != want.Mode {
		t.Errorf("got %+v, %v", got, err)
	}
	if changed, _ := second.Check(nil); changed != "" || len(second.reads) != 1 {
		t.Errorf("what was taken over is not noted, or wrongly: %q, %v", changed, second.Questions())
	}
	if err := os.Chmod(dir+"/f", 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := After(first).Hash(dir + "/f"); err != nil || got.SHA256 != want.SHA256 || got.Mode == want.Mode {
		t.Errorf("after a change: %+v, %v", got, err)
	}
	if got, err := After(nil).Hash(dir + "/f"); err != nil || got.SHA256 != want.SHA256 {
		t.Errorf("after nothing: %+v, %v", got, err)
	}
}

// TestSpoiled shows when a log is good for nothing.
func TestSpoiled(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", "old")
	l := New()
	l.ReadFile(dir+"/f", 100)
	l.ReadFile(dir+"/f", 100)
	if why := l.Spoiled(); why != "" || len(l.Questions()) != 1 {
		t.Errorf("spoiled: %q", why)
	}
	write(t, dir+"/f", "newer")
	l.ReadFile(dir+"/f", 100)
	if why := l.Spoiled(); !strings.Contains(why, "changed meanwhile") {
		t.Errorf("spoiled: %q", why)
	}
	l = New()
	l.Spoil("first")
	l.Spoil("second")
	if why := l.Spoiled(); why != "first" {
		t.Errorf("spoiled: %q", why)
	}
}

// TestNil shows that reading works without a log.
func TestNil(t *testing.T) {
	dir := example(t)
	var l *Log
	r, err := l.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := r.ReadFile("link", 100); string(got) != "a" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := r.ReadFile("sub", 100); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a directory: %v", err)
	}
	if entries, err := r.ReadDir(".", ".x"); len(entries) != 1 || err != nil {
		t.Errorf("listed %v, %v", entries, err)
	}
	var walked []string
	err = r.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
		walked = append(walked, name)
		return err
	})
	if want := []string{".", "a.x", "link", "sub", "sub/b.x", "sub/deep", "sub/deep/c", "sub/up"}; !slices.Equal(walked, want) || err != nil {
		t.Errorf("walked %v, %v", walked, err)
	}
	l.Spoil("nothing")
}

// TestPipes shows that nothing waits for who writes to a pipe.
func TestPipes(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(dir+"/p", 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := New().OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.ReadFile("p", 100); !errors.Is(err, ErrNotRegular) {
		t.Errorf("read a pipe: %v", err)
	}
	if _, err := r.ReadDir("p"); err == nil {
		t.Error("listed a pipe")
	}
}

func FuzzDecode(f *testing.F) {
	l := New()
	l.Note("x", "1")
	l.ReadFile(filepath.Join(f.TempDir(), "none"), 10)
	l.Lstat("/")
	l.reads[0].stamp = stamp{1, 2, 3, 4, 5}
	f.Add(string(l.Append(nil)))
	f.Add("")
	f.Fuzz(func(t *testing.T, data string) {
		l, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(string(l.Append(nil)))
		if err != nil || !slices.Equal(again.reads, l.reads) {
			t.Errorf("decoded twice: %v, %v", again, err)
		}
	})
}
