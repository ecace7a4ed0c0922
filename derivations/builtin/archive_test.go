package builtin

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// An entry is one entry of a test archive; content is only a file's.
type entry struct {
	tar.Header
	content string
}

func file0644(name, content string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, content}
}

func dir0755(name string) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}}
}

func symlink(name, target string) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

func hardlink(name, target string) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}}
}

func makeTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// compressors by suffix; multi-block xz is not among them, as nothing here writes
// it (see xz_test.go).
var compressors = map[string]func(io.Writer) (io.WriteCloser, error){
	"":     func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil },
	".gz":  func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
	".xz":  func(w io.Writer) (io.WriteCloser, error) { return xz.WriterConfig{DictCap: 1 << 16}.NewWriter(w) },
	".zst": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func compressed(t testing.TB, suffix string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := compressors[suffix](&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func arHeader(name string, size int) string {
	return fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", size)
}

// makeAr writes an ar archive of (name, content) pairs.
func makeAr(members ...string) []byte {
	out := []byte(arMagic)
	for i := 0; i < len(members); i += 2 {
		out = append(out, arHeader(members[i], len(members[i+1]))...)
		out = append(out, members[i+1]...)
		if len(out)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out
}

// makeDeb writes a package with a minimal control archive.
func makeDeb(t testing.TB, suffix string, data ...entry) []byte {
	t.Helper()
	control := makeTar(t, dir0755("./"), file0644("./control", "Package: x\nVersion: 1\n"))
	return makeAr("debian-binary", "2.0\n",
		"control.tar"+suffix, string(compressed(t, suffix, control)),
		"data.tar"+suffix, string(compressed(t, suffix, makeTar(t, data...))))
}
