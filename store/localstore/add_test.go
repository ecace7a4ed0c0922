package localstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
)

func fakeID(c byte) string { return strings.Repeat(string(c), store.IDLen) }

func fakePath(t testing.TB, c byte) store.Path {
	p, err := store.MakePath(fakeID(c), "dep")
	must(t, err)
	return p
}

// Odd but legal content comes back as it was.
func TestOddNames(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	long := strings.Repeat("é", 127) + "x"
	target := longTarget(t)
	in := write(t, "new\nline=1", "bad\xff\xfeutf8=2", long+"=3", " = ", "-rf=4", "\x01\x7f*=5",
		"l->"+target, "link->/etc/passwd\n\xff", "empty/", "a/"+long+"/"+long+"=6", "CASE=7", "case=8")
	must(t, os.WriteFile(in+"/nul", []byte{0}, 0o444))
	o, err := s.AddDir(ctx, in, &AddOptions{Name: "odd"})
	must(t, err)
	register(t, s, o)
	verify(t, s)
	again, err := s.AddDir(ctx, s.PhysicalPath(o.Path), &AddOptions{Name: "odd", OutsideLinks: true})
	if err != nil || again.Path != o.Path {
		t.Errorf("added again: %s, %v; want %s", again.Path, err, o.Path)
	}
	dst := filepath.Join(t.TempDir(), "out")
	must(t, s.Checkout(ctx, o.Tree, dst, store.CheckoutOptions{}))
	copied, err := s.AddDir(ctx, dst, &AddOptions{Name: "odd"})
	if err != nil || copied.Path != o.Path {
		t.Errorf("checked out and added: %s, %v; want %s", copied.Path, err, o.Path)
	}
	must(t, removeTree(ctx, filepath.Dir(dst), "out", 2))
}

func TestBigDirectory(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	dir := t.TempDir()
	const n = 3*batch + 17
	for i := range n {
		must(t, os.Symlink("x", fmt.Sprintf("%s/%d", dir, i)))
	}
	o, err := s.AddDir(ctx, dir, &AddOptions{Name: "big"})
	must(t, err)
	register(t, s, o)
	if names, err := os.ReadDir(s.PhysicalPath(o.Path)); err != nil || len(names) != n {
		t.Errorf("%d names, %v; want %d", len(names), err, n)
	}
	verify(t, s)
}

func TestAddRefuses(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(outside, []byte("secret"), 0o600))
	deep := strings.Repeat("d/", tree.MaxDepth+1)
	for _, tt := range []struct {
		name string
		make func(dir string) error
		want string
	}{
		{"pipe", func(d string) error { return unix.Mkfifo(d+"/sub/p", 0o644) }, `"sub/p": it is a named pipe`},
		{"socket", func(d string) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			// A path of at most 107 bytes.
			at, err := unix.Open(d, unix.O_PATH, 0)
			if err != nil {
				return err
			}
			defer unix.Close(at)
			return unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/s", at)})
		}, `"s": it is a socket`},
		{"hard link outside", func(d string) error { return os.Link(outside, d+"/sub/l") }, `"sub/l": it has a hard link outside`},
		{"own id in a name", func(d string) error { return os.Mkdir(d+"/x-"+fakeID('z'), 0o755) }, "own id in a name"},
		{"too deep", func(d string) error { return os.MkdirAll(d+"/"+deep, 0o755) }, "deeper than 256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			dir := write(t, "a=1", "sub/b=2")
			must(t, tt.make(dir))
			_, err := s.AddDir(t.Context(), dir, &AddOptions{Name: "x", SelfID: fakeID('z')})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	s := newStore(t)
	dir := write(t, "a=1")
	must(t, os.Symlink(dir, dir+".link"))
	if _, err := s.AddDir(t.Context(), dir+".link", &AddOptions{Name: "x"}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("link in place of the directory: %v", err)
	}
	for _, name := range []string{"", ".", "a/b", "..", strings.Repeat("x", 300)} {
		if _, err := s.AddDir(t.Context(), dir, &AddOptions{Name: name}); err == nil {
			t.Errorf("name %q: no error", name)
		}
	}
	if data, err := os.ReadFile(outside); err != nil || string(data) != "secret" {
		t.Errorf("the file outside: %q, %v", data, err)
	}
	if info, _ := os.Stat(outside); info.Mode() != 0o600 {
		t.Errorf("the file outside has mode %v now", info.Mode())
	}
}

