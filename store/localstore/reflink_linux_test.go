package localstore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
)

// reflinkFileSystems are those that can share extents, with the command that makes
// one. The third allows few links to one file within one directory.
var reflinkFileSystems = []struct {
	name string
	mkfs []string
}{
	{"btrfs", []string{"mkfs.btrfs", "-q"}},
	{"xfs", []string{"mkfs.xfs", "-q", "-m", "reflink=1"}},
	{"few links", []string{"mkfs.btrfs", "-q", "-O", "^extref"}},
}

// A store on a file system that can share extents: copies take no room, and are
// copies nevertheless.
func TestReflinkFileSystems(t *testing.T) {
	for _, f := range reflinkFileSystems {
		t.Run(f.name, func(t *testing.T) {
			if !hasMountNamespace(t) {
				return
			}
			top := mountNew(t, f.mkfs)
			t.Setenv("TMPDIR", top) // of what the tests make
			if f.name == "few links" {
				t.Run("same directory", manyLinksInOneDirectory)
				return
			}
			t.Run("shared", sharedExtents)
			t.Run("small", sharedSmall)
			t.Run("elsewhere", otherFileSystem)
			if f.name == "btrfs" {
				t.Run("subvolume", otherSubvolume)
			}
			t.Run("all", func(t *testing.T) { ordinaryTests(t, top) })
		})
	}
}

// mountNew makes a file system and mounts it. It lies in memory.
func mountNew(t *testing.T, mkfs []string) string {
	t.Helper()
	images := mountMemory(t)
	image, top := images+"/image", filepath.Join(t.TempDir(), "top")
	must(t, os.Mkdir(top, 0o755))
	must(t, os.WriteFile(image, nil, 0o600))
	const size = 512 << 20 // XFS wants 300 MiB
	must(t, os.Truncate(image, size))
	run(t, append(mkfs[:len(mkfs):len(mkfs)], image)...)
	run(t, "mount", "-o", "loop", image, top)
	t.Cleanup(func() { must(t, unix.Unmount(top, unix.MNT_DETACH)) })
	return top
}

func run(t *testing.T, command ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%v: this test needs btrfs-progs, xfsprogs and mount", err)
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}

