package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"sysc/store"
	"sysc/store/localstore"
)

// countingSeeker counts what is read.
type countingSeeker struct {
	*bytes.Reader
	read int
}

func (r *countingSeeker) Read(buf []byte) (int, error) {
	n, err := r.Reader.Read(buf)
	r.read += n
	return n, err
}

func (r *countingSeeker) WriteTo(io.Writer) (int64, error) { return 0, errors.New("not counted") }

// What the store has is not read again.
func TestSkip(t *testing.T) {
	src := newStore(t)
	o := addFiles(t, src, localstore.AddOptions{Name: "o"}, "a="+strings.Repeat("a", 8<<20), "b=small", "c="+strings.Repeat("c", 8<<20))
	must(t, src.Register(t.Context(), []store.Object{o}, nil))
	data := exportBytes(t, src, ExportOptions{}, o.Path)
	dst := newStore(t)
	// Somewhere in the last file; the beginning of the file is no stream.
	prefix := []byte("something else")
	r := &countingSeeker{Reader: bytes.NewReader(append(prefix, data[:12<<20]...))}
	_, err := r.Seek(int64(len(prefix)), io.SeekStart)
	must(t, err)
	var cut *TruncatedError
	if _, err := Import(t.Context(), r, dst, unsigned); !errors.As(err, &cut) {
		t.Fatalf("%v", err)
	}
	for _, most := range []int{9 << 20, 1 << 20} { // the second time all is there
		r := &countingSeeker{Reader: bytes.NewReader(append(prefix, data...))}
		_, err := r.Seek(int64(len(prefix)), io.SeekStart)
		must(t, err)
		if _, err := Import(t.Context(), r, dst, unsigned); err != nil {
			t.Fatal(err)
		}
		if r.read > most {
			t.Errorf("%d bytes were read, at most %d", r.read, most)
		}
	}
	verify(t, dst)
	// A pipe is a file that cannot seek.
	in, out, err := os.Pipe()
	must(t, err)
	defer in.Close()
	go func() {
		out.Write(data)
		out.Close()
	}()
	if result, err := Import(t.Context(), in, dst, unsigned); err != nil || result.Present != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}

// Many objects are registered in batches: what is complete stays even if the
// importing process never gets to know that the stream broke off.
func TestBatches(t *testing.T) {
	src := newStore(t)
	var objects []store.Object
	var paths []store.Path
	for i := range maxBatch + 10 {
		o := addFileTree(t, src, fmt.Sprint("o", i))
		objects, paths = append(objects, o), append(paths, o.Path)
	}
	must(t, src.Register(t.Context(), objects, nil))
	data := exportBytes(t, src, ExportOptions{}, paths...)
	dst := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancelLate := func(done, total int64) {
		if done > total-200 {
			cancel()
		}
	}
	if _, err := Import(ctx, bytes.NewReader(data), dst, ImportOptions{AllowUnsigned: true, Progress: cancelLate}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := count(t, dst); n != maxBatch {
		t.Errorf("%d objects, want %d", n, maxBatch)
	}
	result, err := importBytes(dst, data, unsigned)
	if err != nil || result.Present != maxBatch || len(result.Objects) != len(objects) {
		t.Errorf("%d of %d, %v", result.Present, len(result.Objects), err)
	}
	verify(t, dst)
}

func addFileTree(t testing.TB, s *localstore.Store, name string) store.Object {
	t.Helper()
	o, err := s.MakeObject(t.Context(), name, store.KindTree, addTree(t, s, "", addBlob(t, s, name)).Digest, nil)
	must(t, err)
	return o
}

// What a refused stream has left is garbage, and what was imported is safe from
// a collection in another process meanwhile.
func TestGarbage(t *testing.T) {
	ctx := t.Context()
	_, data := smallStream(t)
	frames := split(data)
	dst := newStore(t)
	bad := slices.Clone(frames)
	bad[len(bad)-2].payload = []byte("wrong") // the mark of the last object
	if _, err := importBytes(dst, seal(bad), unsigned); err == nil || count(t, dst) > 0 {
		t.Fatalf("%v", err)
	}
	beside := openStore(t, dst.Dir())
	if _, err := beside.GC(ctx, localstore.GCOptions{}); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range frames {
		if f.kind == kindBlob {
			all = append(all, string(f.payload[32:]))
		}
	}
	for _, content := range all {
		if there, err := dst.HasBlob(ctx, store.DigestOf([]byte(content)), int64(len(content))); !there || err != nil {
			t.Errorf("%q was collected while the importer had it: %v", content, err)
		}
	}
	must(t, dst.Close())
	result, err := beside.GC(ctx, localstore.GCOptions{})
	if err != nil || result.Blobs != len(all) || result.Trees == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	verify(t, beside)
}
