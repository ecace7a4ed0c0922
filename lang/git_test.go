package lang

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/store"
)

const (
	commit1 = "1111111111111111111111111111111111111111"
	hash1   = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
)

// fetched evaluates a call of fetchgit and returns its derivation, or the error.
func fetched(t *testing.T, dir, call string) (*derivations.Derivation, string) {
	t.Helper()
	m, diags := run(dir, map[string][]byte{"main.sysc.hcl": []byte("locals {\n  x = fetchgit(" + call + ")\n}\n")}, nil)
	if diags.HasErrors() {
		return nil, diags.Err().Error()
	}
	hashes := m.opts.Graph.Hashes()
	if len(hashes) != 1 {
		t.Fatalf("%s made %d derivations", call, len(hashes))
	}
	d, _ := m.opts.Graph.Derivation(hashes[0])
	return d, ""
}

func TestFetchGit(t *testing.T) {
	for call, want := range map[string]string{
		`{url = "https://example.org/a/hello.git", commit = "` + commit1 + `", hash = "` + hash1 + `"}`:                      `hello-111111111111 {"commit":"` + commit1 + `","url":"https://example.org/a/hello.git"}`,
		`{url = "git@example.org:x", commit = "` + commit1 + `", hash = "` + hash1 + `", ref = "v1", submodules = true}`:     `x-111111111111-submodules {"commit":"` + commit1 + `","ref":"v1","submodules":true,"url":"git@example.org:x"}`,
		`{url = "https://example.org/x", commit = "` + commit1 + `", hash = "` + hash1 + `", ref = null, submodules = null}`: `x-111111111111 {"commit":"` + commit1 + `","url":"https://example.org/x"}`,
		`{url = "https://example.org/` + strings.Repeat("x", 300) + `", commit = "` + commit1 + `", hash = "` + hash1 + `"}`: "",
	} {
		d, failed := fetched(t, "", call)
		if failed != "" {
			t.Errorf("%s: %s", call, failed)
			continue
		}
		if want != "" && d.Name+" "+string(d.Attrs) != want {
			t.Errorf("%s: got %s %s, want %s", call, d.Name, d.Attrs, want)
		}
		if d.Builder != "builtin:git" || d.Fixed == nil || d.Fixed.Kind != store.KindTree || d.Fixed.Digest[31] != 1 {
			t.Errorf("%s: got %+v", call, d)
		}
	}
}

// TestFetchGitUnknown: without a hash each fetch is one of its own.
func TestFetchGitUnknown(t *testing.T) {
	seen := map[string]string{}
	for _, call := range []string{
		`{url = "https://example.org/x", commit = "` + commit1 + `"}`,
		`{url = "https://example.com/x", commit = "` + commit1 + `"}`,
		`{url = "https://example.org/x", commit = "` + commit1 + `", hash = "", submodules = true}`,
		`{url = "https://example.org/x", commit = "` + commit1[1:] + `2", hash = null}`,
	} {
		d, failed := fetched(t, "", call)
		if failed != "" || !strings.Contains(string(d.Attrs), `"unknown":true`) {
			t.Errorf("%s: %s, %+v", call, failed, d)
			continue
		}
		if other, ok := seen[d.Fixed.Digest.Hex()]; ok {
			t.Errorf("%s is the same as %s", call, other)
		}
		seen[d.Fixed.Digest.Hex()] = call
	}
}

func TestFetchGitInModule(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a b", "repo.git"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out": "/etc", "in": "a b/repo.git"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	call := func(address string) string {
		return `{url = "` + address + `", commit = "` + commit1 + `", hash = "` + hash1 + `"}`
	}
	for _, address := range []string{"file://./a b/repo.git", "file://./a b/repo.git/", "file://./in"} {
		d, failed := fetched(t, dir, call(address))
		if failed != "" || !strings.Contains(string(d.Attrs), `"file://`+real+`/a%20b/repo.git"`) {
			t.Errorf("%s: got %+v, %s", address, d, failed)
		}
	}
	for _, address := range []string{
		"file:///etc", "file://" + real + "/a", "file://localhost/etc", "file://./../x", "file://./out", "file://./out/ssl", "file://./file", "file://./none", "file://./", "file:./a", "/etc", "./a",
	} {
		if d, failed := fetched(t, dir, call(address)); failed == "" {
			t.Errorf("%s is accepted: %+v", address, d)
		}
	}
	if _, failed := fetched(t, "", call("file://./a")); failed == "" {
		t.Error("a repository of a module without a directory is accepted")
	}
}

// TestFetchGitPassword: a password is in no message.
func TestFetchGitPassword(t *testing.T) {
	text := "locals {\n  x = fetchgit({url = \"https://me:geheim@example.org/x\", commit = \"" + commit1 + "\"})\n}\n"
	files := map[string][]byte{"main.sysc.hcl": []byte(text)}
	_, diags := run("", files, nil)
	var out strings.Builder
	if err := diag.Render(&out, diags, files, diag.RenderOptions{}); err != nil {
		t.Fatal(err)
	}
	if !diags.HasErrors() || strings.Contains(out.String(), "geheim") || !strings.Contains(out.String(), "main.sysc.hcl:2") {
		t.Errorf("got %s", out.String())
	}
}
