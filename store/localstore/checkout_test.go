package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
)

// rootTree has every metadata that a root can have.
func rootTree(t testing.TB, s *Store) store.Digest {
	t.Helper()
	ctx := t.Context()
	b := tree.NewBuilder(s, store.Digest{})
	put := func(path string, e tree.Entry, content string) {
		t.Helper()
		var err error
		if e.Type == tree.File {
			e.Digest, e.Size, err = s.AddBlob(ctx, strings.NewReader(content))
			must(t, err)
		}
		must(t, b.Put(ctx, path, e))
	}
	put("bin/plain", tree.Entry{Type: tree.File, Mode: 0o755}, "plain")
	put("bin/su", tree.Entry{Type: tree.File, Mode: 0o4755}, "su")
	put("etc/shadow", tree.Entry{Type: tree.File, Mode: 0o640, GID: 42}, "shadow")
	put("etc/conf", tree.Entry{Type: tree.File, Mode: 0o644}, "conf")
	put("etc/same", tree.Entry{Type: tree.File, Mode: 0o644}, "plain")
	put("etc/empty", tree.Entry{Type: tree.File, Mode: 0o600, UID: 7, GID: 8}, "")
	put("var/mail/x", tree.Entry{Type: tree.File, Mode: 0o444, UID: 1000, GID: 8}, "mail")
	put("lib", tree.Entry{Type: tree.Link, Mode: 0o777, Target: "usr/lib"}, "")
	must(t, b.Mkdir(ctx, "var/mail", tree.Entry{Mode: 0o2775, GID: 8}))
	must(t, b.Mkdir(ctx, "tmp", tree.Entry{Mode: 0o1777}))
	d, _, err := b.Write(ctx, s)
	must(t, err)
	return d
}

func lstat(t testing.TB, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return st
}

