package modules

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sysc/internal/gitfetch"
	"sysc/modules/source"
	"sysc/store"
)

// repositories are packages of modules in directories, by address, and their
// versions, of which all have the same files.
type repositories map[string]struct {
	dir  string
	tags []string
	refs map[string]string
}

func (r repositories) Tags(_ context.Context, p source.Package) ([]gitfetch.Tag, error) {
	var tags []gitfetch.Tag
	for i, name := range r[p.String()].tags {
		tags = append(tags, gitfetch.Tag{Name: name, Commit: fmt.Sprintf("%040x", i+1)})
	}
	return tags, nil
}

func (r repositories) Resolve(ctx context.Context, p source.Package, ref string) (string, error) {
	if commit, ok := r[p.String()].refs[ref]; ok {
		return commit, nil
	}
	tags, _ := r.Tags(ctx, p)
	for _, tag := range tags {
		if tag.Name == ref {
			return tag.Commit, nil
		}
	}
	return "", &gitfetch.RefError{Remote: p.Remote, Ref: ref}
}

func (r repositories) Get(_ context.Context, p source.Package, pin source.Pin) (string, error) {
	return r[p.String()].dir, nil
}

func (r repositories) Fetch(_ context.Context, p source.Package, pin source.Pin) (source.Pin, string, error) {
	repo, ok := r[p.String()]
	if !ok {
		return pin, "", fmt.Errorf("no repository %s", p)
	}
	pin.Tree = store.DigestOf([]byte(p.String() + pin.Commit))
	return pin, repo.dir, nil
}

var documented = regexp.MustCompile("(?:`([^`\n]+)`:\n\n)?```(hcl)?\n((?s).*?)```")

// TestModulesDoc validates the examples of docs/modules.md, as one definition.
func TestModulesDoc(t *testing.T) {
	text, err := os.ReadFile("../docs/modules.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, m := range documented.FindAllStringSubmatch(string(text), -1) {
		name := m[1]
		if name == "" {
			name = fmt.Sprintf("example%d.sysc.hcl", i)
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(m[3]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	network := writeText(t, "-- firewall/f.sysc.hcl --\noutput \"x\" {\n  value = 1\n}\n")
	p, diags := Load(t.Context(), dir, nil)
	if diags.HasErrors() {
		t.Fatal(rendered(diags, p))
	}
	_, diags, err = p.Lock(t.Context(), LockOptions{Modules: repositories{
		"git::https://git.example.org/team/network.git": {dir: network, tags: []string{"v0.9.1", "v1.2.0", "v1.3.0"}},
	}})
	if err != nil || diags.HasErrors() {
		t.Fatal(err, rendered(diags, p))
	}
	if diags := p.Validate(t.Context()); diags.HasErrors() {
		t.Fatal(rendered(diags, p))
	}
	checkSystem(t, p, "laptop", map[string]string{
		`config.file["/etc/motd"].content`:  `"Welcome.\n"`,
		`config.file["/etc/issue"].content`: `"hello, laptop\n"`,
	})
	checkSystem(t, p, "server", map[string]string{"keys(config.file)": "[]"})
	lock, err := os.ReadFile(p.LockPath())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"git::https://git.example.org/team/network.git": {"constraint":"~> 1.2","version":"1.3.0"`,
		`"git::https://git.example.org/team/network.git (~> 0.9)": {"constraint":"~> 0.9","version":"0.9.1"`,
	} {
		if !strings.Contains(string(lock), want) {
			t.Errorf("no %s in\n%s", want, lock)
		}
	}
}
