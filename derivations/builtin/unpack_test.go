package builtin

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"sysc/store"
	"sysc/store/localstore"
)

func TestUnpackDeb(t *testing.T) {
	long := strings.Repeat("d", 120) + "/" + strings.Repeat("n", 200)
	sudo := entry{tar.Header{Typeflag: tar.TypeReg, Name: "./usr/bin/sudo", Mode: 0o4755, Uid: 0, Gid: 42}, "su"}
	caps := entry{tar.Header{
		Typeflag: tar.TypeReg, Name: "./usr/bin/ping", Mode: 0o755, Format: tar.FormatPAX,
		PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00", "SCHILY.xattr.security.selinux": "x"},
	}, "pi"}
	data := []entry{
		dir0755("./"), dir0755("./usr/"), dir0755("./usr/bin/"), sudo, caps,
		hardlink("./usr/bin/sudoedit", "./usr/bin/sudo"), symlink("./usr/bin/s", "/usr/bin/sudo"),
		file0644("./"+long, "long"),
	}
	want := strings.ReplaceAll(`d 0755 0:0 control
f 0644 0:0 control/control (22)
d 0755 0:0 data
d 0755 0:0 data/DIR
f 0644 0:0 data/LONG (4)
d 0755 0:0 data/usr
d 0755 0:0 data/usr/bin
f 0755 0:0 data/usr/bin/ping (2) security.capability="\x01\x00"
l 0777 0:0 data/usr/bin/s -> /usr/bin/sudo
f 4755 0:42 data/usr/bin/sudo (2)
f 4755 0:42 data/usr/bin/sudoedit (2)`, "LONG", long)
	want = strings.ReplaceAll(want, "DIR", strings.Repeat("d", 120))
	st := openStore(t)
	for suffix := range compressors {
		source := addFile(t, st, "x.deb", makeDeb(t, suffix, data...))
		s, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": "deb"})
		if err != nil {
			t.Errorf("%s: %v", suffix, err)
			continue
		}
		got, _ := s.Result("out")
		if text := list(t, st, got.Tree); text != want || got.Kind != store.KindRoot {
			t.Errorf("%s: got\n%s\nwant\n%s", suffix, text, want)
		}
	}
}

func TestUnpackTar(t *testing.T) {
	st := openStore(t)
	archive := makeTar(t, entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "x"}}},
		dir0755("hello-1.0/"), file0644("hello-1.0/README", "1"), file0644("hello-1.0/README", "second"),
		entry{tar.Header{Typeflag: tar.TypeReg, Name: "hello-1.0/configure", Mode: 0o755, Uid: 1000, Gid: 1000}, "#!"},
		hardlink("hello-1.0/sub/link", "hello-1.0/configure"))
	source := addFile(t, st, "hello.tar.gz", compressed(t, ".gz", archive))
	for kind, want := range map[string]string{
		"root": "f 0644 0:0 README (6)\nf 0755 1000:1000 configure (2)\nd 0755 0:0 sub\nf 0755 1000:1000 sub/link (2)",
		"tree": "f 0444 0:0 README (6)\nf 0555 0:0 configure (2)\nd 0555 0:0 sub\nf 0555 0:0 sub/link (2)",
	} {
		s, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": "archive", "strip": 1, "kind": kind})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := s.Result("out"); list(t, st, got.Tree) != want || got.Kind.String() != kind {
			t.Errorf("%s: got\n%s\nwant\n%s", kind, list(t, st, got.Tree), want)
		}
	}
}

