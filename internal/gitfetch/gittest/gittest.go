// Package gittest makes repositories for tests, broken ones too, and serves them
// over HTTP with git itself.
package gittest

import (
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// environment makes commits that depend on their content alone, whatever the
// test does to git's variables.
func environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.org", "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.org", "GIT_COMMITTER_DATE=1700000000 +0000",
	}
}

// A TB is what is needed of a test.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// A Repo is a bare repository.
type Repo struct {
	t   TB
	Dir string
}

// New makes an empty repository of an object format, sha1 or sha256.
func New(t TB, dir, format string) *Repo {
	t.Helper()
	r := &Repo{t: t, Dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.Git("", "init", "--quiet", "--bare", "--initial-branch=main", "--object-format="+format)
	return r
}

// Git runs a command on the repository and returns what it prints, trimmed.
func (r *Repo) Git(stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = r.Dir, environment(), strings.NewReader(stdin)
	cmd.Stderr = new(strings.Builder)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(fmt.Sprintf("git %s: %v: %s", strings.Join(args, " "), err, cmd.Stderr))
	}
	return strings.TrimSpace(string(out))
}

// Blob keeps a content and returns its name.
func (r *Repo) Blob(content string) string {
	r.t.Helper()
	return r.Git(content, "hash-object", "-w", "--stdin")
}

// An Entry is one entry of a tree, which may be anything.
type Entry struct{ Mode, Name, ID string }

// Named returns an entry.
func Named(mode, name, id string) Entry { return Entry{Mode: mode, Name: name, ID: id} }

// Tree keeps a tree of these entries in this order, whether it is legal or not.
func (r *Repo) Tree(entries ...Entry) string {
	r.t.Helper()
	var raw strings.Builder
	for _, e := range entries {
		id, err := hex.DecodeString(e.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprintf(&raw, "%s %s\x00%s", e.Mode, e.Name, id)
	}
	return r.Git(raw.String(), "hash-object", "-w", "--literally", "-t", "tree", "--stdin")
}

// Commit makes a commit of a tree and returns its name.
func (r *Repo) Commit(tree string, parents ...string) string {
	r.t.Helper()
	args := []string{"commit-tree", tree, "-m", "test"}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	return r.Git("", args...)
}

// Branch makes a branch lead to a commit.
func (r *Repo) Branch(name, commit string) {
	r.t.Helper()
	r.Git("", "update-ref", "refs/heads/"+name, commit)
}

// Handler serves the repositories below dir. Without v2 it speaks the older
// protocol, in which a client cannot ask for any commit that it likes.
func Handler(dir string, v2 bool) (http.Handler, error) {
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, err
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  append(environment(), "GIT_PROJECT_ROOT="+dir, "GIT_HTTP_EXPORT_ALL=1"),
		// What it has to say it says to the client.
		Stderr: io.Discard,
		Logger: log.New(io.Discard, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !v2 {
			req.Header.Del("Git-Protocol")
		}
		backend.ServeHTTP(w, req)
	}), nil
}
