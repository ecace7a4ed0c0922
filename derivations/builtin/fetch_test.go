package builtin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/internal/download"
	"sysc/store"
)

func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir("testdata/www")))
	defer server.Close()
	st := openStore(t)
	data, err := os.ReadFile("testdata/www/pool/hello.txt")
	if err != nil {
		t.Fatal(err)
	}
	fixed := &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf(data), Executable: true}
	mirrored := func(do Func) Func {
		return func(ctx context.Context, s *Step) error {
			s.Mirrors = Mirrors{"test": {server.URL + "/nowhere", server.URL}}
			return do(ctx, s)
		}
	}
	for _, attrs := range []map[string]any{
		{"url": server.URL + "/pool/hello.txt"},
		{"urls": []string{server.URL + "/missing", "mirror://test/pool/hello.txt"}, "size": len(data)},
	} {
		s, err := runStep(t, st, mirrored(fetch), fixed, attrs)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := s.Result("out")
		if want := "f 0555 0:0 content (6)"; list(t, st, got.Tree) != want || got.Kind != store.KindFile {
			t.Errorf("got %s", list(t, st, got.Tree))
		}
	}
	other := &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte("other"))}
	var wrong *download.HashError
	if _, err := runStep(t, st, fetch, other, map[string]any{"url": server.URL + "/pool/hello.txt"}); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
	for want, fixed := range map[string]*derivations.Fixed{
		"whose digest is known":           nil,
		"only a file whose digest is":     {Kind: store.KindTree, Digest: store.Digest{1}},
		"no mirror called \"test\" is kn": fixed,
	} {
		if _, err := runStep(t, st, fetch, fixed, map[string]any{"url": "mirror://test/x"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
}

// TestFetchKeepsParts: with a DownloadDir an interrupted download is there for
// the next run.
func TestFetchKeepsParts(t *testing.T) {
	data := []byte("hello\n")
	dir := t.TempDir()
	part := filepath.Join(dir, store.DigestOf(data).Hex()+".part")
	if err := os.WriteFile(part, data[:3], 0o600); err != nil {
		t.Fatal(err)
	}
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Range")
		http.ServeFile(w, r, "testdata/www/pool/hello.txt")
	}))
	defer server.Close()
	do := func(ctx context.Context, s *Step) error {
		s.DownloadDir = dir
		return fetch(ctx, s)
	}
	fixed := &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf(data)}
	if _, err := runStep(t, openStore(t), do, fixed, map[string]any{"url": server.URL}); err != nil {
		t.Fatal(err)
	}
	if asked != "bytes=3-" {
		t.Errorf("asked for %q", asked)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