// TestUnpackRefuses has the hostile archives of GHSA-gr92-w2r5-qw5p and others
// in the security record, as packages and as other archives.
func TestUnpackRefuses(t *testing.T) {
	node := func(flag byte) entry {
		return entry{Header: tar.Header{Typeflag: flag, Name: "./dev/thing", Mode: 0o644}}
	}
	st := openStore(t)
	for _, test := range []struct {
		name    string
		entries []entry
		want    string
	}{
		{"absolute", []entry{file0644("/etc/passwd", "x")}, `"/etc/passwd": absolute`},
		{"dots", []entry{file0644("./a/../../etc/passwd", "x")}, "leads upwards"},
		{"through a link", []entry{symlink("./a", "/etc"), file0644("./a/passwd", "x")}, `"a" is not a directory`},
		{"directory over a link", []entry{symlink("./a", "/etc"), dir0755("./a/")}, `"a" is not a directory`},
		{"link over a directory", []entry{dir0755("./a/"), symlink("./a", "/etc")}, `"a" is a directory and something else`},
		{"twice", []entry{file0644("./a", "x"), file0644("./a", "y")}, `"a" occurs twice`},
		{"twice, spelled otherwise", []entry{file0644("./a", "x"), file0644(".//a", "y")}, `"a" occurs twice`},
		{"hard link outside", []entry{hardlink("./a", "../../etc/shadow")}, "leads upwards"},
		{"hard link to absolute", []entry{hardlink("./a", "/etc/shadow")}, "absolute"},
		{"hard link to nothing", []entry{hardlink("./a", "./b")}, `hard link to "./b"`},
		{"hard link to a directory", []entry{dir0755("./b/"), hardlink("./a", "./b")}, `hard link to "./b"`},
		{"hard link through a link", []entry{symlink("./b", "/etc"), hardlink("./a", "./b/shadow")}, `hard link to "./b/shadow"`},
		{"device", []entry{node(tar.TypeChar)}, `"./dev/thing": a device`},
		{"block device", []entry{node(tar.TypeBlock)}, `"./dev/thing": a device`},
		{"FIFO", []entry{node(tar.TypeFifo)}, `"./dev/thing": a FIFO`},
		{"long name", []entry{file0644("./"+strings.Repeat("n", 256), "x")}, "name of 256 bytes"},
		{"deep", []entry{file0644("./"+strings.Repeat("d/", 300)+"f", "x")}, "directories deep"},
		{"long target", []entry{symlink("./a", strings.Repeat("t", 5000))}, "link target of 5000 bytes"},
		{"empty target", []entry{symlink("./a", "")}, "link target of 0 bytes"},
	} {
		for format, archive := range map[string][]byte{
			"deb":     makeDeb(t, ".gz", test.entries...),
			"archive": compressed(t, ".gz", makeTar(t, test.entries...)),
		} {
			if format == "archive" && strings.HasPrefix(test.name, "twice") {
				continue // later files replace earlier ones, as with tar
			}
			source := addFile(t, st, "x", archive)
			_, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": format})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %s: got %v, want error with %q", format, test.name, err, test.want)
			}
		}
	}
}

func TestUnpackBadDeb(t *testing.T) {
	st := openStore(t)
	good := makeDeb(t, ".xz", dir0755("./"), file0644("./f", strings.Repeat("x", 5000)))
	control := string(makeTar(t, dir0755("./")))
	for _, test := range []struct {
		name, want string
		data       []byte
	}{
		{"no archive", "no ar archive", []byte("hello")},
		{"first member", "not debian-binary", makeAr("control.tar", control)},
		{"version", `format "3.0\n"`, makeAr("debian-binary", "3.0\n", "control.tar", control, "data.tar", control)},
		{"order", "want control.tar", makeAr("debian-binary", "2.0\n", "data.tar", control, "control.tar", control)},
		{"suffix", "want control.tar", makeAr("debian-binary", "2.0\n", "control.tar.exe", control, "data.tar", control)},
		{"truncated", "the archive ends", good[:len(good)-100]},
		{"corrupt", "xz", bytes.Replace(good, []byte("YZ"), []byte("YX"), 1)},
		{"cut tar", "unexpected EOF", makeAr("debian-binary", "2.0\n", "control.tar", control, "data.tar", string(makeTar(t, file0644("./f", strings.Repeat("x", 5000))))[:3000])},
	} {
		source := addFile(t, st, "x.deb", test.data)
		_, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": "deb"})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want error with %q", test.name, err, test.want)
		}
	}
	ignored := makeAr("debian-binary", "2.0\n", "_gpgorigin", "x", "control.tar", control, "data.tar", control, "later", "x")
	source := addFile(t, st, "x.deb", ignored)
	if _, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": "deb"}); err != nil {
		t.Errorf("members beginning with _: %v", err)
	}
}

