package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// viewFixture returns a sandbox with a view at /sysc/view of some entries of a
// directory, and the directory that is laid over them.
func viewFixture(t *testing.T, work string) (f *fixture, upper string) {
	t.Helper()
	f = newFixture(t)
	dir := filepath.Dir(f.build)
	must(t, os.Mkdir(filepath.Join(dir, "work"), 0o755))
	upper = filepath.Join(dir, "upper")
	e := &Entries{Dir: filepath.Join(dir, "entries"), Names: []string{"dir", "file", "missing"}}
	for _, d := range []string{upper, filepath.Join(e.Dir, "dir/sub"), filepath.Join(e.Dir, "secret/sub")} {
		must(t, os.MkdirAll(d, 0o755))
	}
	if work != "" {
		e.Work = filepath.Join(dir, work)
	}
	for _, name := range []string{"dir/f", "secret/f", "file", "other"} {
		must(t, os.WriteFile(filepath.Join(e.Dir, name), []byte("entry"), 0o666))
	}
	f.spec.Binds = append(f.spec.Binds, Bind{Source: upper, Target: "/sysc/view", Writable: true, Beneath: e})
	return f, upper
}

// A view is the same with an overlay and without, in either kind of root.
func TestView(t *testing.T) {
	for _, writable := range []bool{false, true} {
		for _, work := range []string{"work", "", "missing"} {
			for _, without := range []protection{0, nobodyBehind} {
				t.Run(fmt.Sprintf("writable=%t/work=%s/without=%d", writable, work, without), func(t *testing.T) {
					testView(t, writable, work, without)
				})
			}
		}
	}
}

func testView(t *testing.T, writable bool, work string, without protection) {
	f, upper := viewFixture(t, work)
	f.spec.WritableRoot, f.spec.without = writable, without
	f.builder("append",
		"/sysc/view/dir/f", "/sysc/view/dir/sub/new", "/sysc/view/file", "/sysc/view/secret/f", "/sysc/view/other",
		"/sysc/view/new", "/sysc/view/missing").expect(
		"/sysc/view/dir/f: EROFS", "/sysc/view/dir/sub/new: EROFS", "/sysc/view/file: EROFS", "/sysc/view/secret/f: ENOENT", "/sysc/view/other: ok",
		"/sysc/view/new: ok", "/sysc/view/missing: ok")
	f.builder("chmod", "/sysc/view/dir", "/sysc/view/file", "/sysc/view/dir/f", "/sysc/view/new").expect(
		"/sysc/view/dir: EROFS", "/sysc/view/file: EROFS", "/sysc/view/dir/f: EROFS", "/sysc/view/new: ok")
	f.builder("remove", "/sysc/view/dir", "/sysc/view/file", "/sysc/view/new").expect(
		"/sysc/view/dir: EBUSY", "/sysc/view/file: EBUSY", "/sysc/view/new: ok")
	f.builder("make-dir", "/sysc/view/tmp", "/sysc/view/tmp/sub", "/sysc/view/dir/new").expect(
		"/sysc/view/tmp: ok", "/sysc/view/tmp/sub: ok", "/sysc/view/dir/new: EROFS")
	f.builder("rename", "/sysc/view/tmp", "/sysc/view/made").expect("/sysc/view/tmp: ok")
	f.builder("rename", "/sysc/view/dir", "/sysc/view/moved").expect("/sysc/view/dir: EBUSY")
	var seen []string
	for line := range strings.Lines(f.builder("tree", "/sysc/view").output()) {
		seen = append(seen, strings.TrimPrefix(strings.TrimSpace(line), "/sysc/view"))
	}
	if want := []string{"", "/dir", "/dir/f", "/dir/sub", "/file", "/made", "/made/sub", "/missing", "/other"}; !slices.Equal(seen, want) {
		t.Errorf("inside: got %q, want %q", seen, want)
	}
	// What the builder made is in the directory itself, mount points only where
	// the file system takes no overlay.
	left, err := os.ReadDir(upper)
	must(t, err)
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	want := []string{"made", "missing", "other"}
	if work != "work" || !onDisk(t, upper) {
		want = []string{"dir", "file", "made", "missing", "other"}
	}
	if !slices.Equal(names, want) {
		t.Errorf("outside: got %q, want %q", names, want)
	}
	for _, path := range []string{"dir/f", "file", "other"} {
		if data, err := os.ReadFile(filepath.Join(filepath.Dir(upper), "entries", path)); err != nil || string(data) != "entry" {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
}

// onDisk reports whether a directory is on a usual file system, which takes
// overlays.
func onDisk(t *testing.T, dir string) bool {
	t.Helper()
	var st unix.Statfs_t
	must(t, unix.Statfs(dir, &st))
	return slices.Contains([]int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC}, int64(st.Type))
}

func TestViewErrors(t *testing.T) {
	for want, change := range map[string]func(b *Bind){
		"not writable":           func(b *Bind) { b.Writable = false },
		`entry "a/b"`:            func(b *Bind) { b.Beneath.Names = []string{"a/b"} },
		`entry ".."`:             func(b *Bind) { b.Beneath.Names = []string{".."} },
		`entry ""`:               func(b *Bind) { b.Beneath.Names = []string{""} },
		"not a clean":            func(b *Bind) { b.Beneath.Dir += "/" },
		"no such file":           func(b *Bind) { b.Beneath.Dir += "-no" },
		"not a directory":        func(b *Bind) { b.Beneath.Dir += "/file" },
		"symbolic links":         func(b *Bind) { b.Beneath.Names = []string{"link"} },
		"look at pipe: too many": func(b *Bind) { b.Beneath.Names = []string{"pipe"} },
	} {
		for _, without := range []protection{0, nobodyBehind} {
			f, _ := viewFixture(t, "work")
			f.spec.without = without
			view := &f.spec.Binds[len(f.spec.Binds)-1]
			must(t, os.Symlink("/etc", filepath.Join(view.Beneath.Dir, "link")))
			must(t, unix.Mkfifo(filepath.Join(view.Beneath.Dir, "pipe"), 0o644))
			change(view)
			if res, err := Run(t.Context(), f.builder("exit", "0").spec); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %+v, error %v, want one with %q", res, err, want)
			}
		}
	}
}
