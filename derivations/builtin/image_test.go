package builtin

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"sysc/derivations"
	"sysc/internal/download"
	"sysc/internal/ocifetch"
	"sysc/internal/ocifetch/ocitest"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

// A registryTest is a registry that is served, and a store.
type registryTest struct {
	testing.TB
	*ocitest.Registry
	host  string
	store *localstore.Store
}

// newRegistry serves a registry, through a handler around it if there is one.
func newRegistry(t testing.TB, around func(http.Handler) http.Handler) *registryTest {
	t.Helper()
	r := &registryTest{TB: t, Registry: ocitest.New(), store: openStore(t)}
	var handler http.Handler = r.Registry
	if around != nil {
		handler = around(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	return r
}

// layer makes a layer compressed by gzip.
func (r *registryTest) layer(entries ...entry) ocitest.Content {
	r.Helper()
	c, err := ocitest.Gzip(r.tar(entries...))
	if err != nil {
		r.Fatal(err)
	}
	return c
}

func (r *registryTest) tar(entries ...entry) []byte {
	r.Helper()
	return makeTar(r, entries...)
}

// image puts an image for linux/amd64.
func (r *registryTest) image(layers ...ocitest.Content) string {
	r.Helper()
	return r.must(r.Image("team/app", "", "linux/amd64", layers...))
}

func (r *registryTest) must(digest string, err error) string {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
	return digest
}

// fetch fetches an image whose root nobody knows, and returns what is in it.
func (r *registryTest) fetch(digest string) (string, error) {
	r.Helper()
	return r.fetchFor(digest, "linux/amd64")
}

func (r *registryTest) fetchFor(digest, platform string) (string, error) {
	r.Helper()
	_, err := runStep(r, r.store, fetchImage, &derivations.Fixed{Kind: store.KindRoot, Digest: store.Digest{1}},
		map[string]any{"image": r.host + "/team/app", "digest": digest, "platform": platform, "unknown": true})
	var unknown *UnknownHashError
	if !errors.As(err, &unknown) {
		return "", err
	}
	return list(r, r.store, unknown.Got), nil
}

func owned(e entry, mode int64, uid, gid int) entry {
	e.Mode, e.Uid, e.Gid = mode, uid, gid
	return e
}

// TestImageLayers applies layers on top of one another, in all compressions.
func TestImageLayers(t *testing.T) {
	r := newRegistry(t, nil)
	capable := file0644("bin/ping", "ping")
	capable.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "cap", "SCHILY.xattr.trusted.overlay.opaque": "y"}
	zstd, err := ocitest.Zstd(r.tar(
		file0644("etc/.wh.gone", ""), file0644(".wh.whole", ""), file0644("opaque/new", "2"), file0644("opaque/.wh..wh..opq", ""),
		file0644("var/.wh..wh.plnk", ""), file0644("etc/passwd", "changed"), file0644("lib/x.so", "x"), hardlink("etc/again", "etc/passwd"),
		hardlink("etc/lower", "etc/kept"), file0644(".wh.missing", ""), file0644("nowhere/.wh.missing", "")))
	if err != nil {
		t.Fatal(err)
	}
	base := ocitest.Plain(r.tar(
		file0644("./etc/passwd", "root"), file0644("etc/gone", "g"), file0644("etc/kept", "k"), owned(dir0755("home/"), 0o750, 1000, 100), owned(file0644("sudo", "s"), 0o4755, 0, 0),
		file0644("whole/a", "a"), file0644("whole/deep/b", "b"), file0644("opaque/old", "1"), file0644("opaque/sub/old", "1"), symlink("lib", "usr/lib"), dir0755("usr/lib/"), capable, file0644("turns", "file"),
		entry{tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3}, ""}))
	digest := r.image(
		base,
		zstd,
		r.layer(file0644("turns/into", "a directory"), file0644("whole/again", "3")),
	)
	if _, err := r.fetch(digest); err == nil || !strings.Contains(err.Error(), `"turns" is a file, and something is put below it`) {
		t.Errorf("below a file: got %v", err)
	}
	digest = r.image(
		base,
		zstd,
		r.layer(dir0755("turns/"), file0644("turns/into", "a directory"), file0644("whole/again", "3"), file0644("home", "file now")),
	)
	got, err := r.fetch(digest)
	if err != nil {
		t.Fatal(err)
	}
	const want = `d 0755 0:0 bin
f 0644 0:0 bin/ping (4) security.capability="cap"
d 0755 0:0 etc
f 0644 0:0 etc/again (7)
f 0644 0:0 etc/kept (1)
f 0644 0:0 etc/lower (1)
f 0644 0:0 etc/passwd (7)
f 0644 0:0 home (8)
l 0777 0:0 lib -> usr/lib
d 0755 0:0 opaque
f 0644 0:0 opaque/new (1)
f 4755 0:0 sudo (1)
d 0755 0:0 turns
f 0644 0:0 turns/into (11)
d 0755 0:0 usr
d 0755 0:0 usr/lib
f 0644 0:0 usr/lib/x.so (1)
d 0755 0:0 whole
f 0644 0:0 whole/again (1)`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestImageLinks: a link leads where it would lead a process whose root the image is.
func TestImageLinks(t *testing.T) {
	r := newRegistry(t, nil)
	got, err := r.fetch(r.image(
		r.layer(symlink("out", "../../../../tmp"), symlink("abs", "/a/b"), symlink("a", "real"), symlink("loop", "loop"), dir0755("real/")),
		r.layer(file0644("out/x", "1"), file0644("abs/y", "2"), hardlink("z", "a/b/y"), file0644("loop", "no link now")),
	))
	const want = `l 0777 0:0 a -> real
l 0777 0:0 abs -> /a/b
f 0644 0:0 loop (11)
l 0777 0:0 out -> ../../../../tmp
d 0755 0:0 real
d 0755 0:0 real/b
f 0644 0:0 real/b/y (1)
d 0755 0:0 tmp
f 0644 0:0 tmp/x (1)
f 0644 0:0 z (1)`
	if err != nil || got != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
}

// TestImageIndex chooses from an index.
func TestImageIndex(t *testing.T) {
	r := newRegistry(t, nil)
	var entries []ocitest.Content
	for _, platform := range []string{"linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7", "unknown/unknown"} {
		name := strings.ReplaceAll(platform, "/", "-")
		parts := strings.Split(platform, "/")
		digest := r.must(r.Image("team/app", "", parts[0]+"/"+parts[1], r.layer(file0644(name, name))))
		e, err := r.Entry("team/app", digest, platform)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	index := r.must(r.Index("team/app", "", entries...))
	for platform, want := range map[string]string{"linux/amd64": "linux-amd64", "linux/arm64": "linux-arm64-v8", "linux/arm": "linux-arm-v7"} {
		got, err := r.fetchFor(index, platform)
		if err != nil || got != fmt.Sprintf("f 0644 0:0 %s (%d)", want, len(want)) {
			t.Errorf("%s: %v, got %s", platform, err, got)
		}
	}
	_, err := r.fetchFor(index, "linux/s390x")
	var missing *ocifetch.PlatformError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "nothing for linux/s390x in it, only for linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8") {
		t.Errorf("got %v", err)
	}
	// An image without an index says itself what it is for.
	if _, err := r.fetchFor(entries[0].Digest, "linux/arm64"); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
}

// TestArtifact: what is no image becomes files.
func TestArtifact(t *testing.T) {
	r := newRegistry(t, nil)
	titled := func(title string) ocitest.Content {
		c := ocitest.Content{MediaType: "text/plain", Data: []byte("content of " + title)}
		if title != "" {
			c.Annotations = map[string]string{"org.opencontainers.image.title": title}
		}
		return c
	}
	config := ocitest.Content{MediaType: types.OCIEmptyJSON, Data: []byte("{}")}
	got, err := r.fetch(r.must(r.Manifest("team/app", "", config, titled("a.txt"), titled("dir/b.txt"), titled(""))))
	want := "f 0644 0:0 a.txt (16)\nd 0755 0:0 dir\nf 0644 0:0 dir/b.txt (20)\n" +
		"f 0644 0:0 " + strings.Replace(ocitest.Digest([]byte("content of ")), ":", "-", 1) + " (11)"
	if err != nil || got != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
	for _, title := range []string{"../x", "/etc/passwd", ".", "a.txt"} {
		_, err := r.fetch(r.must(r.Manifest("team/app", "", config, titled("a.txt"), titled(title))))
		if !errors.As(err, new(*ocifetch.VerifyError)) {
			t.Errorf("%q: got %v", title, err)
		}
	}
}

// TestHostileLayers: each is refused by name, and nothing is the result.
func TestHostileLayers(t *testing.T) {
	r := newRegistry(t, nil)
	device := entry{tar.Header{Typeflag: tar.TypeBlock, Name: "disk", Mode: 0o600, Devmajor: 8}, ""}
	fifo := entry{tar.Header{Typeflag: tar.TypeFifo, Name: "dev/fifo", Mode: 0o600}, ""}
	overlay := entry{tar.Header{Typeflag: tar.TypeChar, Name: "gone", Mode: 0o600}, ""} // as overlayfs has whiteouts
	gz := func(entries ...entry) ocitest.Content { return r.layer(entries...) }
	cut := gz(file0644("a", strings.Repeat("x", 5000)))
	cut.Data = cut.Data[:len(cut.Data)-9]
	confused := gz(file0644("a", "x"))
	confused.MediaType = types.OCILayerZStd
	plain := ocitest.Plain(gz(file0644("a", "x")).Data)
	foreign := gz(file0644("a", "x"))
	foreign.MediaType, foreign.URLs = types.DockerForeignLayer, []string{"https://example.org/layer"}
	elsewhere := gz(file0644("a", "x"))
	elsewhere.URLs = []string{"https://example.org/layer"}
	secret := gz(file0644("a", "x"))
	secret.MediaType = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
	size := gz(file0644("a", "x"))
	size.Digest, size.Size = ocitest.Digest(size.Data), int64(len(size.Data)+1)
	short := gz(file0644("longer", "x"))
	short.Digest, short.Size = ocitest.Digest(short.Data), int64(len(short.Data)-1)
	for name, test := range map[string]struct {
		layers []ocitest.Content
		want   string
	}{
		"upwards":           {[]ocitest.Content{gz(file0644("../x", ""))}, `"../x": path leads upwards`},
		"absolute":          {[]ocitest.Content{gz(file0644("/etc/x", ""))}, `"/etc/x": absolute path`},
		"hard link out":     {[]ocitest.Content{gz(hardlink("x", "../../etc/passwd"))}, "path leads upwards"},
		"hard link nowhere": {[]ocitest.Content{gz(hardlink("x", "etc/passwd"))}, `hard link to "etc/passwd", which is no file`},
		"hard link to dir":  {[]ocitest.Content{gz(dir0755("d/"), hardlink("x", "d"))}, "which is no file"},
		"links in a circle": {[]ocitest.Content{gz(symlink("a", "b"), symlink("b", "a")), gz(file0644("a/x", ""))}, "more than 40 links"},
		"device":            {[]ocitest.Content{gz(device)}, `"disk": a device cannot be`},
		"whiteout device":   {[]ocitest.Content{gz(overlay)}, `"gone": a device cannot be`},
		"fifo":              {[]ocitest.Content{gz(fifo)}, "a FIFO cannot be"},
		"whiteout of ..":    {[]ocitest.Content{gz(file0644("d/.wh...", ""))}, "a whiteout of nothing"},
		"whiteout of .":     {[]ocitest.Content{gz(file0644("d/.wh..", ""))}, "a whiteout of nothing"},
		"whiteout alone":    {[]ocitest.Content{gz(file0644(".wh.", ""))}, "a whiteout of nothing"},
		"whiteout dir":      {[]ocitest.Content{gz(dir0755("d/.wh.x/"))}, "a whiteout that is no file"},
		"cut short":         {[]ocitest.Content{cut}, "unexpected EOF"},
		"no gzip":           {[]ocitest.Content{confused}, "its type says that its compression is zstd, and it is gzip"},
		"gzip":              {[]ocitest.Content{plain}, "its type says that its compression is none, and it is gzip"},
		"foreign":           {[]ocitest.Content{foreign}, "is not in the registry"},
		"elsewhere":         {[]ocitest.Content{elsewhere}, "is not in the registry"},
		"encrypted":         {[]ocitest.Content{secret}, "is no type of layer"},
		"size":              {[]ocitest.Content{size}, "bytes, and the manifest says"},
		"longer":            {[]ocitest.Content{short}, "longer than"},
		"no layer":          {[]ocitest.Content{{MediaType: types.OCILayer, Digest: ocitest.Digest([]byte("nowhere")), Size: 1}}, "404"},
		"sha512":            {[]ocitest.Content{{MediaType: types.OCILayer, Digest: "sha512:00", Size: 1}}, "is not \"sha256:\""},
	} {
		got, err := r.fetch(r.image(test.layers...))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %q, %v, want error with %q", name, got, err, test.want)
		}
		var wrong *ocifetch.VerifyError
		var long *download.SizeError
		if name != "no layer" && !errors.As(err, &wrong) && !errors.As(err, &long) {
			t.Errorf("%s: %v is no failed verification", name, err)
		}
	}
}