func TestCheckout(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	root := rootTree(t, s)
	const owner = "user.sysc.owner"
	isRoot := os.Geteuid() == 0
	for _, tt := range []struct {
		opts store.CheckoutOptions
		// Octal modes, then "l" for a hard link to the store.
		su, shadow, conf string
		owners           map[string]string
	}{
		{store.CheckoutOptions{}, suMode(isRoot), "640", "644", nil},
		{store.CheckoutOptions{Link: true}, suMode(isRoot), "640", "444l", nil},
		{store.CheckoutOptions{OwnerXattr: owner}, "4755", "640", "644",
			map[string]string{"etc/shadow": "0:42", "var/mail": "0:8", "var/mail/x": "1000:8", "etc/empty": "7:8", "etc/conf": "", "bin": ""}},
		{store.CheckoutOptions{OwnerXattr: owner, Link: true}, "4755", "640", "444l",
			map[string]string{"etc/shadow": "0:42", "var/mail/x": "1000:8"}},
	} {
		t.Run(fmt.Sprintf("%+v", tt.opts), func(t *testing.T) {
			dst := filepath.Join(t.TempDir(), "root")
			must(t, s.Checkout(ctx, root, dst, tt.opts))
			show := func(name string) string {
				st := lstat(t, dst+"/"+name)
				if st.Mtim.Sec != 1 {
					t.Errorf("%s: modified at %d", name, st.Mtim.Sec)
				}
				text := fmt.Sprintf("%o", st.Mode&0o7777)
				if st.Nlink > 1 {
					text += "l"
				}
				return text
			}
			for name, want := range map[string]string{"bin/su": tt.su, "etc/shadow": tt.shadow, "etc/conf": tt.conf} {
				if got := show(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			for name, want := range map[string]uint32{"": 0o755, "tmp": 0o1777, "etc": 0o755} {
				if got := lstat(t, dst+"/"+name).Mode & 0o7777; got != want {
					t.Errorf("directory %q: %o, want %o", name, got, want)
				}
			}
			for name, want := range tt.owners {
				buf := make([]byte, 100)
				n, err := unix.Lgetxattr(dst+"/"+name, owner, buf)
				if want == "" && errors.Is(err, unix.ENODATA) {
					continue
				}
				if err != nil || string(buf[:n]) != want {
					t.Errorf("owner of %s: %q, %v; want %q", name, buf[:max(n, 0)], err, want)
				}
			}
			for name, want := range map[string]string{"bin/plain": "plain", "etc/same": "plain", "etc/empty": ""} {
				if name == "etc/empty" && !isRoot {
					must(t, os.Chmod(dst+"/"+name, 0o600))
				}
				if got, err := os.ReadFile(dst + "/" + name); err != nil || string(got) != want {
					t.Errorf("%s: %q, %v", name, got, err)
				}
			}
			if target, err := os.Readlink(dst + "/lib"); err != nil || target != "usr/lib" {
				t.Errorf("lib: %q, %v", target, err)
			}
			if err := s.Checkout(ctx, root, dst, tt.opts); err == nil || !strings.Contains(err.Error(), "not empty") {
				t.Errorf("into a directory that is not empty: %v", err)
			}
		})
	}
	verify(t, s)
}

// suMode is what is left of a setuid root file: for anybody else it would be
// setuid to them.
func suMode(isRoot bool) string {
	if isRoot {
		return "4755"
	}
	return "755"
}

// Writing into a copy leaves the store alone.
func TestCheckoutCopyIsIndependent(t *testing.T) {
	s := newStore(t)
	dst := filepath.Join(t.TempDir(), "root")
	must(t, s.Checkout(t.Context(), rootTree(t, s), dst, store.CheckoutOptions{OwnerXattr: "user.o"}))
	must(t, os.WriteFile(dst+"/etc/conf", []byte("changed"), 0))
	must(t, os.Truncate(dst+"/bin/plain", 0))
	verify(t, s)
}

func TestCheckoutChown(t *testing.T) {
	if os.Geteuid() != 0 {
		// Without privileges it has to say so, not to leave owners out.
		s := newStore(t)
		err := s.Checkout(t.Context(), rootTree(t, s), filepath.Join(t.TempDir(), "r"), store.CheckoutOptions{Chown: true})
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("got %v, want EPERM", err)
		}
		return
	}
	ctx := t.Context()
	s := newStore(t)
	b := tree.NewBuilder(s, rootTree(t, s))
	// VFS_CAP_REVISION_2 with cap_net_raw, as ping has it.
	capability := tree.Xattr{Name: "security.capability", Value: "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	ping, _, err := b.Get(ctx, "bin/plain")
	must(t, err)
	ping.Xattrs = []tree.Xattr{capability}
	must(t, b.Put(ctx, "bin/ping", ping))
	must(t, b.Put(ctx, "etc/l", tree.Entry{Type: tree.Link, Mode: 0o777, UID: 5, GID: 6, Target: "x"}))
	sgid := ping
	sgid.Mode, sgid.GID, sgid.Xattrs = 0o2755, 42, nil
	must(t, b.Put(ctx, "bin/chage", sgid))
	root, _, err := b.Write(ctx, s)
	must(t, err)
	for _, link := range []bool{false, true} {
		dst := filepath.Join(t.TempDir(), "root")
		must(t, s.Checkout(ctx, root, dst, store.CheckoutOptions{Chown: true, Link: link}))
		o, err := s.AddDir(ctx, dst, &AddOptions{Name: "r", Kind: store.KindRoot, OutsideLinks: true})
		must(t, err)
		err = tree.Diff(ctx, s, root, o.Tree, func(c tree.Change) error {
			// A link takes the write bits away, and nothing else.
			if c.Old != nil && c.New != nil && link {
				old := *c.Old
				old.Mode &^= 0o222
				if old.Equal(*c.New) {
					return nil
				}
			}
			t.Errorf("link %v: %s: %+v, want %+v", link, c.Path, c.New, c.Old)
			return nil
		})
		must(t, err)
	}
	verify(t, s)
}

func TestCheckoutDir(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	root := rootTree(t, s)
	var wg sync.WaitGroup
	dirs := make([]string, 4)
	for i := range dirs {
		wg.Go(func() {
			dir, err := s.CheckoutDir(ctx, root)
			if err != nil {
				t.Error(err)
				return
			}
			dirs[i] = dir
		})
	}
	wg.Wait()
	if len(slices.Compact(dirs)) != 1 {
		t.Fatalf("several directories: %v", dirs)
	}
	for name, want := range map[string]uint32{
		"": 0o555, "etc": 0o555, "bin/plain": 0o555, "bin/su": 0o555, "etc/shadow": 0o444, "etc/conf": 0o444, "etc/same": 0o444, "tmp": 0o555,
	} {
		st := lstat(t, dirs[0]+"/"+name)
		if got := st.Mode & 0o7777; got != want || st.Mtim.Sec != 1 {
			t.Errorf("%q: mode %o, time %d; want %o, 1", name, got, st.Mtim.Sec, want)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink < 2 {
			t.Errorf("%q is no link to the store", name)
		}
	}
	if _, err := s.CheckoutDir(ctx, store.Digest{1}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("unknown tree: %v", err)
	}
	if left, _ := os.ReadDir(s.path("tmp")); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

// What cannot be linked, as to another file system, is copied.
func TestLinkElsewhere(t *testing.T) {
	s := newStore(t)
	d, _, err := s.AddBlob(t.Context(), strings.NewReader("x"))
	must(t, err)
	if _, err := os.Stat("/dev/shm"); err != nil {
		t.Fatal("needs /dev/shm, a second file system")
	}
	dst, err := os.MkdirTemp("/dev/shm", "sysc")
	must(t, err)
	defer os.RemoveAll(dst)
	root, err := s.AddTree(t.Context(), &tree.Tree{Entries: []tree.Entry{
		{Name: "x", Type: tree.File, Mode: 0o644, Size: 1, Digest: d}}})
	must(t, err)
	must(t, s.Checkout(t.Context(), root, dst+"/c", store.CheckoutOptions{Link: true}))
	if got, err := os.ReadFile(dst + "/c/x"); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCheckoutDamagedBlob(t *testing.T) {
	s := newStore(t)
	root := rootTree(t, s)
	d := store.DigestOf([]byte("shadow"))
	path := s.path("blobs/" + shardName(d[0]) + "/" + shardedName(d))
	must(t, os.Chmod(path, 0o644))
	must(t, os.WriteFile(path, []byte("short"), 0o444))
	err := s.Checkout(t.Context(), root, filepath.Join(t.TempDir(), "r"), store.CheckoutOptions{})
	if err == nil || !strings.Contains(err.Error(), "has 5 bytes, the listing says 6") {
		t.Errorf("got %v", err)
	}
	must(t, os.Remove(path))
	err = s.Checkout(t.Context(), root, filepath.Join(t.TempDir(), "r"), store.CheckoutOptions{})
	if !errors.Is(err, store.ErrNotExist) {
		t.Errorf("missing blob: %v", err)
	}
}

// What builders leave is removed, whatever it is, and nothing else.
func TestRemoveHostile(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	outside := t.TempDir()
	must(t, os.WriteFile(outside+"/keep", nil, 0o644))
	dir, remove, err := s.TempDir(ctx, "build")
	must(t, err)
	// Deeper than any path may be long.
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	for range 3000 {
		must(t, unix.Mkdirat(at, "d", 0o755))
		next, err := unix.Openat(at, "d", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		must(t, unix.Symlinkat(outside, at, "link"))
		must(t, unix.Fchmod(at, 0o500))
		unix.Close(at)
		at = next
	}
	unix.Close(at)
	must(t, os.Chmod(dir, 0o700))
	must(t, os.MkdirAll(dir+"/closed/inner", 0o755))
	must(t, os.Chmod(dir+"/closed/inner", 0))
	must(t, os.Chmod(dir+"/closed", 0))
	must(t, unix.Mkfifo(dir+"/pipe", 0o644))
	must(t, remove())
	if left, _ := os.ReadDir(s.path("tmp")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := os.Stat(outside + "/keep"); err != nil {
		t.Errorf("followed a link: %v", err)
	}
	if _, _, err := s.TempDir(ctx, "../x"); err == nil {
		t.Error("a pattern that leads outside was accepted")
	}
}

// While it is removed, a directory is swapped for a link again and again
// (CVE-2025-46415): what the link leads to stays.
func TestRemoveRace(t *testing.T) {
	s := newStore(t)
	outside := t.TempDir()
	must(t, os.MkdirAll(outside+"/victim/sub", 0o755))
	for range 100 {
		dir, remove, err := s.TempDir(t.Context(), "build")
		must(t, err)
		must(t, os.MkdirAll(dir+"/victim/sub/more", 0o755))
		must(t, os.Symlink(outside+"/victim", dir+"/link"))
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				unix.Renameat2(unix.AT_FDCWD, dir+"/victim", unix.AT_FDCWD, dir+"/link", unix.RENAME_EXCHANGE)
			}
		})
		remove() // an error is fine: somebody works against it
		stop()
		wg.Wait()
		if _, err := os.Stat(outside + "/victim/sub"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSameContentManyTimes: directories that are written at the same time, all
// with the same new contents, each of which some goroutine makes first.
func TestSameContentManyTimes(t *testing.T) {
	s := newStore(t)
	for i := range 60 {
		var files []string
		for d := range 16 {
			files = append(files, fmt.Sprintf("d%d/tool*=%d", d, i), fmt.Sprintf("d%d/file=file %d", d, i))
		}
		register(t, s, add(t, s, AddOptions{Name: "same"}, files...))
	}
	verify(t, s)
}

// Extended attributes are written under the names that the caller has for them.
func TestCheckoutRecordsXattrs(t *testing.T) {
	s := newStore(t)
	b := tree.NewBuilder(s, store.Digest{})
	d, n, err := s.AddBlob(t.Context(), strings.NewReader("text"))
	must(t, err)
	xattrs := []tree.Xattr{{Name: "security.capability", Value: "c"}, {Name: "system.posix_acl_access", Value: "a"}, {Name: "user.mine", Value: "m"}}
	must(t, b.Put(t.Context(), "dir/file", tree.Entry{Type: tree.File, Mode: 0o600, Digest: d, Size: n, Xattrs: xattrs}))
	must(t, b.Mkdir(t.Context(), "dir", tree.Entry{Type: tree.Dir, Mode: 0o755, Xattrs: xattrs}))
	root, _, err := b.Write(t.Context(), s)
	must(t, err)
	names := map[string]string{"system.posix_acl_access": "user.acl", "user.mine": "user.mine"}
	opts := store.CheckoutOptions{OwnerXattr: "user.o", RecordedXattr: func(name string) (string, bool) {
		recorded, ok := names[name]
		return recorded, ok
	}}
	dst := filepath.Join(t.TempDir(), "root")
	must(t, s.Checkout(t.Context(), root, dst, opts))
	for _, path := range []string{"dir", "dir/file"} {
		for name, want := range map[string]string{"user.acl": "a", "user.mine": "m", "user.o": "", "security.capability": ""} {
			value := make([]byte, 10)
			n, err := unix.Lgetxattr(filepath.Join(dst, path), name, value)
			if want == "" && err == unix.ENODATA {
				continue
			}
			if err != nil || string(value[:n]) != want {
				t.Errorf("%s: %s is %q, %v, want %q", path, name, value[:max(n, 0)], err, want)
			}
		}
	}
}
