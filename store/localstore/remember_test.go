package localstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sysc/store"
)

func TestRemember(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	dir := write(t, "d/one=first", "d/two*=second", "link->x")
	add := func() store.Object {
		t.Helper()
		// Until then a file may change without its time showing it.
		time.Sleep(2 * memoryRacy)
		o, err := s.AddDir(ctx, dir, &AddOptions{Name: "x", Remember: true})
		must(t, err)
		want, err := s.AddDir(ctx, dir, &AddOptions{Name: "x"})
		must(t, err)
		if o.Path != want.Path {
			t.Errorf("got %s, want %s", o.Path, want.Path)
		}
		return o
	}
	memory := func() (string, *memory) {
		t.Helper()
		m, err := s.recall(dir)
		must(t, err)
		return m.path, m
	}
	add()
	path, m := memory()
	if len(m.known) != 2 || m.known["d/one"].digest != store.DigestOf([]byte("first")) {
		t.Fatalf("remembered: %+v", m.known)
	}
	add()

	// It is used: what is wrong in it comes out.
	wrong := m.known["d/one"]
	_, _, err := s.AddBlob(ctx, strings.NewReader("secon"))
	must(t, err)
	wrong.digest = store.DigestOf([]byte("secon"))
	m.known["d/one"] = wrong
	must(t, os.Chmod(path, 0o644))
	must(t, os.WriteFile(path, encodeMemory(m.known), 0o644))
	o, err := s.AddDir(ctx, dir, &AddOptions{Name: "x", Remember: true})
	must(t, err)
	if want, err := s.AddDir(ctx, dir, &AddOptions{Name: "x"}); err != nil || o.Path == want.Path {
		t.Errorf("nothing was remembered: %v", err)
	}

	// A damaged one is not.
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)/2] ^= 1
	must(t, os.WriteFile(path, data, 0o644))
	add()

	// A file with other contents of the same length, and the same time.
	file := filepath.Join(dir, "d/one")
	info, err := os.Stat(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte("FIRST"), 0o644))
	must(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
	add()
	must(t, os.Chmod(file, 0o755))
	add()
	must(t, os.Rename(file, filepath.Join(dir, "d/three")))
	add()

	// What is remembered may be gone from the store.
	s = reopen(t, s)
	gc(t, s, GCOptions{})
	add()
	must(t, os.Remove(s.blobPath("second")+executableSuffix))
	s = reopen(t, s)
	register(t, s, add())
	verify(t, s)
}

func TestRememberRefused(t *testing.T) {
	s := newStore(t)
	for _, opts := range []AddOptions{{Kind: store.KindRoot}, {SelfID: string(fakePath(t, '0'))[:32]}, {Candidates: []store.Path{fakePath(t, '0')}}} {
		opts.Name, opts.Remember = "x", true
		if _, err := s.AddDir(t.Context(), write(t, "f=1"), &opts); err == nil {
			t.Errorf("%+v: no error", opts)
		}
	}
}

func FuzzDecodeMemory(f *testing.F) {
	f.Add(encodeMemory(map[string]remembered{"a/b": {dev: 1, ino: 2, size: 3, mtime: 4, ctime: 5}, "c": {}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		known := decodeMemory(data)
		if len(known) > 0 && len(decodeMemory(encodeMemory(known))) != len(known) {
			t.Error("not what was encoded")
		}
	})
}
