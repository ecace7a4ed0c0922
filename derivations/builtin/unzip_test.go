package builtin

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// A zipped is one entry of a test archive. mangle, if not nil, changes its header
// just before it is written, when sizes and sum are known.
type zipped struct {
	name    string
	mode    fs.FileMode
	content string
	mangle  func(*zip.FileHeader)
}

func makeZip(t testing.TB, entries ...zipped) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		if e.mangle != nil {
			e.mangleRaw(t, w, h)
			continue
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(e.content)); err != nil && e.content != "" {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (e zipped) mangleRaw(t testing.TB, w *zip.Writer, h *zip.FileHeader) {
	t.Helper()
	h.Method = zip.Store
	h.CompressedSize64, h.UncompressedSize64 = uint64(len(e.content)), uint64(len(e.content))
	e.mangle(h)
	f, err := w.CreateRaw(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(e.content)); err != nil {
		t.Fatal(err)
	}
}

func unpackZip(t testing.TB, data []byte, strip int) (string, error) {
	t.Helper()
	st := openStore(t)
	source := addFile(t, st, "x.zip", data)
	s, err := runStep(t, st, unpack, nil, map[string]any{"source": source.Logical(), "format": "archive", "strip": strip, "kind": "tree"})
	if err != nil {
		return "", err
	}
	got, _ := s.Result("out")
	return list(t, st, got.Tree), nil
}

func TestUnpackZip(t *testing.T) {
	data := makeZip(t, zipped{name: "hello-1.0/", mode: fs.ModeDir | 0o755}, zipped{name: "hello-1.0/README", mode: 0o644, content: "read me"},
		zipped{name: "hello-1.0/configure", mode: 0o755 | fs.ModeSetuid, content: "#!"}, zipped{name: "hello-1.0/link", mode: fs.ModeSymlink | 0o777, content: "/etc/passwd"},
		zipped{name: "hello-1.0/sub/empty", mode: 0o600}, zipped{name: "hello-1.0/sub/Empty", mode: 0o600}, zipped{name: "top", mode: 0o644, content: "x"})
	got, err := unpackZip(t, data, 1)
	if err != nil {
		t.Fatal(err)
	}
	const want = `f 0444 0:0 README (7)
f 0555 0:0 configure (2)
l 0777 0:0 link -> /etc/passwd
d 0555 0:0 sub
f 0444 0:0 sub/Empty (0)
f 0444 0:0 sub/empty (0)`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestUnpackZipRefuses has the table of TestUnpackRefuses, as far as a zip
// archive can say such things, and what only it can.
func TestUnpackZipRefuses(t *testing.T) {
	file := func(name string) zipped { return zipped{name: name, mode: 0o644, content: "content"} }
	link := func(name, target string) zipped {
		return zipped{name: name, mode: fs.ModeSymlink | 0o777, content: target}
	}
	mangled := func(mangle func(*zip.FileHeader)) []zipped {
		e := file("a")
		e.mangle = mangle
		return []zipped{e}
	}
	for _, test := range []struct {
		name    string
		entries []zipped
		want    string
	}{
		{"absolute", []zipped{file("/etc/passwd")}, `"/etc/passwd": absolute`},
		{"dots", []zipped{file("a/../../etc/passwd")}, "leads upwards"},
		{"backslashes", []zipped{file(`..\..\etc\passwd`)}, "backslash"},
		{"drive", []zipped{file(`C:\x`)}, "backslash"},
		{"through a link", []zipped{link("a", "/etc"), file("a/passwd")}, `"a" is not a directory`},
		{"directory over a link", []zipped{link("a", "/etc"), {name: "a/", mode: fs.ModeDir | 0o755}}, `"a" is not a directory`},
		{"link over a directory", []zipped{{name: "a/", mode: fs.ModeDir | 0o755}, link("a", "/etc")}, `"a" is a directory and something else`},
		{"file over a directory", []zipped{file("a/b"), file("a")}, `"a" is a directory and something else`},
		{"twice", []zipped{file("a"), file("a")}, `"a" occurs twice`},
		{"twice, spelled otherwise", []zipped{file("a"), file(".//a")}, `"a" occurs twice`},
		{"file over a link", []zipped{link("a", "/etc/passwd"), file("a")}, `"a" occurs twice`},
		{"device", []zipped{{name: "a", mode: fs.ModeDevice | fs.ModeCharDevice | 0o644}}, `"a": neither a file`},
		{"FIFO", []zipped{{name: "a", mode: fs.ModeNamedPipe | 0o644}}, `"a": neither a file`},
		{"socket", []zipped{{name: "a", mode: fs.ModeSocket | 0o644}}, `"a": neither a file`},
		{"link that is a directory", []zipped{{name: "a/", mode: fs.ModeSymlink | 0o777}}, `"a/": neither a file`},
		{"NUL", []zipped{file("a\x00b")}, "NUL in a path"},
		{"no name", []zipped{file("")}, "is the top and no directory"},
		{"long name", []zipped{file(strings.Repeat("n", 256))}, "name of 256 bytes"},
		{"deep", []zipped{file(strings.Repeat("d/", 300) + "f")}, "directories deep"},
		{"long target", []zipped{link("a", strings.Repeat("t", 5000))}, "link target of 5000 bytes"},
		{"empty target", []zipped{link("a", "")}, "link target of 0 bytes"},
		{"NUL in a target", []zipped{link("a", "x\x00y")}, "NUL in the target"},
		{"encrypted", mangled(func(h *zip.FileHeader) { h.Flags |= 1 }), `"a": it is encrypted`},
		{"method", mangled(func(h *zip.FileHeader) { h.Method = 12 }), "compression method 12"},
		{"sum", mangled(func(h *zip.FileHeader) { h.CRC32 = 1 }), "checksum error"},
		{"longer than it says", mangled(func(h *zip.FileHeader) { h.UncompressedSize64 = 3 }), "not a valid zip file"},
		{"shorter than it says", mangled(func(h *zip.FileHeader) { h.UncompressedSize64 = 30 }), "unexpected EOF"},
		{"terabytes", mangled(func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 40 }), "files have more than"},
		{"more than there is", mangled(func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 63 }), "files have more than"},
	} {
		if _, err := unpackZip(t, makeZip(t, test.entries...), 0); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want error with %q", test.name, err, test.want)
		}
	}
	good := makeZip(t, file("a"))
	for name, data := range map[string][]byte{"cut": good[:len(good)-10], "start alone": []byte(zipMagic)} {
		if _, err := unpackZip(t, data, 0); err == nil || !strings.Contains(err.Error(), "read zip archive: zip: not a valid zip file") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestUnzipLimits: a small archive may not become large, however it says so.
func TestUnzipLimits(t *testing.T) {
	// A thousand names of one and the same content.
	var entries []zipped
	for i := range 1000 {
		entries = append(entries, zipped{name: fmt.Sprint(i), mode: 0o644, content: strings.Repeat("\x00", 1000)})
	}
	data := makeZip(t, entries...)
	u := newUnzip(openStore(t))
	u.left = 500_000
	if err := u.read(t.Context(), bytes.NewReader(data), int64(len(data))); err == nil || !strings.Contains(err.Error(), `"500": the archive's files`) {
		t.Errorf("got %v", err)
	}
	limited := &limitedReaderAt{r: bytes.NewReader(data), left: 10_000}
	if _, err := zip.NewReader(limited, int64(len(data))); err == nil || !strings.Contains(err.Error(), "table of contents") {
		t.Errorf("got %v", err)
	}
}

func FuzzUnzip(f *testing.F) {
	f.Add(makeZip(f, zipped{name: "a/", mode: fs.ModeDir | 0o755}, zipped{name: "a/b", mode: 0o755, content: "x"}, zipped{name: "l", mode: fs.ModeSymlink, content: "a"}))
	f.Add(makeZip(f, zipped{name: "a", content: "x", mangle: func(h *zip.FileHeader) { h.Flags |= 8 }}))
	st := openStore(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		u := newUnzip(st)
		u.left = 1 << 20
		if err := u.read(t.Context(), bytes.NewReader(data), int64(len(data))); err != nil {
			return
		}
		// What was accepted is a tree that can be encoded.
		if _, err := u.top.write(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	})
}