// ordinaryTests runs the other tests of this package with all that they make on this
// file system, except for those that are about time, races and other machinery.
func ordinaryTests(t *testing.T, top string) {
	const not = "Reflink|PowerCut|Kill|BesideUsers|Race|WhileWritten|ManyEntries"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.skip="+not)
	cmd.Env = append(os.Environ(), "TMPDIR="+top)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// sharedExtents sends a large file with metadata, and one with holes, through a
// store and back.
func sharedExtents(t *testing.T) {
	ctx := t.Context()
	in := filepath.Join(t.TempDir(), "in")
	must(t, os.Mkdir(in, 0o755))
	const size = 32<<20 + 1
	large := randomBytes(size)
	must(t, os.WriteFile(in+"/large", large, 0o600))
	must(t, os.WriteFile(in+"/tool", large, 0o600))
	must(t, os.Lchown(in+"/tool", 1000, 8))
	must(t, unix.Chmod(in+"/tool", 0o6755))
	must(t, unix.Setxattr(in+"/tool", "user.x", []byte("y"), 0))
	const holes = 16<<20 + 1
	must(t, os.Mkdir(in+"/sparse", 0o755))
	makeSparse(t, in+"/sparse/file", holes, 0, holes/2)

	s := newStore(t)
	root, owned := roundTrip(t, s, in, store.KindRoot)
	built, err := s.AddDir(ctx, in, &AddOptions{Name: "built"})
	must(t, err)
	register(t, s, built)
	before := usedBytes(t, s.Dir())
	copied := filepath.Join(t.TempDir(), "copied")
	must(t, s.Checkout(ctx, root.Tree, copied, store.CheckoutOptions{}))
	xattrs := filepath.Join(t.TempDir(), "xattrs")
	must(t, s.Checkout(ctx, root.Tree, xattrs, store.CheckoutOptions{OwnerXattr: "user.owner"}))
	if more := usedBytes(t, s.Dir()) - before; more > size/8 {
		t.Errorf("two copies of twice %d bytes took %d", size, more)
	}
	blob := s.path("blobs/" + shardName(store.DigestOf(large)[0]) + "/" + shardedName(store.DigestOf(large)))
	for _, file := range []string{
		blob, blob + executableSuffix, s.PhysicalPath(built.Path) + "/tool",
		owned + "/large", owned + "/tool", copied + "/large", copied + "/tool", xattrs + "/large", xattrs + "/tool",
	} {
		if !isShared(t, file) {
			t.Errorf("%s shares nothing", file)
		}
	}
	for file, want := range map[string]uint32{
		owned + "/large": 0o600, owned + "/tool": 0o6755, copied + "/large": 0o600, copied + "/tool": 0o755, xattrs + "/tool": 0o6755,
	} {
		if st := lstat(t, file); st.Mode&0o7777 != want || st.Mtim != storeTimes[1] || st.Nlink != 1 {
			t.Errorf("%s: mode %o, %d links, modified at %d; want %o, 1, 1", file, st.Mode&0o7777, st.Nlink, st.Mtim.Sec, want)
		}
	}
	for _, dir := range []string{owned, copied, xattrs, s.PhysicalPath(built.Path)} {
		isSparse(t, dir+"/sparse", holes)
	}

	// What is written to a copy is in no other.
	f, err := os.OpenFile(copied+"/tool", os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("changed"), size/2)
	must(t, errors.Join(err, f.Close()))
	verify(t, s)
	if got, err := os.ReadFile(xattrs + "/tool"); err != nil || !bytes.Equal(got, large) {
		t.Errorf("another copy has changed, %v", err)
	}
	// Copies outlive what they were made of.
	s = reopen(t, s)
	gc(t, s, GCOptions{})
	if left := verify(t, s); left != (VerifyResult{}) {
		t.Errorf("left: %+v", left)
	}
	if got, err := os.ReadFile(owned + "/tool"); err != nil || !bytes.Equal(got, large) {
		t.Errorf("a copy has changed, %v", err)
	}
}

// sharedSmall copies files of all sizes around those of blocks. Not one is refused,
// or the others would be copied in full.
func sharedSmall(t *testing.T) {
	s := newStore(t)
	in := filepath.Join(t.TempDir(), "in")
	must(t, os.Mkdir(in, 0o755))
	content := randomBytes(2*smallBlob + 1)
	for _, near := range []int{1, 1 << 9, 1 << 11, 1 << 12, 1 << 13, 1 << 16, smallBlob, 2 * smallBlob} {
		for size := near - 1; size <= near+1; size++ {
			must(t, os.WriteFile(fmt.Sprintf("%s/%d", in, size), content[:size], 0o644))
		}
	}
	roundTrip(t, s, in, store.KindTree)
	if s.noReflink.Load() {
		t.Error("the file system refused to share a file")
	}
}

// otherFileSystem copies to where nothing can be shared. Copies to the store's own
// file system share all the same afterwards.
func otherFileSystem(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	// A larger one would be shared by copy_file_range(2) in any case.
	large := randomBytes(smallBlob)
	in := write(t, "small=small", "large="+string(large))
	o, err := s.AddDir(ctx, in, &AddOptions{Name: "x", Kind: store.KindRoot})
	must(t, err)
	memory := mountMemory(t)
	for _, opts := range []store.CheckoutOptions{{}, {Link: true}, {OwnerXattr: "user.owner"}, {Chown: true}} {
		dst := fmt.Sprintf("%s/%+v", memory, opts)
		must(t, s.Checkout(ctx, o.Tree, dst, opts))
		if got, err := os.ReadFile(dst + "/large"); err != nil || !bytes.Equal(got, large) {
			t.Errorf("%+v: wrong content, %v", opts, err)
		}
		if st := lstat(t, dst+"/small"); st.Nlink != 1 || st.Mtim != storeTimes[1] {
			t.Errorf("%+v: %d links, modified at %d", opts, st.Nlink, st.Mtim.Sec)
		}
	}
	here := filepath.Join(t.TempDir(), "here")
	must(t, s.Checkout(ctx, o.Tree, here, store.CheckoutOptions{}))
	if !isShared(t, here+"/large") {
		t.Error("after a copy to another file system, nothing is shared on this one")
	}
	verify(t, s)
}

// otherSubvolume checks out where links cannot lead, but extents can be shared.
func otherSubvolume(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	o := add(t, s, AddOptions{Kind: store.KindRoot}, "large="+string(randomBytes(smallBlob+1)))
	volume := filepath.Join(t.TempDir(), "volume")
	run(t, "btrfs", "subvolume", "create", volume)
	must(t, s.Checkout(ctx, o.Tree, volume+"/out", store.CheckoutOptions{Link: true}))
	if st := lstat(t, volume+"/out/large"); st.Nlink != 1 || !isShared(t, volume+"/out/large") {
		t.Errorf("%d links, or nothing is shared", st.Nlink)
	}
}

// manyLinksInOneDirectory needs more links to one blob in one directory than there
// may be. The rest are copies.
func manyLinksInOneDirectory(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	content, size, err := s.AddBlob(ctx, strings.NewReader("same"))
	must(t, err)
	listing := &tree.Tree{}
	const files = 2000
	for i := range files {
		listing.Entries = append(listing.Entries, tree.Entry{
			Name: fmt.Sprintf("entry-%04d", i), Type: tree.File, Mode: tree.ModeFile, Size: size, Digest: content})
	}
	d, err := s.AddTree(ctx, listing)
	must(t, err)
	o, err := s.MakeObject(ctx, "same", store.KindTree, d, nil)
	must(t, err)
	register(t, s, o)
	links := 0
	for i := range listing.Entries {
		if st := lstat(t, s.PhysicalPath(o.Path)+"/"+listing.Entries[i].Name); st.Nlink > 1 {
			links++
		}
	}
	if links < 2 || links > files-2 {
		t.Errorf("%d of %d are links: there is no limit", links, files)
	}
	if got, err := s.Optimise(ctx); err != nil || got.Files > 0 {
		t.Errorf("optimise: %+v, %v", got, err)
	}
	verify(t, s)
}

// randomBytes are hexadecimal digits, which write takes for nothing else.
func randomBytes(n int) []byte {
	data := make([]byte, n/2+1)
	rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return hex.AppendEncode(nil, data)[:n]
}

// usedBytes asks the file system how much room is taken, when everything is on the
// disk.
func usedBytes(t *testing.T, path string) int64 {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, unix.Syncfs(int(f.Fd())))
	var st unix.Statfs_t
	must(t, unix.Fstatfs(int(f.Fd()), &st))
	return int64(st.Blocks-st.Bfree) * st.Bsize
}