// TestUnpackCases: names that differ in case, or in how a character is composed, are
// different names: one of them leads nowhere for the other.
func TestUnpackCases(t *testing.T) {
	st := openStore(t)
	archive := makeTar(t, symlink("A", "/etc"), file0644("a/passwd", "x"), file0644("\u00e9", "1"), symlink("e\u0301", "/etc"), file0644("B", "2"), file0644("b", "3"))
	source := addFile(t, st, "x.tar", archive)
	s, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": "archive"})
	if err != nil {
		t.Fatal(err)
	}
	const want = "l 0777 0:0 A -> /etc\nf 0644 0:0 B (1)\nd 0755 0:0 a\nf 0644 0:0 a/passwd (1)\nf 0644 0:0 b (1)\n" +
		"l 0777 0:0 e\u0301 -> /etc\nf 0644 0:0 \u00e9 (1)"
	if got, _ := s.Result("out"); list(t, st, got.Tree) != want {
		t.Errorf("got\n%s\nwant\n%s", list(t, st, got.Tree), want)
	}
}

// TestSparseBomb has a file of a terabyte in 2 KiB of archive.
func TestSparseBomb(t *testing.T) {
	data := makeTar(t, entry{tar.Header{Typeflag: tar.TypeReg, Name: "bomb", Mode: 0o644, Format: tar.FormatGNU}, ""})
	const flagAt, sizeAt, offsetAt = 156, 483, 386
	data[flagAt] = tar.TypeGNUSparse
	copy(data[offsetAt:], fmt.Sprintf("%011o\x00%011o\x00", 0, 0))
	copy(data[sizeAt:], "\x80\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00") // 1 TiB in base 256
	sumHeader(data)
	st := openStore(t)
	source := addFile(t, st, "bomb.tar", data)
	_, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": "archive"})
	if err == nil || !strings.Contains(err.Error(), `"bomb": the archive's files have more than`) {
		t.Errorf("got %v", err)
	}
}

// sumHeader makes the sum of a changed header right again.
func sumHeader(header []byte) {
	const size, sumAt, sumEnd = 512, 148, 156
	sum := 0
	for i, c := range header[:size] {
		if i >= sumAt && i < sumEnd {
			c = ' '
		}
		sum += int(c)
	}
	copy(header[sumAt:], fmt.Sprintf("%06o\x00 ", sum))
}

// TestUnpackLengths: lengths that are negative, or that overflow when they are added up
// (CVE-2026-44028), are refused.
func TestUnpackLengths(t *testing.T) {
	st := openStore(t)
	for name, test := range map[string]struct{ size, want string }{
		"negative":       {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "invalid tar header"},
		"most":           {"\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "the archive's files have more than"},
		"more than 2⁶³":  {"\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00", "invalid tar header"},
		"more than bits": {"\x80\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "invalid tar header"},
		"not there":      {"00000001000\x00", "unexpected EOF"},
	} {
		data := makeTar(t, file0644("first", "x"), entry{tar.Header{Typeflag: tar.TypeReg, Name: "long", Mode: 0o644, Format: tar.FormatGNU}, ""})
		const second, sizeAt = 1024, 124
		copy(data[second+sizeAt:], test.size)
		sumHeader(data[second:])
		source := addFile(t, st, "x.tar", data[:second+512])
		_, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": "archive"})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want error with %q", name, err, test.want)
		}
	}
}

// TestUnpackLimits: what an archive decompresses to is bounded, file by file and
// as a whole.
func TestUnpackLimits(t *testing.T) {
	u := newUntar(openStore(t))
	u.left = 1000
	err := u.read(t.Context(), bytes.NewReader(makeTar(t, file0644("a", strings.Repeat("x", 600)), file0644("b", strings.Repeat("x", 600)))))
	if err == nil || !strings.Contains(err.Error(), `"b": the archive's files`) {
		t.Errorf("got %v", err)
	}
	l := &limitedReader{r: strings.NewReader("0123456789"), left: 5}
	buf := make([]byte, 20)
	n, err := l.Read(buf)
	if err == nil {
		_, err = l.Read(buf)
	}
	if err == nil || n > 5 {
		t.Errorf("limited reader: %d bytes, %v", n, err)
	}
	exact := &limitedReader{r: strings.NewReader("01234"), left: 5}
	if n, err := exact.Read(buf); n != 5 || err != nil {
		t.Errorf("limited reader at its limit: %d bytes, %v", n, err)
	}
}