// TestLayerBombs: what an image is in all is bounded, whatever each layer is.
func TestLayerBombs(t *testing.T) {
	st := openStore(t)
	apply := func(m *image, entries ...entry) error {
		m.layer++
		return readLayer(t.Context(), st, bytes.NewReader(makeTar(t, entries...)), m)
	}
	m := newImage()
	m.limits.left = 100
	if err := apply(m, file0644("a", strings.Repeat("x", 60))); err != nil {
		t.Fatal(err)
	}
	if err := apply(m, file0644("b", strings.Repeat("x", 60))); err == nil || !strings.Contains(err.Error(), "the archive's files have more than") {
		t.Errorf("files: got %v", err)
	}
	m = newImage()
	m.limits.entries = maxEntries - 2
	if err := errors.Join(apply(m, file0644("a", "")), apply(m, file0644("b", ""))); err != nil {
		t.Fatal(err)
	}
	if err := apply(m, file0644("c", "")); err == nil || !strings.Contains(err.Error(), "more than 2000000 entries") {
		t.Errorf("entries: got %v", err)
	}
	m = newImage()
	m.limits.raw = 4000
	if err := apply(m, file0644("a", "")); err != nil {
		t.Fatal(err)
	}
	if err := apply(m, file0644("a", "")); err != nil {
		t.Fatal(err)
	}
	if err := apply(m, file0644("a", strings.Repeat("x", 3000))); err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("raw: got %v", err)
	}
	m = newImage()
	m.steps = maxSteps - 4
	if err := apply(m, file0644("a/b/c", "")); err != nil {
		t.Fatal(err)
	}
	if err := apply(m, file0644("a/b/.wh..wh..opq", "")); err == nil || !strings.Contains(err.Error(), "steps for the links and whiteouts") {
		t.Errorf("steps: got %v", err)
	}
	deep := strings.Repeat("d/", 200)
	m = newImage()
	if err := apply(m, file0644(deep+"x", ""), symlink("l", deep), file0644("l/"+deep+"x", "")); err == nil || !strings.Contains(err.Error(), "directories deep") {
		t.Errorf("depth: got %v", err)
	}
}