// A device is refused too; making one needs root.
func TestAddDevice(t *testing.T) {
	s := newStore(t)
	dir := write(t, "a=1")
	if err := unix.Mknod(dir+"/null", unix.S_IFCHR|0o666, 1<<8|3); err != nil {
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		must(t, err)
		defer l.Close()
	}
	_, err := s.AddDir(t.Context(), dir, &AddOptions{Name: "x"})
	if err == nil || !strings.Contains(err.Error(), "it is a") {
		t.Errorf("got %v", err)
	}
	// Unless nobody wants it.
	o, err := s.AddDir(t.Context(), dir, &AddOptions{Name: "x",
		Meta: func(path string, st *unix.Stat_t, x []tree.Xattr) (bool, uint32, uint32, uint32, []tree.Xattr) {
			return path == "a", 0o444, 0, 0, nil
		}})
	must(t, err)
	register(t, s, o)
	if names, err := os.ReadDir(s.PhysicalPath(o.Path)); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestAddCanonical(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	dir := write(t, "plain=1", "tool*=2", "closed/f=3", "hidden=4")
	must(t, unix.Chmod(dir+"/tool", 0o4755))
	must(t, os.Chmod(dir+"/hidden", 0))
	must(t, unix.Chmod(dir+"/closed", 0o2000))
	must(t, os.Link(dir+"/plain", dir+"/plain2"))
	must(t, unix.Setxattr(dir+"/plain", "user.x", []byte("y"), 0))
	o, err := s.AddDir(ctx, dir, &AddOptions{Name: "c"})
	must(t, err)
	var got []string
	must(t, tree.Walk(ctx, s, o.Tree, func(path string, e tree.Entry) error {
		if !e.IsCanonical() {
			t.Errorf("%s: %+v", path, e)
		}
		got = append(got, fmt.Sprintf("%s %o", path, e.Mode))
		return nil
	}))
	want := []string{"closed 555", "closed/f 444", "hidden 444", "plain 444", "plain2 444", "tool 555"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	root, err := s.AddDir(ctx, dir, &AddOptions{Name: "c", Kind: store.KindRoot})
	must(t, err)
	e, err := tree.Find(ctx, s, root.Tree, "plain")
	must(t, err)
	if e.UID != uint32(os.Geteuid()) || e.Mode != 0o644 || !slices.Contains(e.Xattrs, tree.Xattr{Name: "user.x", Value: "y"}) {
		t.Errorf("%+v", e)
	}
	if e, err := tree.Find(ctx, s, root.Tree, "tool"); err != nil || e.Mode != 0o4755 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestAddKnown(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	first := add(t, s, AddOptions{Kind: store.KindRoot}, "a=1", "d/b=2")
	dir := write(t, "a=x", "d/b=3")
	e, err := tree.Find(ctx, s, first.Tree, "a")
	must(t, err)
	o, err := s.AddDir(ctx, dir, &AddOptions{Name: "test", Kind: store.KindRoot,
		Known: func(path string, st *unix.Stat_t) (tree.Entry, bool) { return e, path == "a" }})
	must(t, err)
	if got, err := tree.Find(ctx, s, o.Tree, "a"); err != nil || !got.Equal(e) {
		t.Errorf("known file: %+v, %v", got, err)
	}
	if got, err := tree.Find(ctx, s, o.Tree, "d/b"); err != nil || got.Digest != store.DigestOf([]byte("3")) {
		t.Errorf("other file: %+v, %v", got, err)
	}
}

// The builder's id becomes the final one, which depends on where it stood.
func TestSelfReferences(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	id := fakeID('z')
	dep := fakePath(t, 'd')
	large := bytes.Repeat([]byte("."), 2*smallBlob)
	// Across the border of two windows, and at the very end.
	copy(large[smallBlob-5:], id)
	copy(large[len(large)-store.IDLen:], id)
	dir := write(t, "bin/app*=prefix "+id+id+" suffix", "d/link->../"+id+"-test/bin/app", "plain="+dep.ID(), "d/e/f=nothing")
	must(t, os.WriteFile(dir+"/large", large, 0o644))
	opts := &AddOptions{Name: "test", SelfID: id, Candidates: []store.Path{dep, fakePath(t, 'c')}}
	o, err := s.AddDir(ctx, dir, opts)
	must(t, err)
	want := []store.SelfReference{
		{File: "bin/app", Offset: 7}, {File: "bin/app", Offset: 39}, {File: "d/link", Link: true, Offset: 3},
		{File: "large", Offset: smallBlob - 5}, {File: "large", Offset: 2*smallBlob - store.IDLen},
	}
	if !slices.Equal(o.SelfReferences, want) {
		t.Errorf("got %v, want %v", o.SelfReferences, want)
	}
	if !slices.Equal(o.References, []store.Path{dep}) {
		t.Errorf("references %v", o.References)
	}
	o.References = nil // dep is none of this store's
	if err := s.Register(ctx, []store.Object{o}, nil); err == nil {
		t.Error("an object lost a reference and kept its id")
	}
	must(t, os.Remove(dir+"/plain"))
	o, err = s.AddDir(ctx, dir, opts)
	must(t, err)
	register(t, s, o)
	text, err := os.ReadFile(s.PhysicalPath(o.Path) + "/bin/app")
	if err != nil || string(text) != "prefix "+o.Path.ID()+o.Path.ID()+" suffix" {
		t.Errorf("%q, %v", text, err)
	}
	text, err = os.ReadFile(s.PhysicalPath(o.Path) + "/large")
	if err != nil || bytes.Count(text, []byte(o.Path.ID())) != 2 || bytes.Contains(text, []byte(id)) {
		t.Errorf("large: %v", err)
	}
	if link, err := os.Readlink(s.PhysicalPath(o.Path) + "/d/link"); err != nil || link != "../"+o.Path.ID()+"-test/bin/app" {
		t.Errorf("%q, %v", link, err)
	}
	verify(t, s)

	// What the builder took for its id does not matter.
	other := fakeID('y')
	for _, name := range []string{"bin/app", "large"} {
		text, err := os.ReadFile(dir + "/" + name)
		must(t, err)
		must(t, os.WriteFile(dir+"/"+name, bytes.ReplaceAll(text, []byte(id), []byte(other)), 0o644))
	}
	must(t, os.Remove(dir+"/d/link"))
	must(t, os.Symlink("../"+other+"-test/bin/app", dir+"/d/link"))
	again, err := s.AddDir(ctx, dir, &AddOptions{Name: "test", SelfID: other})
	if err != nil || again.Path != o.Path {
		t.Errorf("with another placeholder: %s, %v; want %s", again.Path, err, o.Path)
	}
	// Literal zeros are something else (NixOS/nix#15837).
	zeros := write(t, "f="+strings.Repeat("\x00", store.IDLen))
	self := write(t, "f="+id)
	a, err := s.AddDir(ctx, zeros, &AddOptions{Name: "z"})
	must(t, err)
	b, err := s.AddDir(ctx, self, &AddOptions{Name: "z", SelfID: id})
	must(t, err)
	if a.Path == b.Path {
		t.Error("zeros and a self reference give one path")
	}
}

// The vector "self" of store/testdata/ids.txt, from the bytes on.
func TestSelfVector(t *testing.T) {
	s := newStore(t)
	id := fakeID('z')
	o := add(t, s, AddOptions{Name: "self", SelfID: id}, "bin*=x"+id, "me->/sysc/store/"+id+"-self/bin")
	if want := store.Path("xwdbzzbhyk873d28nkyxavhy8vbym1an-self"); o.Path != want {
		t.Errorf("got %s, want %s", o.Path, want)
	}
}

// A scanner finds what a plain search finds, however the bytes are cut.
func TestScan(t *testing.T) {
	var paths []store.Path
	for _, c := range "0123" {
		paths = append(paths, fakePath(t, byte(c)))
	}
	mixed, err := store.MakePath("0123456789abcdfghijklmnpqrsvwxyz", "m")
	must(t, err)
	paths = append(paths, mixed)
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		data := make([]byte, random.IntN(400))
		for i := range data {
			data[i] = "0123456789abcdfghijklmnpqrsvwxyz./ \x00"[random.IntN(36)]
		}
		for range random.IntN(4) {
			if id := paths[random.IntN(len(paths))].ID(); len(data) > len(id) {
				copy(data[random.IntN(len(data)-len(id)):], id)
			}
		}
		var want []store.Path
		for _, p := range paths {
			if bytes.Contains(data, []byte(p.ID())) {
				want = append(want, p)
			}
		}
		slices.Sort(want)
		for _, size := range []int{33, 40, 64, 1000} {
			f := &fileScan{scanner: newScanner(paths, ""), refs: map[int]bool{}}
			window, rest, offset := []byte{}, data, int64(0)
			for last := false; !last; {
				n := min(size-len(window), len(rest))
				window = append(window, rest[:n]...)
				rest = rest[n:]
				last = len(rest) == 0
				done := f.filter(window, offset, last)
				offset += int64(done)
				window = slices.Clone(window[done:])
			}
			if got := found(paths, f.refs); !slices.Equal(got, want) || offset != int64(len(data)) {
				t.Fatalf("windows of %d: got %v, want %v in %q", size, got, want, data)
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	id := fakeID('z')
	f.Add([]byte("x"+id+id+"y"), uint8(40))
	f.Add([]byte(id[1:]), uint8(33))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		whole := &fileScan{scanner: newScanner(nil, id), refs: map[int]bool{}}
		a := slices.Clone(data)
		whole.filter(a, 0, true)
		cut := &fileScan{scanner: newScanner(nil, id), refs: map[int]bool{}}
		var out, window []byte
		rest, offset := slices.Clone(data), int64(0)
		for last := false; !last; {
			n := min(max(int(size), store.IDLen)-len(window), len(rest))
			window = append(window, rest[:n]...)
			rest = rest[n:]
			last = len(rest) == 0
			done := cut.filter(window, offset, last)
			out = append(out, window[:done]...)
			offset += int64(done)
			window = slices.Clone(window[done:])
		}
		if !slices.Equal(whole.self, cut.self) || !bytes.Equal(a, out) {
			t.Fatalf("whole %v, cut %v", whole.self, cut.self)
		}
		if bytes.Contains(out, []byte(id)) {
			t.Fatal("an id is left")
		}
	})
}

func FuzzDecodeSelf(f *testing.F) {
	f.Add(encodeSelf([]store.SelfReference{{File: "a\n\xff", Link: true, Offset: 1 << 40}, {}}))
	f.Add(binary.LittleEndian.AppendUint32(nil, 1<<32-1))
	f.Fuzz(func(t *testing.T, data []byte) {
		self, err := decodeSelf(data)
		if err != nil {
			return
		}
		again, err := decodeSelf(encodeSelf(self))
		if err != nil || !slices.Equal(self, again) {
			t.Fatalf("%v, %v", again, err)
		}
	})
}
