package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sysc/derivations"
	"sysc/internal/download"
	"sysc/store"
	"sysc/store/localstore"
)

// asFetcher makes a process of this test binary one fetch: see fetchProcess.
const asFetcher = "SYSC_TEST_FETCH"

// TestMain lets tests run fetches as processes of their own.
func TestMain(m *testing.M) {
	if url := os.Getenv(asFetcher); url != "" {
		if err := fetchProcess(url, os.Getenv("SYSC_STORE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir("testdata/www")))
	defer server.Close()
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
		st := openStore(t)
		s, err := runStep(t, st, mirrored(fetch), fixed, attrs)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := s.Result("out")
		if want := "f 0555 0:0 content (6)"; list(t, st, got.Tree) != want || got.Kind != store.KindFile {
			t.Errorf("got %s", list(t, st, got.Tree))
		}
	}
	st := openStore(t)
	other := &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte("other"))}
	var wrong *download.HashError
	if _, err := runStep(t, st, fetch, other, map[string]any{"url": server.URL + "/pool/hello.txt"}); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
	secret := strings.Replace(server.URL, "http://", "http://user:secret@", 1)
	if _, err := runStep(t, st, fetch, fixed, map[string]any{"url": secret}); err == nil || !strings.Contains(err.Error(), "netrc") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	for want, fixed := range map[string]*derivations.Fixed{
		"whose digest is known":        nil,
		"only a file whose digest is":  {Kind: store.KindTree, Digest: store.Digest{1}},
		"no mirror is called \"test\"": fixed,
	} {
		if _, err := runStep(t, st, fetch, fixed, map[string]any{"url": "mirror://test/x"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
}

// TestFetchFiles: a mirror may be a directory of this machine. An address of the
// definition may not, nor lead out of the mirror.
func TestFetchFiles(t *testing.T) {
	dir, err := filepath.Abs("testdata/www/pool")
	if err != nil {
		t.Fatal(err)
	}
	fixed := &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf([]byte("hello\n"))}
	for address, want := range map[string]string{
		"mirror://here/hello.txt":               "",
		"mirror://here/../pool/hello.txt":       "leads out of the mirror",
		"mirror://here/%2e%2e/pool/hello.txt":   "leads out of the mirror",
		"file://" + dir + "/hello.txt":          "no address to fetch from",
		"FILE://" + dir + "/hello.txt":          "no address to fetch from",
		"file:" + dir + "/hello.txt":            "no address to fetch from",
		"file://localhost" + dir + "/hello.txt": "no address to fetch from",
	} {
		do := func(ctx context.Context, s *Step) error {
			s.Mirrors = Mirrors{"here": {"file://" + dir}}
			return fetch(ctx, s)
		}
		_, err := runStep(t, openStore(t), do, fixed, map[string]any{"url": address})
		if (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: got %v, want error with %q", address, err, want)
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

// A slowServer sends the first half of its content, and the rest once somebody
// else has asked too or waits.
type slowServer struct {
	*httptest.Server
	started, release chan struct{}
	once             sync.Once
	mu               sync.Mutex
	ranges           []string
}

var slowContent = []byte(strings.Repeat("0123456789abcdef", 1<<12))

func newSlowServer(t *testing.T) *slowServer {
	s := &slowServer{started: make(chan struct{}), release: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	t.Cleanup(s.goOn)
	return s
}

func (s *slowServer) goOn() { s.once.Do(func() { close(s.release) }) }

func (s *slowServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	first := len(s.ranges) == 1
	s.mu.Unlock()
	if !first {
		s.goOn()
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(slowContent)))
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(slowContent)))
	w.Write(slowContent[:len(slowContent)/2])
	w.(http.Flusher).Flush()
	close(s.started)
	select {
	case <-s.release:
		w.Write(slowContent[len(slowContent)/2:])
	case <-r.Context().Done():
	}
}

func (s *slowServer) asked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.ranges, ",")
}

// onWrite calls itself when something is written.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}

// TestFetchTwice fetches one file by two names at once: it is downloaded once.
func TestFetchTwice(t *testing.T) {
	server := newSlowServer(t)
	st, dir := openStore(t), t.TempDir()
	one := func() (*Step, error) {
		return runStep(t, st, func(ctx context.Context, s *Step) error {
			s.DownloadDir, s.Log = dir, onWrite(server.goOn)
			return fetch(ctx, s)
		}, &derivations.Fixed{Kind: store.KindFile, Digest: store.DigestOf(slowContent)}, map[string]any{"url": server.URL})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := one(); err != nil {
			t.Error(err)
		}
	})
	<-server.started
	if _, err := one(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if got := server.asked(); got != "" {
		t.Errorf("requests with ranges %q, want a single one for everything", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestFetchProcesses does the same with two processes. When the one that
// downloads is killed, the one that waits goes on where it stopped.
func TestFetchProcesses(t *testing.T) {
	for _, kill := range []bool{false, true} {
		server := newSlowServer(t)
		dir := t.TempDir()
		openStoreAt(t, dir).Close() // so that neither has to make it
		start := func() (*exec.Cmd, io.Reader) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), asFetcher+"="+server.URL, "SYSC_STORE="+dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			return cmd, out
		}
		first, firstOut := start()
		<-server.started
		if _, err := io.ReadFull(firstOut, make([]byte, 1)); err != nil { // it has written something
			t.Fatal(err)
		}
		second, out := start()
		said := make([]byte, 4)
		if _, err := io.ReadFull(out, said); err != nil || string(said) != "pid " {
			t.Errorf("the second process says %q, %v", said, err)
		}
		want := ""
		if kill {
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			want = ",bytes="
		} else {
			server.goOn()
		}
		io.Copy(io.Discard, firstOut)
		if err := first.Wait(); (err != nil) != kill {
			t.Errorf("first process: %v", err)
		}
		if rest, err := io.ReadAll(out); err != nil || !strings.HasSuffix(string(rest), "fetched\n") {
			t.Errorf("the second process says %q, %v", rest, err)
		}
		if err := second.Wait(); err != nil {
			t.Errorf("second process: %v", err)
		}
		if got := server.asked(); !strings.HasPrefix(got, want) || !kill && got != "" {
			t.Errorf("killed %t: ranges %q, want %q", kill, got, want)
		}
	}
}

// fetchProcess is what a process of TestFetchProcesses does.
func fetchProcess(url, dir string) (err error) {
	ctx := context.Background()
	st, err := localstore.Open(ctx, dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	attrs, err := derivations.MakeAttrs(map[string]any{"url": url})
	if err != nil {
		return err
	}
	downloads := filepath.Join(dir, "downloads")
	if err := os.MkdirAll(downloads, 0o700); err != nil {
		return err
	}
	s := &Step{
		Derivation: &derivations.Derivation{Name: "x", Attrs: attrs, Fixed: &derivations.Fixed{
			Kind: store.KindFile, Digest: store.DigestOf(slowContent)}},
		Store: st, Download: &download.Client{}, DownloadDir: downloads, Log: os.Stdout,
		Progress: func(done, _ int64) { fmt.Println("got", done) },
	}
	if err := fetch(ctx, s); err != nil {
		return err
	}
	fmt.Println("fetched")
	return nil
}