// TestImageHash: what is fetched has to be what was asked for.
func TestImageHash(t *testing.T) {
	r := newRegistry(t, nil)
	digest := r.image(r.layer(file0644("a", "x")))
	attrs := map[string]any{"image": r.host + "/team/app", "digest": digest, "platform": "linux/amd64"}
	_, err := runStep(t, r.store, fetchImage, &derivations.Fixed{Kind: store.KindRoot, Digest: store.Digest{1}}, attrs)
	var wrong *download.HashError
	if !errors.As(err, &wrong) {
		t.Fatalf("got %v", err)
	}
	s, err := runStep(t, r.store, fetchImage, &derivations.Fixed{Kind: store.KindRoot, Digest: wrong.Got}, attrs)
	if err != nil {
		t.Fatal(err)
	}
	if result, _ := s.Result("out"); result.Kind != store.KindRoot || result.Tree != wrong.Got {
		t.Errorf("got %+v", result)
	}
	if _, err := runStep(t, r.store, fetchImage, &derivations.Fixed{Kind: store.KindTree, Digest: wrong.Got}, attrs); err == nil {
		t.Error("an image is a tree")
	}
}

// TestCanonicalTree makes what can be read below /sysc/store.
func TestCanonicalTree(t *testing.T) {
	st := openStore(t)
	root := newImage()
	root.layer = 1
	err := readLayer(t.Context(), st, bytes.NewReader(makeTar(t, owned(file0644("bin/su", "s"), 0o4755, 0, 0), owned(dir0755("home/"), 0o700, 1000, 100), owned(file0644("home/a", "a"), 0o600, 1000, 100), symlink("l", "/bin"))), root)
	if err != nil {
		t.Fatal(err)
	}
	top, err := root.top.write(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	o, err := st.MakeObject(t.Context(), "root", store.KindRoot, top.Digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Register(t.Context(), []store.Object{o}, nil); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		o.Path.Logical():           "d 0555 0:0 bin\nf 0555 0:0 bin/su (1)\nd 0555 0:0 home\nf 0444 0:0 home/a (1)\nl 0777 0:0 l -> /bin",
		o.Path.Logical() + "/home": "f 0444 0:0 a (1)",
	} {
		s, err := runStep(t, st, func(ctx context.Context, s *Step) error {
			d := *s.Derivation
			d.Sources = []store.Path{o.Path}
			s.Derivation = &d
			return canonicalTree(ctx, s)
		}, nil, map[string]any{"source": source})
		if err != nil {
			t.Fatal(err)
		}
		if result, _ := s.Result("out"); result.Kind != store.KindTree || list(t, st, result.Tree) != want {
			t.Errorf("got\n%s\nwant\n%s", list(t, st, result.Tree), want)
		}
	}
}

// TestLayersSideBySide: a second layer is asked for while the first is on its way.
func TestLayersSideBySide(t *testing.T) {
	both := make(chan struct{}, 2)
	together := make(chan struct{})
	r := newRegistry(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/blobs/") {
				next.ServeHTTP(w, req)
				return
			}
			body := httptest.NewRecorder()
			next.ServeHTTP(body, req)
			if body.Body.Len() > 1000 { // a layer, and not the configuration
				select {
				case both <- struct{}{}:
					if len(both) == cap(both) {
						close(together)
					}
				default:
				}
				select {
				case <-together:
				case <-req.Context().Done():
					return
				}
			}
			w.Write(body.Body.Bytes())
		})
	})
	got, err := r.fetch(r.image(
		ocitest.Plain(r.tar(file0644("a", strings.Repeat("a", 2000)))),
		ocitest.Plain(r.tar(file0644("b", strings.Repeat("b", 2000)))),
	))
	if err != nil || got != "f 0644 0:0 a (2000)\nf 0644 0:0 b (2000)" {
		t.Errorf("%v, got\n%s", err, got)
	}
}

