package erofs

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/store"
	"sysc/store/tree"
	"sysc/store/tree/treetest"
)

var update = flag.Bool("update", false, "write testdata/*.dump, and the digests of what mkcomposefs makes of them")

// vectors are the digests of the images that mkcomposefs 1.0.8 makes of
// testdata/*.dump.
const vectors = "testdata/vectors.txt"

// blobPath is where the data layer of tests has a blob.
func blobPath(e *tree.Entry) string {
	h := e.Digest.Hex()
	return h[:2] + "/" + h[2:]
}

// A sketch is a tree that is being made: entries by path. Directories that are
// missing are made.
type sketch map[string]tree.Entry

func (s sketch) file(path string, mode uint32, size int64, content string) {
	s[path] = tree.Entry{Type: tree.File, Mode: mode, Size: size, Digest: store.DigestOf([]byte(content))}
}

func (s sketch) link(path, target string) {
	s[path] = tree.Entry{Type: tree.Link, Mode: tree.ModeLink, Target: target}
}

func (s sketch) write(tb testing.TB, dst interface {
	tree.Source
	tree.Sink
}) store.Digest {
	tb.Helper()
	b := tree.NewBuilder(dst, store.Digest{})
	paths := make([]string, 0, len(s))
	for p := range s {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		if err := b.Put(tb.Context(), p, s[p]); err != nil {
			tb.Fatal(err)
		}
	}
	d, _, err := b.Write(tb.Context(), dst)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// dump writes a tree as composefs-dump(5).
func dump(tb testing.TB, src tree.Source, root store.Digest) []byte {
	tb.Helper()
	var b bytes.Buffer
	b.WriteString("/ 0 40755 1 0 0 0 1.0 - - -\n")
	err := tree.Walk(tb.Context(), src, root, func(path string, e tree.Entry) error {
		mode, size, payload := e.Mode, e.Size, "-"
		switch e.Type {
		case tree.Dir:
			mode |= modeDir
			size = 0
		case tree.Link:
			mode |= modeLink
			size, payload = int64(len(e.Target)), escape(e.Target)
		default:
			mode |= modeFile
			if size > 0 {
				payload = blobPath(&e)
			}
		}
		fmt.Fprintf(&b, "/%s %d %o 1 %d %d 0 1.0 %s - -", escape(path), size, mode, e.UID, e.GID, payload)
		for _, x := range e.Xattrs {
			fmt.Fprintf(&b, " %s=%s", escape(x.Name), escape(x.Value))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func escape(s string) string {
	if s == "-" {
		return `\x2d`
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '=' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// mkcomposefs makes an image of a dump with composefs' own program; ok is false when
// it is not installed.
func mkcomposefs(tb testing.TB, dump []byte) (image []byte, ok bool) {
	tb.Helper()
	program, err := exec.LookPath("mkcomposefs")
	if err != nil {
		return nil, false
	}
	dir := tb.TempDir()
	from, to := filepath.Join(dir, "dump"), filepath.Join(dir, "image")
	if err := os.WriteFile(from, dump, 0o644); err != nil {
		tb.Fatal(err)
	}
	if out, err := exec.CommandContext(tb.Context(), program, "--from-file", from, to).CombinedOutput(); err != nil {
		tb.Fatalf("mkcomposefs: %v\n%s", err, out)
	}
	image, err = os.ReadFile(to)
	if err != nil {
		tb.Fatal(err)
	}
	return image, true
}

func composefs(tb testing.TB, src tree.Source, root store.Digest) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := WriteComposefs(tb.Context(), &b, src, root, blobPath); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// sketches are the trees of the golden vectors.
func sketches() map[string]sketch {
	empty := sketch{}

	small := sketch{}
	small.file("etc/hostname", 0o644, 5, "host\n")
	small.file("usr/bin/true", 0o755, 30000, "true")
	small.file("usr/bin/su", 0o4755, 70000, "su")
	small.file("var/empty file", 0o600, 0, "")
	small.link("bin", "usr/bin")
	small["home/ada"] = tree.Entry{Type: tree.Dir, Mode: 0o700, UID: 1000, GID: 1000}

	// Sizes around those of blocks and chunks, and too large for a small inode.
	sizes := sketch{}
	for _, n := range []int64{1, 2, 4095, 4096, 4097, 8192, 1<<32 - 1, 1 << 32, 1<<43 - 1, 1 << 43} {
		sizes.file(fmt.Sprintf("f%d", n), 0o644, n, fmt.Sprint(n))
	}

	// Names on both sides of "." and "..", directories of one block, a block and a
	// half, and many; a name of the data layer's.
	names := sketch{}
	for _, n := range []string{"!", "+x", "-", ".a", "..a", "...", "a", "\xff\xfe", "ab", "0", "00 "} {
		names.file("dir/"+n, 0o644, 3, n)
	}
	names.file("ab", 0o644, 3, "ab")
	names.file("ff/x", 0o644, 3, "x")
	for _, count := range []int{14, 15, 16, 29, 30, 31, 100} {
		for i := range count {
			names.file(fmt.Sprintf("n%d/%03d%s", count, i, strings.Repeat("x", 240)), 0o644, 3, "n")
		}
	}
	for i := range 1000 {
		names.link(fmt.Sprintf("short/%d", i), "x")
	}

	links := sketch{}
	for _, n := range []int{1, 31, 32, 100, 2000, 3000, 4000, 4031, 4032, 4063, 4064, 4065, 4095} {
		links.link(fmt.Sprintf("l%d", n), strings.Repeat("y", n))
		links.link(fmt.Sprintf("m%d", n), strings.Repeat("z", n))
	}

	owners := sketch{}
	for _, id := range []uint32{1, 65534, 65535, 65536, 1<<32 - 2} {
		owners[fmt.Sprintf("d%d", id)] = tree.Entry{Type: tree.Dir, Mode: 0o1777, UID: id, GID: 1}
		owners[fmt.Sprintf("g%d", id)] = tree.Entry{Type: tree.Link, Mode: 0o777, GID: id, Target: "x"}
	}

	xattrs := sketch{}
	set := func(path string, list ...tree.Xattr) {
		xattrs.file(path, 0o755, 12, path)
		e := xattrs[path]
		e.Xattrs = list
		xattrs[path] = e
	}
	caps := tree.Xattr{Name: "security.capability", Value: "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	set("ping", caps)
	set("traceroute", caps)
	set("acl", tree.Xattr{Name: "system.posix_acl_access", Value: "\x02\x00\x00\x00"}, tree.Xattr{Name: "user.a", Value: ""})
	set("quoted", tree.Xattr{Name: "trusted.overlay.opaque", Value: "y"}, tree.Xattr{Name: "trusted.x", Value: "1"})
	set("once", tree.Xattr{Name: "user.once", Value: strings.Repeat("v", 5000)})
	set("long1", tree.Xattr{Name: "user.long", Value: strings.Repeat("w", 300)})
	set("long2", tree.Xattr{Name: "user.long", Value: strings.Repeat("w", 300)})
	set("long3", tree.Xattr{Name: "user.long", Value: "short"})
	set("long4", tree.Xattr{Name: "user.long", Value: "short"})
	set("long5", tree.Xattr{Name: "user.long", Value: "shOrt"})
	set("long6", tree.Xattr{Name: "user.long", Value: "shOrt"})
	var many []tree.Xattr
	for i := range 200 {
		many = append(many, tree.Xattr{Name: fmt.Sprintf("user.n%03d", i), Value: "v"})
	}
	set("many1", many...)
	set("many2", many...)
	xattrs.file("same1", 0o644, 12, "same")
	xattrs.file("same2", 0o755, 12, "same")

	return map[string]sketch{
		"empty": empty, "small": small, "sizes": sizes, "names": names, "links": links, "owners": owners, "xattrs": xattrs,
	}
}

func TestComposefsGolden(t *testing.T) {
	got := map[string]string{}
	for name, s := range sketches() {
		var m treetest.Memory
		root := s.write(t, &m)
		text := dump(t, &m, root)
		path := filepath.Join("testdata", name+".dump")
		image := composefs(t, &m, root)
		if *update {
			oracle, ok := mkcomposefs(t, text)
			if !ok {
				t.Fatal("mkcomposefs is not installed")
			}
			got[name] = store.DigestOf(oracle).Hex()
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, want) {
			t.Errorf("%s: the tree is not that of %s", name, path)
		}
		got[name] = store.DigestOf(image).Hex()
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&b, "%s %s\n", name, got[name])
	}
	if *update {
		if err := os.WriteFile(vectors, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(vectors)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("digests of images (-mkcomposefs +got):\n%s", diff)
	}
}

// TestComposefsOracle compares with what mkcomposefs makes of the same, where it is
// installed. The vectors above hold that everywhere.
func TestComposefsOracle(t *testing.T) {
	for name, s := range sketches() {
		t.Run(name, func(t *testing.T) {
			var m treetest.Memory
			root := s.write(t, &m)
			want, ok := mkcomposefs(t, dump(t, &m, root))
			if !ok {
				t.Skip("mkcomposefs is not installed: apt-get install composefs")
			}
			got := composefs(t, &m, root)
			if bytes.Equal(got, want) {
				return
			}
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			t.Errorf("image of %d bytes, mkcomposefs makes %d; they differ from %#x on", len(got), len(want), at)
		})
	}
}

// What an image cannot hold is an error, and so is a store that has not what it
// says.
func TestRefuses(t *testing.T) {
	for name, change := range map[string]func(s sketch){
		"too large": func(s sketch) { s.file("x", 0o644, 1<<43+1, "x") },
		"unknown attribute": func(s sketch) {
			s["x"] = tree.Entry{Type: tree.Dir, Mode: 0o755, Xattrs: []tree.Xattr{{Name: "btrfs.compression", Value: "x"}}}
		},
		"long attribute": func(s sketch) {
			s["x"] = tree.Entry{Type: tree.Dir, Mode: 0o755, Xattrs: []tree.Xattr{{Name: "user.x", Value: strings.Repeat("x", 1<<16)}}}
		},
		"long attributes": func(s sketch) {
			var list []tree.Xattr
			for i := range 5 {
				list = append(list, tree.Xattr{Name: fmt.Sprint("user.", i), Value: strings.Repeat("x", 60000)})
			}
			s["x"] = tree.Entry{Type: tree.Dir, Mode: 0o755, Xattrs: list}
		},
	} {
		var m treetest.Memory
		s := sketch{}
		change(s)
		if err := WriteComposefs(t.Context(), io.Discard, &m, s.write(t, &m), blobPath); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	var m treetest.Memory
	err := WriteComposefs(t.Context(), io.Discard, &m, store.DigestOf(nil), blobPath)
	if !errors.Is(err, store.ErrNotExist) {
		t.Errorf("no tree: %v", err)
	}
}

// A damagedStore has one blob for all digests.
type damagedStore struct {
	treetest.Memory
	path string
}

func (d *damagedStore) OpenBlob(context.Context, store.Digest) (*os.File, error) {
	return os.Open(d.path)
}

func TestDamagedBlob(t *testing.T) {
	d := &damagedStore{path: filepath.Join(t.TempDir(), "blob")}
	if err := os.WriteFile(d.path, []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := sketch{}
	s.file("x", 0o644, 5, "12345")
	root := s.write(t, d)
	if err := Write(t.Context(), io.Discard, d, root); err != nil {
		t.Error(err)
	}
	s.file("x", 0o644, 5, "54321")
	if err := Write(t.Context(), io.Discard, d, s.write(t, d)); err == nil {
		t.Error("contents that are not those of the digest were written")
	}
}

// BenchmarkComposefs writes the image of a root of 50,000 paths, beside mkcomposefs
// where it is installed.
func BenchmarkComposefs(b *testing.B) {
	s := sketch{}
	for i := range 50_000 {
		s.file(fmt.Sprintf("usr/%d/%d/file-%d", i%20, i%1500, i), 0o644, int64(i+1), fmt.Sprint(i))
	}
	var m treetest.Memory
	root := s.write(b, &m)
	b.Run("sysc", func(b *testing.B) {
		for b.Loop() {
			composefs(b, &m, root)
		}
	})
	text := dump(b, &m, root)
	b.Run("mkcomposefs", func(b *testing.B) {
		for b.Loop() {
			if _, ok := mkcomposefs(b, text); !ok {
				b.Skip("mkcomposefs is not installed")
			}
		}
	})
}
