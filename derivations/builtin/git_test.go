package builtin

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"sysc/derivations"
	"sysc/internal/download"
	"sysc/internal/gitfetch"
	"sysc/internal/gitfetch/gittest"
	"sysc/store"
	"sysc/store/localstore"
)

// gitServer returns a directory for repositories, and where they are served.
func gitServer(t testing.TB) (dir, base string) {
	t.Helper()
	dir = t.TempDir()
	handler, err := gittest.Handler(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return dir, server.URL
}

// unknownHash fetches a commit without knowing the hash, and returns it.
func unknownHash(t testing.TB, st *localstore.Store, attrs map[string]any) (store.Digest, error) {
	t.Helper()
	attrs["unknown"] = true
	_, err := runStep(t, st, git, &derivations.Fixed{Kind: store.KindTree, Digest: store.Digest{1}}, attrs)
	var unknown *UnknownHashError
	if errors.As(err, &unknown) {
		if !strings.Contains(err.Error(), `hash = "`+unknown.Got.String()+`"`) {
			t.Errorf("got %v", err)
		}
		return unknown.Got, nil
	}
	if err == nil {
		t.Fatal("a commit without a hash is accepted")
	}
	return store.Digest{}, err
}

// attributed makes a commit of files that git would change on the way to a work
// tree or an archive.
func attributed(t testing.TB, dir string) (r *gittest.Repo, commit string) {
	t.Helper()
	r = gittest.New(t, dir, "sha1")
	sub := r.Tree(gittest.Named("100755", "run", r.Blob("#!/bin/sh\r\n")))
	commit = r.Commit(r.Tree(
		gittest.Named("100644", ".gitattributes", r.Blob("* text eol=crlf\nversion export-subst\nhidden export-ignore\n*.lfs filter=lfs\n*.txt ident\n")),
		gittest.Named("100664", "a.txt", r.Blob("one\ntwo $Id$\n")),
		gittest.Named("120000", "etc", r.Blob("/etc")),
		gittest.Named("100644", "hidden", r.Blob("h")),
		gittest.Named("40000", "sub", sub),
		gittest.Named("100644", "version", r.Blob("$Format:%H$\n")),
		gittest.Named("100644", "x.lfs", r.Blob("version https://git-lfs.github.com/spec/v1\n")),
	))
	r.Branch("main", commit)
	return r, commit
}

const attributedTree = `f 0444 0:0 .gitattributes (87)
f 0444 0:0 a.txt (13)
l 0777 0:0 etc -> /etc
f 0444 0:0 hidden (1)
d 0555 0:0 sub
f 0555 0:0 sub/run (11)
f 0444 0:0 version (12)
f 0444 0:0 x.lfs (43)`

// TestGit: the tree is what the commit says, whatever git is told elsewhere.
func TestGit(t *testing.T) {
	st := openStore(t)
	dir, base := gitServer(t)
	r, commit := attributed(t, filepath.Join(dir, "repo.git"))
	attrs := map[string]any{"url": base + "/repo.git", "commit": commit}
	want, err := unknownHash(t, st, attrs)
	if err != nil {
		t.Fatal(err)
	}
	delete(attrs, "unknown")
	fixed := &derivations.Fixed{Kind: store.KindTree, Digest: want}
	check := func(what string) {
		t.Helper()
		s, err := runStep(t, openStore(t), git, fixed, attrs)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		got, _ := s.Result("out")
		if got.Kind != store.KindTree || list(t, s.Store, got.Tree) != attributedTree {
			t.Errorf("%s: got %s", what, list(t, s.Store, got.Tree))
		}
	}
	check("as it is")
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[core]\nautocrlf = true\neol = crlf\nsymlinks = false\nfileMode = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("with settings")
	r.Git("", "config", "core.autocrlf", "input")
	r.Git("", "update-ref", "refs/replace/"+commit, r.Commit(r.Tree()))
	check("with a replaced commit")
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	check("with an umask")
	attrs["url"] = "file://" + r.Dir
	check("from a directory")

	// The same files of another history, and of the other kind of repository.
	other := gittest.New(t, filepath.Join(dir, "other.git"), "sha256")
	attrs["url"], attrs["commit"] = base+"/other.git", other.Commit(other.Tree())
	var wrong *download.HashError
	_, err = runStep(t, st, git, fixed, attrs)
	if !errors.As(err, &wrong) || store.Digest(wrong.Want) != want || !strings.Contains(err.Error(), base+"/other.git") {
		t.Errorf("got %v", err)
	}
	got, err := unknownHash(t, st, attrs)
	if err != nil || got == want || store.Digest(wrong.Got) != got {
		t.Errorf("got %v, %v", got, err)
	}
	for want, fixed := range map[string]*derivations.Fixed{
		"whose tree is known":      nil,
		"only a commit whose tree": {Kind: store.KindFile, Digest: store.Digest{1}},
	} {
		if _, err := runStep(t, st, git, fixed, attrs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
}

// withModules makes a commit with submodules at paths and the file of their
// addresses.
func withModules(t testing.TB, r *gittest.Repo, modules string, links ...gittest.Entry) string {
	t.Helper()
	entries := append([]gittest.Entry{gittest.Named("100644", ".gitmodules", r.Blob(modules))}, links...)
	commit := r.Commit(r.Tree(entries...))
	r.Branch("main", commit)
	return commit
}

func module(path, address string) string {
	return "[submodule \"" + path + "\"]\n\tpath = " + path + "\n\turl = " + address + "\n"
}

func TestGitSubmodules(t *testing.T) {
	st := openStore(t)
	dir, base := gitServer(t)
	leaf := gittest.New(t, filepath.Join(dir, "leaf.git"), "sha1")
	leafCommit := leaf.Commit(leaf.Tree(gittest.Named("100644", "leaf", leaf.Blob("x"))))
	middle := gittest.New(t, filepath.Join(dir, "middle.git"), "sha1")
	middleCommit := withModules(t, middle, module("deep", "../leaf.git"), gittest.Named("160000", "deep", leafCommit))
	top := gittest.New(t, filepath.Join(dir, "top.git"), "sha1")
	sub := top.Tree(gittest.Named("160000", "m", middleCommit))
	commit := withModules(t, top, module("sub/m", "../middle.git"), gittest.Named("40000", "sub", sub))
	fetched := func(submodules bool) string {
		t.Helper()
		attrs := map[string]any{"url": base + "/top.git", "commit": commit, "submodules": submodules}
		hash, err := unknownHash(t, st, attrs)
		if err != nil {
			t.Fatal(err)
		}
		delete(attrs, "unknown")
		s, err := runStep(t, st, git, &derivations.Fixed{Kind: store.KindTree, Digest: hash}, attrs)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := s.Result("out")
		return list(t, st, got.Tree)
	}
	if got, want := fetched(false), "f 0444 0:0 .gitmodules (55)\nd 0555 0:0 sub\nd 0555 0:0 sub/m"; got != want {
		t.Errorf("without submodules: got\n%s", got)
	}
	want := `f 0444 0:0 .gitmodules (55)
d 0555 0:0 sub
d 0555 0:0 sub/m
f 0444 0:0 sub/m/.gitmodules (51)
d 0555 0:0 sub/m/deep
f 0444 0:0 sub/m/deep/leaf (1)`
	if got := fetched(true); got != want {
		t.Errorf("with submodules: got\n%s", got)
	}
}

func TestGitRefusesSubmodules(t *testing.T) {
	st := openStore(t)
	dir, base := gitServer(t)
	ran := filepath.Join(dir, "ran")
	leaf := gittest.New(t, filepath.Join(dir, "leaf.git"), "sha1")
	leafCommit := leaf.Commit(leaf.Tree())
	leaf.Branch("main", leafCommit)
	for i, tt := range []struct{ modules, want string }{
		{module("m", "ext::sh -c touch% "+ran), "submodule \"m\""},
		{module("m", "--upload-pack=touch "+ran), "submodule"},
		{module("m", "file://"+leaf.Dir), "https or ssh"},
		{module("m", leaf.Dir), "neither https"},
		{module("m", "http://127.0.0.1:1/leaf.git"), "https or ssh"},
		{module("m", "../../leaf.git"), "leads out of"},
		{module("other", "../leaf.git"), "no address"},
		{"", "no address"},
		{module("m", ""), "submodule"},
	} {
		r := gittest.New(t, filepath.Join(dir, string(rune('a'+i))+".git"), "sha1")
		commit := withModules(t, r, tt.modules, gittest.Named("160000", "m", leafCommit))
		attrs := map[string]any{"url": base + "/" + filepath.Base(r.Dir), "commit": commit, "submodules": true}
		if _, err := unknownHash(t, st, attrs); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want error with %q", tt.modules, err, tt.want)
		}
	}
	if _, err := os.Lstat(ran); err == nil {
		t.Error("a submodule's address was run")
	}
	// The file of addresses can be a link in a commit, and is not followed.
	r := gittest.New(t, filepath.Join(dir, "link.git"), "sha1")
	commit := r.Commit(r.Tree(gittest.Named("120000", ".gitmodules", r.Blob("/etc/passwd")), gittest.Named("160000", "m", leafCommit)))
	r.Branch("main", commit)
	attrs := map[string]any{"url": base + "/link.git", "commit": commit, "submodules": true}
	if _, err := unknownHash(t, st, attrs); err == nil || !strings.Contains(err.Error(), ".gitmodules") {
		t.Errorf("got %v", err)
	}
}

// TestGitManySubmodules: nested or many submodules end at limits.
func TestGitManySubmodules(t *testing.T) {
	st := openStore(t)
	dir, base := gitServer(t)
	r := gittest.New(t, filepath.Join(dir, "r.git"), "sha1")
	commit := r.Commit(r.Tree())
	for range maxNesting + 1 {
		commit = withModules(t, r, module("m", "../r.git"), gittest.Named("160000", "m", commit))
	}
	attrs := map[string]any{"url": base + "/r.git", "commit": commit, "submodules": true}
	if _, err := unknownHash(t, st, attrs); err == nil || !strings.Contains(err.Error(), "in one another") {
		t.Errorf("got %v", err)
	}
}

// TestGitRefusesNames has trees that git would never make. Some of it git finds
// itself while it fetches, which ends the same.
func TestGitRefusesNames(t *testing.T) {
	st := openStore(t)
	dir, base := gitServer(t)
	r := gittest.New(t, filepath.Join(dir, "r.git"), "sha1")
	blob, link := r.Blob("x"), r.Blob("/etc")
	inside := r.Tree(gittest.Named("100644", "config", blob))
	deep := r.Tree(gittest.Named("100644", "f", blob))
	for range 256 {
		deep = r.Tree(gittest.Named("40000", "d", deep))
	}
	for _, tt := range []struct {
		want    string
		entries []gittest.Entry
	}{
		{"git's own|hasDotgit", []gittest.Entry{gittest.Named("40000", ".git", inside)}},
		{"git's own|hasDotgit", []gittest.Entry{gittest.Named("40000", ".GIT", inside)}},
		{"git's own|hasDotgit", []gittest.Entry{gittest.Named("120000", ".git", link)}},
		{"cannot stand|hasDot|fullPathname", []gittest.Entry{gittest.Named("40000", "..", inside)}},
		{"cannot stand|hasDot|fullPathname", []gittest.Entry{gittest.Named("100644", "../../x", blob)}},
		{"cannot stand|hasDot|fullPathname", []gittest.Entry{gittest.Named("100644", "/etc/x", blob)}},
		{"cannot stand|hasDot|fullPathname", []gittest.Entry{gittest.Named("40000", ".", inside)}},
		{"twice|duplicateEntries", []gittest.Entry{gittest.Named("120000", "a", link), gittest.Named("40000", "a", inside)}},
		{"twice|duplicateEntries", []gittest.Entry{gittest.Named("40000", "a", inside), gittest.Named("120000", "a", link)}},
		{"name of 256 bytes", []gittest.Entry{gittest.Named("100644", strings.Repeat("n", 256), blob)}},
		{"directories deep", []gittest.Entry{gittest.Named("40000", "d", deep)}},
		{"link target of 0 bytes", []gittest.Entry{gittest.Named("120000", "l", r.Blob(""))}},
		{"link target of 4096 bytes", []gittest.Entry{gittest.Named("120000", "l", r.Blob(strings.Repeat("l", 4096)))}},
		{"\"l\": NUL", []gittest.Entry{gittest.Named("120000", "l", r.Blob("a\x00b"))}},
		{"is a blob, not a tree|Object [0-9a-f]* not a tree", []gittest.Entry{gittest.Named("40000", "t", blob)}},
		{"is a tree, not a blob|is a blob, not a tree", []gittest.Entry{gittest.Named("100644", "t", inside)}},
	} {
		commit := r.Commit(r.Tree(tt.entries...))
		r.Branch("main", commit)
		_, err := unknownHash(t, st, map[string]any{"url": base + "/r.git", "commit": commit})
		if err == nil || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
			t.Errorf("%v: got %v, want error with %q", tt.entries, err, tt.want)
		}
	}
}

// TestGitLimits: neither a small commit that unfolds to a large one, nor a large
// one, gets far.
func TestGitLimits(t *testing.T) {
	st := openStore(t)
	dir, base := gitServer(t)
	r := gittest.New(t, filepath.Join(dir, "r.git"), "sha1")
	folded := r.Tree(gittest.Named("100644", "f", r.Blob(strings.Repeat("x", 1<<20))))
	for range 12 {
		var entries []gittest.Entry
		for _, name := range strings.Fields("a b c d e f g h") {
			entries = append(entries, gittest.Named("40000", name, folded))
		}
		folded = r.Tree(entries...)
	}
	commit := r.Commit(folded)
	r.Branch("main", commit)
	request := gitfetch.Request{Commit: commit}
	var err error
	if request.Remote, err = gitfetch.ParseRemote(base + "/r.git"); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*checkout){
		"more than 2000000 entries": func(c *checkout) { c.entries = maxEntries - 1000 },
		"files have more than":      func(c *checkout) { c.left = 4 << 20 },
		"more than 1000 submodules": func(c *checkout) { c.repositories = maxSubmodules + 1 },
	} {
		s, err := runStep(t, st, func(context.Context, *Step) error { return nil }, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newCheckout(s, t.TempDir())
		change(c)
		if err := c.repository(t.Context(), request, true, "", 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want error with %q", err, want)
		}
	}
}