func FuzzUntar(f *testing.F) {
	f.Add(makeTar(f, dir0755("./"), file0644("./a", "x"), symlink("./b", "a"), hardlink("./c", "./a")))
	f.Add(makeTar(f, entry{tar.Header{Typeflag: tar.TypeReg, Name: "p", Format: tar.FormatPAX, PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b"}}, "x"}))
	f.Add(makeTar(f, entry{tar.Header{Typeflag: tar.TypeReg, Name: "g", Format: tar.FormatGNU, Uid: 1 << 30}, "x"}))
	st := openStore(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		u := newUntar(st)
		u.left = 1 << 20
		if err := u.read(t.Context(), bytes.NewReader(data)); err != nil {
			return
		}
		// What was accepted is a tree that can be encoded.
		if _, err := u.top.write(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDeb(f *testing.F) {
	for suffix := range compressors {
		f.Add(makeDeb(f, suffix, dir0755("./"), file0644("./a", "x")))
	}
	st := openStore(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := readDeb(t.Context(), st, bytes.NewReader(data), int64(len(data)), 2)
		if err != nil {
			return
		}
		if _, err := l.write(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDebControl(t *testing.T) {
	for suffix := range compressors {
		deb := makeDeb(t, suffix, dir0755("./"), file0644("./a", "x"))
		text, err := DebControl(t.Context(), bytes.NewReader(deb), int64(len(deb)))
		if err != nil || !strings.HasPrefix(string(text), "Package: ") {
			t.Errorf("%q: %q, %v", suffix, text, err)
		}
		// Nothing that is cut short is taken for a whole package.
		_, err = DebControl(t.Context(), bytes.NewReader(deb[:len(deb)/2]), int64(len(deb)/2))
		if _, ok := errors.AsType[*MalformedError](err); !ok {
			t.Errorf("%q, a half: %v", suffix, err)
		}
	}
	bomb := makeTar(t, file0644("./control", strings.Repeat("x", maxControl+1)))
	data := makeTar(t)
	for want, deb := range map[string][]byte{
		"decompresses to too much": makeAr("debian-binary", "2.0\n", "control.tar", string(bomb), "data.tar", string(data)),
		"no control file":          makeAr("debian-binary", "2.0\n", "control.tar", string(makeTar(t, dir0755("control"))), "data.tar", string(data)),
	} {
		if _, err := DebControl(t.Context(), bytes.NewReader(deb), int64(len(deb))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
}

func FuzzDebControl(f *testing.F) {
	for suffix := range compressors {
		f.Add(makeDeb(f, suffix, dir0755("./"), file0644("./a", "x")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := DebControl(t.Context(), bytes.NewReader(data), int64(len(data)))
		if len(text) > maxControl || (text == nil) != (err != nil) && len(text) > 0 {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
	})
}

// BenchmarkUnpack unpacks a package of 20,000 small files, uncompressed.
func BenchmarkUnpack(b *testing.B) {
	entries := []entry{dir0755("./")}
	for i := range 20_000 {
		entries = append(entries, file0644(fmt.Sprintf("./usr/share/x/%d/%d", i%100, i), fmt.Sprintf("content %d", i)))
	}
	deb := makeDeb(b, "", entries...)
	for b.Loop() {
		st := openStore(b)
		l, err := readDeb(b.Context(), st, bytes.NewReader(deb), int64(len(deb)), 2)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.write(b.Context(), st); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnpackPackage unpacks $SYSC_BENCH_DEB into an empty store, alone and
// twice at a time.
func BenchmarkUnpackPackage(b *testing.B) {
	name := os.Getenv("SYSC_BENCH_DEB")
	if name == "" {
		b.Skip("set SYSC_BENCH_DEB to a package")
	}
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				var wg sync.WaitGroup
				for range n {
					st := openStore(b)
					wg.Go(func() { unpackPackage(b, st, name) })
				}
				wg.Wait()
			}
			var used syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(used.Maxrss)/1024, "MiB-peak")
		})
	}
}

func unpackPackage(b *testing.B, st *localstore.Store, name string) {
	f, err := os.Open(name)
	if err != nil {
		b.Error(err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Error(err)
		return
	}
	l, err := readDeb(b.Context(), st, f, info.Size(), 2)
	if err != nil {
		b.Error(err)
		return
	}
	if _, err := l.write(b.Context(), st); err != nil {
		b.Error(err)
	}
}

// TestProgressFile: what is read in any order, and some of it twice, is counted up.
func TestProgressFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var told []int64
	p := &progressFile{File: f, size: 10, progress: func(done, total int64) { told = append(told, done, total) }}
	for _, at := range []int64{7, 0, 4, 7} {
		if _, err := p.ReadAt(make([]byte, 3), at); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int64{3, 10, 6, 10, 9, 10, 10, 10}; !slices.Equal(told, want) {
		t.Errorf("told %d, want %d", told, want)
	}
}
