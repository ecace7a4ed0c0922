package gitfetch

import (
	"path/filepath"
	"strings"
	"testing"

	"sysc/internal/gitfetch/gittest"
)

// open fetches a commit of r.
func open(t testing.TB, r *gittest.Repo, commit string) *Repository {
	t.Helper()
	r.Branch("main", commit)
	repo, err := new(Client).Fetch(t.Context(), Request{Remote: parse(t, "file://"+r.Dir), Commit: commit, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(repo.Close)
	return repo
}

func TestNamesThatAreRefused(t *testing.T) {
	id := strings.Repeat("a", 20)
	entry := func(mode, name string) string { return mode + " " + name + "\x00" + id }
	for raw, want := range map[string]string{
		entry("100644", ".git"):                            "git's own",
		entry("40000", ".GiT"):                             "git's own",
		entry("40000", ".git "):                            "git's own",
		entry("40000", ".git..."):                          "git's own",
		entry("40000", "git~1"):                            "git's own",
		entry("40000", ".g\u200cit"):                       "git's own",
		entry("40000", ".git::$INDEX_ALLOCATION"):          "git's own",
		entry("100644", ""):                                "cannot stand",
		entry("40000", "."):                                "cannot stand",
		entry("40000", ".."):                               "cannot stand",
		entry("100644", "../x"):                            "cannot stand",
		entry("100644", "/etc/passwd"):                     "cannot stand",
		entry("100644", "a") + entry("40000", "a"):         "twice",
		entry("60000", "a"):                                "no file",
		entry("0", "a"):                                    "no file",
		entry("-1", "a"):                                   "mode",
		entry("99999999999999999999", "a"):                 "mode",
		"100644 a":                                         "not a tree",
		"100644 a\x00" + id[1:]:                            "not a tree",
		"100644\x00" + id:                                  "not a tree",
		entry("100644", "a") + "\x00":                      "not a tree",
		entry("120000", "b") + entry("100644", ".gIT. . "): "git's own",
	} {
		if got, err := parseTree([]byte(raw), 20); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseTree(%q) = %v, %v; want error with %q", raw, got, err, want)
		}
	}
	all := entry("100644", ".gitmodules") + entry("100664", ".gitignore") + entry("100755", "a.git") + entry("120000", "\xff\n") + entry("40000", "git") + entry("160000", "A")
	got, err := parseTree([]byte(all), 20)
	if err != nil || len(got) != 6 {
		t.Fatalf("got %v, %v", got, err)
	}
	for i, want := range []Type{File, File, Executable, Link, Dir, Submodule} {
		if got[i].Type != want {
			t.Errorf("%q: got %d, want %d", got[i].Name, got[i].Type, want)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte("100644 a\x00aaaaaaaaaaaaaaaaaaaa40000 b\x00bbbbbbbbbbbbbbbbbbbb"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := parseTree(raw, 20)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.Name == "" || strings.ContainsAny(e.Name, "/\x00") || strings.EqualFold(e.Name, ".git") || len(e.ID) != 40 {
				t.Errorf("%q gave %+v", raw, e)
			}
		}
	})
}

func TestWrongObjects(t *testing.T) {
	r := gittest.New(t, filepath.Join(t.TempDir(), "repo.git"), "sha1")
	blob := r.Blob("")
	repo := open(t, r, r.Commit(r.Tree(gittest.Named("100644", "a", blob))))
	if _, size, err := repo.Blob(blob); err != nil || size != 0 {
		t.Errorf("%d bytes, %v", size, err)
	}
	if _, _, err := repo.Blob(strings.Repeat("1", 40)); err == nil || !strings.Contains(err.Error(), "does not have it") {
		t.Errorf("got %v", err)
	}
	if _, err := repo.Tree(blob); err == nil || !strings.Contains(err.Error(), "is a blob, not a tree") {
		t.Errorf("got %v", err)
	}
	// A tag is no commit, though git would take it for one.
	r.Git("", "tag", "-a", "-m", "x", "v1", "main")
	tag := r.Git("", "rev-parse", "v1")
	_, err := new(Client).Fetch(t.Context(), Request{Remote: parse(t, "file://"+r.Dir), Commit: tag, Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "is a tag, not a commit") {
		t.Errorf("got %v", err)
	}
}

func TestSubmodules(t *testing.T) {
	dir := t.TempDir()
	r := gittest.New(t, filepath.Join(dir, "repo.git"), "sha1")
	modules := r.Blob(`[submodule "a.b"]
	path = sub/a
	url = ../a.git
	update = !touch ran
[submodule "c"]
	path = c
	url = https://example.org/c
[include]
	path = /etc/passwd
[core]
	hooksPath = x
`)
	twice := r.Blob("[submodule \"a\"]\npath=x\nurl=../a\n[submodule \"b\"]\npath=x\nurl=../b\n")
	broken := r.Blob("[submodule \n")
	huge := r.Blob(strings.Repeat("#", maxModules+1))
	repo := open(t, r, r.Commit(r.Tree(
		gittest.Named("100644", "broken", broken), gittest.Named("100644", "huge", huge),
		gittest.Named("100644", "modules", modules), gittest.Named("100644", "twice", twice))))
	got, err := repo.Submodules(modules)
	if err != nil || len(got) != 2 || got["sub/a"] != "../a.git" || got["c"] != "https://example.org/c" {
		t.Errorf("got %v, %v", got, err)
	}
	// The last is not read, so nothing can be asked for afterwards.
	for _, tt := range []struct{ id, want string }{{twice, "two addresses"}, {broken, "bad config"}, {huge, "are allowed"}} {
		if _, err := repo.Submodules(tt.id); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want error with %q", err, tt.want)
		}
	}
}
