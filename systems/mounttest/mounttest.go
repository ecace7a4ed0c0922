// Package mounttest compares mounted file systems with the trees that they were made of,
// for tests of what makes them.
package mounttest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/internal/posixacl"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

// OwnMounts gives the goroutine of a test a mount namespace, which goes with it.
func OwnMounts(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Skipf("only root with CAP_SYS_ADMIN can mount a file system: %v", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}

// journal is an access control list as systemd gives the directory of the journal: the
// group adm may read it.
var journal = posixacl.ACL{
	{Tag: posixacl.UserObj, Perm: 7, ID: posixacl.NoID}, {Tag: posixacl.GroupObj, Perm: 5, ID: posixacl.NoID},
	{Tag: posixacl.Group, Perm: 5, ID: 4}, {Tag: posixacl.Mask, Perm: 5, ID: posixacl.NoID}, {Tag: posixacl.Other, Perm: 5, ID: posixacl.NoID},
}

// journalDir is a directory with access control lists.
const journalDir = "var/log/journal"

// A World is a store with a root tree that has a bit of everything.
type World struct {
	*localstore.Store
	// Dir is the directory of the store, Root the tree.
	Dir  string
	Root store.Digest
}

// NewWorld returns one in a new store, which is closed after the test.
func NewWorld(t testing.TB) *World {
	t.Helper()
	dir := t.TempDir()
	s, err := localstore.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &World{Store: s, Dir: dir}
	b := tree.NewBuilder(s, store.Digest{})
	put := func(path string, e tree.Entry) {
		if err := b.Put(t.Context(), path, e); err != nil {
			t.Fatal(err)
		}
	}
	file := func(path string, mode, uid, gid uint32, content string, xattrs ...tree.Xattr) {
		e := tree.Entry{Type: tree.File, Mode: mode, UID: uid, GID: gid, Xattrs: xattrs}
		var err error
		if e.Digest, e.Size, err = s.AddFile(t.Context(), strings.NewReader(content), e.Executable()); err != nil {
			t.Fatal(err)
		}
		put(path, e)
	}
	file("etc/hostname", 0o644, 0, 0, "host\n")
	file("etc/shadow", 0o640, 0, 42, "root:*\n")
	file("etc/empty", 0o600, 7, 7, "")
	file("usr/bin/su", 0o4755, 0, 0, strings.Repeat("su", 9000))
	file("usr/bin/ping", 0o755, 0, 0, "ping", tree.Xattr{Name: "security.capability", Value: "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"})
	file("usr/bin/ping2", 0o755, 0, 0, "ping", tree.Xattr{Name: "user.note", Value: "x"})
	file("usr/block", 0o644, 0, 0, strings.Repeat("b", 4096))
	file("usr/large", 0o644, 70000, 80000, strings.Repeat("large", 100000))
	file("usr/odd\n\xff name", 0o000, 0, 0, "odd")
	file("ab/cd", 0o644, 0, 0, "a directory as the blobs have")
	put("bin", tree.Entry{Type: tree.Link, Mode: 0o777, Target: "usr/bin"})
	put("usr/long", tree.Entry{Type: tree.Link, Mode: 0o777, UID: 3, Target: strings.Repeat("x", 4095)})
	put("tmp", tree.Entry{Type: tree.Dir, Mode: 0o1777})
	put(journalDir, tree.Entry{Type: tree.Dir, Mode: 0o2755, UID: 0, GID: 999, Xattrs: []tree.Xattr{
		{Name: posixacl.Access, Value: journal.Encode()}, {Name: posixacl.Default, Value: journal.Encode()},
	}})
	put("home/ada", tree.Entry{Type: tree.Dir, Mode: 0o2750, UID: 1000, GID: 1001, Xattrs: []tree.Xattr{{Name: "user.dir", Value: "y"}}})
	for i := range 300 {
		file(fmt.Sprintf("usr/many/%d-%s", i, strings.Repeat("n", 100)), 0o644, 0, 0, fmt.Sprint(i))
	}
	w.Root, _, err = b.Write(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// WithoutACL returns a world whose tree has no access control lists, for what is made by
// a file system that cannot hold them. The mode of who has one is as with it.
func (w *World) WithoutACL(t testing.TB) *World {
	t.Helper()
	b := tree.NewBuilder(w, w.Root)
	e, ok, err := b.Get(t.Context(), journalDir)
	if err != nil || !ok || len(e.Xattrs) == 0 {
		t.Fatal(e, ok, err)
	}
	e.Xattrs = nil
	if err := b.Mkdir(t.Context(), journalDir, e); err != nil {
		t.Fatal(err)
	}
	out := *w
	if out.Root, _, err = b.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return &out
}

// Compare compares everything below a mount with the tree, both ways.
func (w *World) Compare(t testing.TB, dir string) {
	t.Helper()
	paths := 0
	err := tree.Walk(t.Context(), w, w.Root, func(path string, e tree.Entry) error {
		paths++
		if err := w.compareEntry(t.Context(), filepath.Join(dir, path), e); err != nil {
			t.Errorf("%q: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		paths--
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if paths != -1 { // the top is in one of the two only
		t.Errorf("the mount has %d paths too many", -paths-1)
	}
}

func (w *World) compareEntry(ctx context.Context, path string, e tree.Entry) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	types := map[tree.Type]uint32{tree.File: unix.S_IFREG, tree.Dir: unix.S_IFDIR, tree.Link: unix.S_IFLNK}
	if want := types[e.Type] | e.Mode; st.Mode != want || st.Uid != e.UID || st.Gid != e.GID || st.Mtim.Sec != 1 || st.Mtim.Nsec != 0 {
		return fmt.Errorf("mode %o owner %d:%d time %d.%d, want %o %d:%d 1.0", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec, want, e.UID, e.GID)
	}
	xattrs, err := readXattrs(path)
	if err != nil || !slices.Equal(xattrs, e.Xattrs) {
		return fmt.Errorf("extended attributes %q, %v, want %q", xattrs, err, e.Xattrs)
	}
	switch e.Type {
	case tree.Link:
		if target, err := os.Readlink(path); err != nil || target != e.Target {
			return fmt.Errorf("target %q, %v, want %q", target, err, e.Target)
		}
	case tree.File:
		data, err := os.ReadFile(path)
		if err != nil || st.Size != e.Size || store.DigestOf(data) != e.Digest {
			return fmt.Errorf("%d bytes of %d, %v, digest %s, want %s", len(data), st.Size, err, store.DigestOf(data), e.Digest)
		}
	}
	return nil
}

func readXattrs(path string) ([]tree.Xattr, error) {
	names := make([]byte, 1<<16)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return nil, err
	}
	var list []tree.Xattr
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, err
		}
		list = append(list, tree.Xattr{Name: name, Value: string(value[:n])})
	}
	slices.SortFunc(list, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}