// A fileMap is struct fiemap of linux/fiemap.h, with room for extents.
type fileMap struct {
	start, length           uint64
	flags, mapped, count, _ uint32
	extents                 [256]struct {
		logical, physical, length uint64
		_                         [2]uint64
		flags                     uint32
		_                         [3]uint32
	}
}

// isShared reports whether other files have all of the file's extents, too.
func isShared(t *testing.T, path string) bool {
	t.Helper()
	const (
		mapFile      = 0xc020660b // FS_IOC_FIEMAP
		flagSync     = 1          // FIEMAP_FLAG_SYNC
		extentLast   = 1          // FIEMAP_EXTENT_LAST
		extentShared = 0x2000     // FIEMAP_EXTENT_SHARED
	)
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	m := fileMap{length: 1<<63 - 1, flags: flagSync}
	m.count = uint32(len(m.extents))
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), mapFile, uintptr(unsafe.Pointer(&m))); errno != 0 {
		t.Fatalf("map %s: %v", path, errno)
	}
	if m.mapped == 0 || m.extents[m.mapped-1].flags&extentLast == 0 {
		t.Fatalf("map %s: %d extents, and not the last one", path, m.mapped)
	}
	for _, e := range m.extents[:m.mapped] {
		if e.flags&extentShared == 0 {
			return false
		}
	}
	return true
}