// TestLayerResumed: a layer whose connection breaks goes on where it stopped.
func TestLayerResumed(t *testing.T) {
	var mu sync.Mutex
	var ranges []string
	r := newRegistry(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			// All of it, whatever part is asked for: parts are served here.
			whole := req.Clone(req.Context())
			whole.Header.Del("Range")
			body := httptest.NewRecorder()
			next.ServeHTTP(body, whole)
			data := body.Body.Bytes()
			if !strings.Contains(req.URL.Path, "/blobs/") || len(data) < 1000 { // the configuration
				next.ServeHTTP(w, req)
				return
			}
			mu.Lock()
			ranges = append(ranges, req.Header.Get("Range"))
			first := len(ranges) == 1
			mu.Unlock()
			if !first {
				http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:1000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
	})
	got, err := r.fetch(r.image(ocitest.Plain(r.tar(file0644("a", strings.Repeat("a", 5000))))))
	if err != nil || got != "f 0644 0:0 a (5000)" {
		t.Errorf("%v, got\n%s", err, got)
	}
	if want := []string{"", "bytes=1000-"}; !slices.Equal(ranges, want) {
		t.Errorf("asked for %q, want %q", ranges, want)
	}
}

// FuzzLayers: whatever two layers are, each is read or refused, and what they give can be
// encoded.
func FuzzLayers(f *testing.F) {
	seed := func(entries ...entry) []byte { return makeTar(f, entries...) }
	f.Add(seed(file0644("a/b", "x"), symlink("l", "a"), dir0755("d/")), seed(file0644("l/c", "y"), file0644("a/.wh.b", ""), file0644(".wh..wh..opq", "")))
	f.Add(seed(symlink("a", "b"), symlink("b", "/a/../c")), seed(hardlink("x", "a/y"), file0644("a/b/c", "")))
	st := openStore(f)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		m := newImage()
		m.limits.left, m.limits.entries = 1<<20, maxEntries-1000
		for _, data := range [][]byte{first, second} {
			m.layer++
			if err := readLayer(t.Context(), st, bytes.NewReader(data), m); err != nil {
				return
			}
		}
		top, err := m.top.write(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		err = tree.Walk(t.Context(), st, top.Digest, func(path string, _ tree.Entry) error {
			if strings.Count(path, "/") >= tree.MaxDepth {
				t.Fatalf("%q is too deep", path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
