package squashfs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/internal/posixacl"
	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/mounttest"
)

// newWorld returns a store with a tree of everything, and of what is special to this
// form: files around the size of a block, directories of more than one run.
func newWorld(t *testing.T) *mounttest.World {
	w := mounttest.NewWorld(t)
	b := tree.NewBuilder(w, w.Root)
	known := map[string]tree.Entry{}
	put := func(path string, data []byte) {
		e, ok := known[string(data)]
		if !ok {
			e = tree.Entry{Type: tree.File, Mode: 0o644}
			var err error
			if e.Digest, e.Size, err = w.AddBlob(t.Context(), bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			known[string(data)] = e
		}
		if err := b.Put(t.Context(), path, e); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, blockSize - 1, blockSize, blockSize + 1, 3 * blockSize, 70*blockSize + 9} {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		put(fmt.Sprintf("sizes/random%d", n), data)
		put(fmt.Sprintf("sizes/zeros%d", n), make([]byte, n))
		put(fmt.Sprintf("sizes/again%d", n), data)
	}
	for i := range 1500 {
		put(fmt.Sprintf("flat/%d-%s", i, strings.Repeat("n", 60)), []byte("same"))
	}
	var err error
	if w.Root, _, err = b.Write(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	return w
}

// image writes one to a file.
func imageOf(t *testing.T, w *mounttest.World, root store.Digest) (string, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Name(), Write(t.Context(), f, w, root)
}

func TestUnpackedByUnsquashfs(t *testing.T) {
	program, err := exec.LookPath("unsquashfs")
	if err != nil {
		t.Skip("unsquashfs is not installed: apt-get install squashfs-tools")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	w := newWorld(t)
	path, err := imageOf(t, w, w.Root)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "root")
	out, err := exec.CommandContext(t.Context(), program, "-n", "-strict-errors", "-d", dir, path).CombinedOutput()
	if err != nil {
		t.Fatalf("unsquashfs: %v\n%s", err, out)
	}
	w.WithoutACL(t).Compare(t, dir)
}

// The kernel reads an image as the tree is.
func TestMounted(t *testing.T) {
	mounttest.OwnMounts(t)
	w := newWorld(t)
	path, err := imageOf(t, w, w.Root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "squashfs", "-o", "loop,ro", path, dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	w.WithoutACL(t).Compare(t, dir)
}

func TestEmpty(t *testing.T) {
	w := mounttest.NewWorld(t)
	root, _, err := tree.NewBuilder(w, store.Digest{}).Write(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	w.Root = root
	path, err := imageOf(t, w, root)
	if err != nil {
		t.Fatal(err)
	}
	mounttest.OwnMounts(t)
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "squashfs", "-o", "loop,ro", path, dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	w.Compare(t, dir)
}

func TestSameBytes(t *testing.T) {
	var images [2][]byte
	for i := range images {
		w := newWorld(t)
		path, err := imageOf(t, w, w.Root)
		if err != nil {
			t.Fatal(err)
		}
		if images[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two images of one tree differ")
	}
}

func TestRefuses(t *testing.T) {
	w := mounttest.NewWorld(t)
	for want, change := range map[string]func(e *tree.Entry){
		"damaged: digest":         func(e *tree.Entry) { e.Size-- },
		"damaged: unexpected EOF": func(e *tree.Entry) { e.Size++ },
		"posix_acl":               func(e *tree.Entry) { e.Xattrs = []tree.Xattr{{Name: posixacl.Access, Value: "x"}} },
		"nfs4":                    func(e *tree.Entry) { e.Xattrs = []tree.Xattr{{Name: "system.nfs4_acl", Value: "x"}} },
	} {
		b := tree.NewBuilder(w, w.Root)
		e, ok, err := b.Get(t.Context(), "usr/large")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		change(&e)
		if err := b.Put(t.Context(), "usr/large", e); err != nil {
			t.Fatal(err)
		}
		root, _, err := b.Write(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := imageOf(t, w, root); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want something about %s", err, want)
		}
	}
}
