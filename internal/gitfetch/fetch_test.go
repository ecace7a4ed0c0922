package gitfetch

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sysc/internal/gitfetch/gittest"
)

func parse(t testing.TB, address string) Remote {
	t.Helper()
	r, err := ParseRemote(address)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serve serves the repositories below dir on this machine.
func serve(t testing.TB, dir string, v2 bool) string {
	t.Helper()
	handler, err := gittest.Handler(dir, v2)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// history makes a repository with a branch of two commits and a commit that no
// ref leads to, and returns these.
func history(t testing.TB, dir, format string) (r *gittest.Repo, first, second, hidden string) {
	t.Helper()
	r = gittest.New(t, dir, format)
	tree := func(content string) string {
		return r.Tree(gittest.Named("100644", "file", r.Blob(content)))
	}
	first = r.Commit(tree("one"))
	second = r.Commit(tree("two"), first)
	hidden = r.Commit(tree("hidden"))
	r.Branch("main", second)
	return r, first, second, hidden
}

// content fetches a commit and returns its only file.
func content(t testing.TB, c *Client, r Request) (string, error) {
	t.Helper()
	r.Dir = t.TempDir()
	repo, err := c.Fetch(t.Context(), r)
	if err != nil {
		return "", err
	}
	defer repo.Close()
	entries, err := repo.Tree(repo.Root)
	if err != nil {
		return "", err
	}
	if len(entries) != 1 || entries[0].Name != "file" || entries[0].Type != File {
		return "", fmt.Errorf("entries %v", entries)
	}
	body, size, err := repo.Blob(entries[0].ID)
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(body)
	if int64(len(raw)) != size {
		t.Errorf("%d bytes, said %d", len(raw), size)
	}
	return string(raw), err
}

func TestFetch(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		dir := t.TempDir()
		_, first, second, hidden := history(t, filepath.Join(dir, "repo.git"), format)
		for _, base := range []string{serve(t, dir, true), serve(t, dir, false), "file://" + dir} {
			remote := parse(t, base+"/repo.git")
			c := &Client{}
			for commit, want := range map[string]string{first: "one", second: "two"} {
				if got, err := content(t, c, Request{Remote: remote, Commit: commit}); err != nil || got != want {
					t.Errorf("%s %s: got %q, %v; want %q", format, base, got, err, want)
				}
			}
			missing := strings.Repeat("1", len(first))
			var gone *MissingError
			if _, err := content(t, c, Request{Remote: remote, Commit: missing, Ref: "main"}); !errors.As(err, &gone) || gone.Ref != "main" {
				t.Errorf("%s %s: got %v", format, base, err)
			}
		}
		// By the newer protocol any commit can be had, by the older one what refs have.
		if got, err := content(t, &Client{}, Request{Remote: parse(t, serve(t, dir, true)+"/repo.git"), Commit: hidden}); err != nil || got != "hidden" {
			t.Errorf("got %q, %v", got, err)
		}
		var gone *MissingError
		if _, err := content(t, &Client{}, Request{Remote: parse(t, serve(t, dir, false)+"/repo.git"), Commit: hidden, Ref: "nothing"}); !errors.As(err, &gone) {
			t.Errorf("got %v", err)
		}
	}
}

// TestFetchRef: a ref that is neither branch nor tag must be named, where the
// server gives nothing else.
func TestFetchRef(t *testing.T) {
	dir := t.TempDir()
	r, _, _, hidden := history(t, filepath.Join(dir, "repo.git"), "sha1")
	r.Git("", "update-ref", "refs/changes/7/1", r.Commit(r.Tree(), hidden))
	remote := parse(t, serve(t, dir, false)+"/repo.git")
	var gone *MissingError
	if _, err := content(t, &Client{}, Request{Remote: remote, Commit: hidden}); !errors.As(err, &gone) || !strings.Contains(err.Error(), "name that as ref") {
		t.Errorf("got %v", err)
	}
	if got, err := content(t, &Client{}, Request{Remote: remote, Commit: hidden, Ref: "refs/changes/7/1"}); err != nil || got != "hidden" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	remote := parse(t, "file:///nowhere")
	commit := strings.Repeat("a", 40)
	for _, r := range []Request{
		{Commit: commit}, {Remote: remote}, {Remote: remote, Commit: "HEAD"}, {Remote: remote, Commit: strings.Repeat("A", 40)},
		{Remote: remote, Commit: commit[1:]}, {Remote: remote, Commit: commit + "\n"},
		{Remote: remote, Commit: commit, Ref: "--upload-pack=id"}, {Remote: remote, Commit: commit, Ref: "a:b"}, {Remote: remote, Commit: commit, Ref: "+a"},
		{Remote: remote, Commit: commit, Ref: "a..b"}, {Remote: remote, Commit: commit, Ref: "refs/heads/*"}, {Remote: remote, Commit: commit, Ref: "a\nb"},
	} {
		r.Dir = t.TempDir()
		if _, err := new(Client).Fetch(t.Context(), r); err == nil {
			t.Errorf("%+v is accepted", r)
		}
		if left, err := os.ReadDir(filepath.Join(r.Dir, "git")); err == nil {
			t.Errorf("%+v: git was run: %v", r, left)
		}
	}
}

func TestTags(t *testing.T) {
	dir := t.TempDir()
	r, first, second, _ := history(t, filepath.Join(dir, "repo.git"), "sha1")
	r.Git("", "tag", "v1", first)
	r.Git("", "tag", "-a", "-m", "annotated", "v2", second)
	r.Git("", "tag", "sub/v3", second)
	r.Git("", "tag", "ünüsual", second)
	tags, err := new(Client).Tags(t.Context(), parse(t, serve(t, dir, true)+"/repo.git"))
	if want := []Tag{{"sub/v3", second}, {"v1", first}, {"v2", second}}; err != nil || !slices.Equal(tags, want) {
		t.Errorf("got %v, %v; want %v", tags, err, want)
	}
	r.Git("", "branch", "v1", second)
	r.Git("", "branch", "next/v2", first)
	remote := parse(t, serve(t, dir, true)+"/repo.git")
	for ref, want := range map[string]string{
		"v1": first, "v2": second, "refs/heads/v1": second, "refs/tags/v2": second, "next/v2": first, "HEAD": second, "none": "", "2": "", "heads/v1": "",
	} {
		got, err := new(Client).Resolve(t.Context(), remote, ref)
		var missing *RefError
		if got != want || (err == nil) != (want != "") || err != nil && !errors.As(err, &missing) {
			t.Errorf("Resolve(%q) = %q, %v, want %q", ref, got, err, want)
		}
	}
	if got, err := new(Client).Resolve(t.Context(), remote, "--upload-pack=id"); err == nil {
		t.Errorf("got %q", got)
	}
	if _, err := new(Client).Tags(t.Context(), parse(t, "file://"+dir+"/none")); !errors.As(err, new(*Error)) {
		t.Errorf("got %v", err)
	}
}

// TestTLS: certificates are verified, and $SSL_CERT_FILE counts as in all other
// downloads.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	_, _, second, _ := history(t, filepath.Join(dir, "repo.git"), "sha1")
	handler, err := gittest.Handler(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	r := Request{Remote: parse(t, server.URL+"/repo.git"), Commit: second}
	if _, err := content(t, &Client{}, r); !errors.As(err, new(*Error)) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	roots := filepath.Join(dir, "roots.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(roots, block, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", roots)
	if got, err := content(t, &Client{}, r); err != nil || got != "two" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestNoConfiguration fetches while everything that git usually listens to tells
// it to do something else.
func TestNoConfiguration(t *testing.T) {
	dir := t.TempDir()
	_, _, second, _ := history(t, filepath.Join(dir, "repo.git"), "sha1")
	home, ran := t.TempDir(), filepath.Join(dir, "ran")
	script := filepath.Join(home, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$0 $@\" >> "+ran+"\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	hooks := filepath.Join(home, "template", "hooks")
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"reference-transaction", "post-checkout"} {
		if err := os.Symlink(script, filepath.Join(hooks, hook)); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`[url "file:///nowhere/"]
	insteadOf = http://127.0.0.1
[core]
	hooksPath = %[2]s
	fsmonitor = %[1]s
	sshCommand = %[1]s
	askPass = %[1]s
[init]
	templateDir = %[3]s
[credential]
	helper = !%[1]s
[alias]
	fetch = !%[1]s
[protocol]
	allow = never
`, script, hooks, filepath.Dir(hooks))
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_GLOBAL": filepath.Join(home, ".gitconfig"), "GIT_CONFIG_SYSTEM": filepath.Join(home, ".gitconfig"),
		"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": hooks,
		"GIT_TEMPLATE_DIR": filepath.Dir(hooks), "GIT_DIR": "/nowhere", "GIT_ASKPASS": script, "SSH_ASKPASS": script, "GIT_SSH_COMMAND": script,
		"GIT_OBJECT_DIRECTORY": "/nowhere", "GIT_PROXY_COMMAND": script, "GIT_TRACE": ran, "GIT_EXTERNAL_DIFF": script,
	} {
		t.Setenv(key, value)
	}
	handler, err := gittest.Handler(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	closed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer closed.Close()
	server := httptest.NewServer(handler)
	defer server.Close()
	if got, err := content(t, &Client{}, Request{Remote: parse(t, server.URL+"/repo.git"), Commit: second}); err != nil || got != "two" {
		t.Errorf("got %q, %v", got, err)
	}
	// Nobody is asked for a password.
	if _, err := content(t, &Client{}, Request{Remote: parse(t, closed.URL+"/repo.git"), Commit: second}); !errors.As(err, new(*Error)) {
		t.Errorf("got %v", err)
	}
	if said, err := os.ReadFile(ran); err == nil {
		t.Errorf("somebody else's programs ran: %s", said)
	}
}

// TestSizeLimit: a repository that sends more than it may is left, and what it
// started is gone.
func TestSizeLimit(t *testing.T) {
	dir := t.TempDir()
	r := gittest.New(t, filepath.Join(dir, "repo.git"), "sha1")
	noise := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	commit := r.Commit(r.Tree(gittest.Named("100644", "file", r.Blob(string(noise)))))
	r.Branch("main", commit)
	base := serve(t, dir, true)
	var size *SizeError
	if _, err := content(t, &Client{MaxBytes: 1 << 20}, Request{Remote: parse(t, slow(t, base)+"/repo.git"), Commit: commit}); !errors.As(err, &size) || size.Limit != 1<<20 {
		t.Errorf("got %v", err)
	}
	var most atomic.Int64
	request := Request{Remote: parse(t, slow(t, base)+"/repo.git"), Commit: commit, Progress: func(done int64) { most.Store(done) }}
	if got, err := content(t, &Client{MaxBytes: 16 << 20}, request); err != nil || got != string(noise) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if most.Load() == 0 {
		t.Error("no progress was told")
	}
}

// slow passes requests on and lets the answers trickle.
func slow(t testing.TB, base string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next, err := http.NewRequestWithContext(r.Context(), r.Method, base+r.URL.RequestURI(), r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		next.Header, next.ContentLength = r.Header.Clone(), r.ContentLength
		resp, err := http.DefaultTransport.RoundTrip(next)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		for key, values := range resp.Header {
			w.Header()[key] = values
		}
		w.WriteHeader(resp.StatusCode)
		for {
			if _, err := io.CopyN(w, resp.Body, 512<<10); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(tick / 2):
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// silent answers nothing until the client goes away, and says when that is.
func silent(t testing.TB) (base string, asked, gone chan struct{}) {
	asked, gone = make(chan struct{}, 8), make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	t.Cleanup(server.Close)
	return server.URL, asked, gone
}

func TestSilence(t *testing.T) {
	// The server's end is not reached before all who asked are gone.
	base, _, _ := silent(t)
	_, err := content(t, &Client{Silence: time.Second}, Request{Remote: parse(t, base+"/repo.git"), Commit: strings.Repeat("a", 40)})
	if !errors.Is(err, errSilent) || !IsTransient(err) {
		t.Errorf("got %v", err)
	}
	_, err = content(t, &Client{Timeout: time.Second}, Request{Remote: parse(t, base+"/repo.git"), Commit: strings.Repeat("a", 40)})
	if err == nil || !strings.Contains(err.Error(), "not done after 1s") {
		t.Errorf("got %v", err)
	}
}

// TestCancel: with the context all of git's processes end, the one that holds
// the connection too.
func TestCancel(t *testing.T) {
	base, asked, gone := silent(t)
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := new(Client).Fetch(ctx, Request{Remote: parse(t, base+"/repo.git"), Commit: strings.Repeat("a", 40), Dir: t.TempDir()})
		done <- err
	}()
	<-asked
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	<-gone
}

// TestCancelReading: the process that hands out objects ends as well.
func TestCancelReading(t *testing.T) {
	dir := t.TempDir()
	_, _, second, _ := history(t, filepath.Join(dir, "repo.git"), "sha1")
	ctx, cancel := context.WithCancelCause(t.Context())
	repo, err := new(Client).Fetch(ctx, Request{Remote: parse(t, "file://"+dir+"/repo.git"), Commit: second, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	why := errors.New("why")
	cancel(why)
	repo.cmd.Wait()
	if _, err := repo.Tree(repo.Root); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestErrors(t *testing.T) {
	commit := strings.Repeat("a", 40)
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer broken.Close()
	none := httptest.NewServer(http.NotFoundHandler())
	defer none.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler("file:///etc/", http.StatusMovedPermanently))
	defer elsewhere.Close()
	for base, transient := range map[string]bool{
		"http://" + unused.Addr().String(): true,
		broken.URL:                         true,
		none.URL:                           false,
		elsewhere.URL:                      false,
	} {
		_, err := content(t, &Client{}, Request{Remote: parse(t, base+"/repo.git"), Commit: commit})
		var failed *Error
		if !errors.As(err, &failed) || IsTransient(err) != transient {
			t.Errorf("%s: transient %v, %v", base, IsTransient(err), err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := content(t, &Client{}, Request{Remote: parse(t, none.URL+"/repo.git"), Commit: commit}); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("got %v", err)
	}
}

// TestMessages: what a server writes cannot drive a terminal.
func TestMessages(t *testing.T) {
	m := &tail{}
	fmt.Fprintf(m, "Receiving objects:  50%% (1/2)\rhint: try\nremote: \x1b]0;x\x07red\u202e\nfatal: no\n%s\n", bytes.Repeat([]byte("y"), 10))
	if got, want := m.last(), "remote: ]0;xred; fatal: no; yyyyyyyyyy"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	m.Write(bytes.Repeat([]byte("z"), 3*maxMessage))
	if got := m.last(); len(got) > maxMessage || m.count() < 3*maxMessage {
		t.Errorf("%d bytes", len(got))
	}
}

// TestHostileDirectory: a repository of this machine may have come with
// somebody's module. Nothing in it is run, though git reads its configuration.
func TestHostileDirectory(t *testing.T) {
	dir := t.TempDir()
	r, _, second, _ := history(t, filepath.Join(dir, "repo.git"), "sha1")
	ran := filepath.Join(dir, "ran")
	script := filepath.Join(r.Dir, "hooks", "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$0 $@\" >> "+ran+"\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"pre-upload", "post-upload", "reference-transaction", "post-checkout", "fsmonitor-watchman"} {
		if err := os.Symlink(script, filepath.Join(r.Dir, "hooks", hook)); err != nil {
			t.Fatal(err)
		}
	}
	for _, setting := range []string{
		"uploadpack.packObjectsHook", "core.fsmonitor", "core.sshCommand", "core.alternateRefsCommand", "core.askPass", "core.pager", "remote.origin.uploadpack",
	} {
		r.Git("", "config", setting, script)
	}
	request := Request{Remote: parse(t, "file://"+r.Dir), Commit: second}
	if got, err := content(t, &Client{}, request); err != nil || got != "two" {
		t.Errorf("got %q, %v", got, err)
	}
	// An object that is said to be elsewhere is not fetched from there.
	for key, value := range map[string]string{
		"core.repositoryformatversion": "1", "extensions.partialClone": "origin", "remote.origin.promisor": "true", "remote.origin.url": "file://" + dir + "/repo.git",
	} {
		r.Git("", "config", key, value)
	}
	blob := r.Git("", "rev-parse", second+":file")
	if err := os.Remove(filepath.Join(r.Dir, "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	if _, err := content(t, &Client{}, request); !errors.As(err, new(*Error)) {
		t.Errorf("got %v", err)
	}
	if said, err := os.ReadFile(ran); err == nil {
		t.Errorf("programs of the repository ran: %s", said)
	}
}
