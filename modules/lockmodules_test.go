package modules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sysc/modules/lock"
	"sysc/modules/source"
)

// TestLockModules: which version is chosen for what blocks ask for, or what they
// are told.
func TestLockModules(t *testing.T) {
	file := writeText(t, "-- m.sysc.hcl --\nlocals {}\n-- sub/m.sysc.hcl --\nlocals {}\n")
	inner := writeText(t, "-- m.sysc.hcl --\nmodule \"inner\" {\n  source  = \"git::https://example.org/net.git\"\n  version = \"< 1.3\"\n}\n")
	repos := repositories{
		"git::https://example.org/net.git":  {dir: file, tags: []string{"v1.0.0", "v1.2.0", "v1.3.0", "v2.0.0-rc.1", "other"}},
		"git::https://example.org/user.git": {dir: inner, tags: []string{"v0.1.0"}},
		"git::https://example.org/rc.git":   {dir: file, tags: []string{"v1.0.0-rc.1"}},
		"git::https://example.org/none.git": {dir: file, refs: map[string]string{"HEAD": strings.Repeat("a", 40), "main": strings.Repeat("b", 40)}},
		"https://example.org/x.tar.gz":      {dir: file},
	}
	commit := strings.Repeat("c", 40)
	net := func(rest ...string) string {
		var text strings.Builder
		for i, r := range rest {
			address, args, _ := strings.Cut(r, "; ")
			fmt.Fprintf(&text, "module \"m%d\" {\n  source = \"git::https://example.org/net.git%s\"\n  %s\n}\n", i, address, strings.ReplaceAll(args, "; ", "\n  "))
		}
		return text.String()
	}
	for name, test := range map[string]struct{ text, want string }{
		"newest":              {net(""), `net.git": {"version":"1.3.0","ref":"v1.3.0"`},
		"constraint":          {net(`; version = "~> 1.0, < 1.3"`), `"constraint":"~> 1.0, < 1.3","version":"1.2.0"`},
		"one for all":         {net(`//sub; version = ">= 1.0"`, `; version = "!= 1.3.0"`, ""), `"constraint":"!= 1.3.0, >= 1.0","version":"1.2.0"`},
		"pre-release":         {net(`; version = "2.0.0-rc.1"`), `"version":"2.0.0-rc.1"`},
		"ref that is a tag":   {net("?ref=v1.2.0", `; version = "~> 1.0"`), `"constraint":"ref=v1.2.0, ~> 1.0","version":"1.2.0","ref":"v1.2.0"`},
		"ref against version": {net("?ref=v1.3.0", `; version = "< 1.3"`), "Conflict of versions"},
		"tag beside version":  {net("?ref=other", `; version = "< 1.3"`), "Conflict of versions"},
		"tag":                 {net("?ref=other"), `{"constraint":"ref=other","ref":"other","commit"`},
		"two refs":            {net("?ref=v1.2.0", "?ref=v1.3.0"), "Conflict of versions"},
		"commit":              {net("?ref=" + commit), `{"constraint":"ref=` + commit + `","commit":"` + commit + `"`},
		"no such ref":         {net("?ref=nothing"), `no branch or tag "nothing"`},
		"no such version":     {net(`; version = "~> 9.0"`), `No version of git::https://example.org/net.git is "~> 9.0". It has`},
		"wrong constraint":    {net(`; version = "newest"`), "is not a version constraint"},
		"version and ref":     {net(`?ref=v1.2.0; version = "1.2.0"`), "Version beside a ref"},
		"separate":            {net("", `; version = "1.0.0"; separate = true`), `net.git (1.0.0)": {"constraint":"1.0.0","version":"1.0.0"`},
		"separate of nothing": {net("; separate = true"), "Separate version of nothing"},
		"module's module":     {"module \"u\" {\n  source = \"git::https://example.org/user.git\"\n}\n" + net(""), `"constraint":"< 1.3","version":"1.2.0"`},
		"pre-releases only":   {"module \"m\" {\n  source = \"git::https://example.org/rc.git\"\n}\n", "has pre-releases only: 1.0.0-rc.1"},
		"no versions":         {"module \"m\" {\n  source = \"git::https://example.org/none.git\"\n}\n", `{"ref":"HEAD","commit":"aaaa`},
		"branch":              {"module \"m\" {\n  source = \"git::https://example.org/none.git?ref=main\"\n}\n", `"ref":"main","commit":"bbbb`},
		"no versions to want": {"module \"m\" {\n  source = \"git::https://example.org/none.git\"\n  version = \"~> 1.0\"\n}\n", "It has no tags that are"},
		"archive":             {"module \"m\" {\n  source = \"https://example.org/x.tar.gz//sub\"\n}\n", `"https://example.org/x.tar.gz": {"tree":"sha256:`},
		"version of archive":  {"module \"m\" {\n  source = \"https://example.org/x.tar.gz\"\n  version = \"1.0\"\n}\n", "Version of an archive"},
		"no directory there":  {net("//nowhere"), `no directory "./nowhere"`},
		"unknown repository":  {"module \"m\" {\n  source = \"git::https://example.org/other.git?ref=" + commit + "\"\n}\n", `lock module "m" (main.sysc.hcl:2): no repository`},
	} {
		t.Run(name, func(t *testing.T) {
			p, dir := loadLocking(t, test.text)
			got := ""
			_, diags, err := p.Lock(t.Context(), LockOptions{Modules: repos})
			if err != nil {
				got = err.Error()
			}
			if data, err := os.ReadFile(filepath.Join(dir, lock.FileName)); err == nil {
				got += string(data)
			}
			got += strings.Join(strings.Fields(strings.ReplaceAll(rendered(diags, p), "│", "")), " ")
			if !strings.Contains(got, test.want) {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
			if diags.HasErrors() || err != nil {
				return
			}
			if diags := p.Validate(t.Context()); diags.HasErrors() {
				t.Errorf("the locked definition: %s", rendered(diags, p))
			}
			if diags, err := p.CheckLock(t.Context()); err != nil || diags.HasErrors() {
				t.Errorf("check of what was locked: %v %s", err, rendered(diags, p))
			}
		})
	}
}

// loadLocking loads a definition that is not locked yet.
func loadLocking(t *testing.T, text string) (*Project, string) {
	t.Helper()
	dir := writeText(t, "-- main.sysc.hcl --\n"+text)
	p, diags := Load(t.Context(), dir, nil)
	if p.work == nil {
		t.Fatal(rendered(diags, p))
	}
	return p, dir
}

// TestLockMoved: update notices that the tag of what is locked has moved, also
// where it would take another one.
func TestLockMoved(t *testing.T) {
	files := writeText(t, "-- m.sysc.hcl --\nlocals {}\n")
	const address = "git::https://example.org/net.git"
	p, dir := loadLocking(t, "module \"m\" {\n  source = \""+address+"\"\n}\n")
	if _, diags, err := p.Lock(t.Context(), LockOptions{Modules: repositories{address: {dir: files, tags: []string{"v1.0.0"}}}}); err != nil || diags.HasErrors() {
		t.Fatal(err, rendered(diags, p))
	}
	before, err := os.ReadFile(filepath.Join(dir, lock.FileName))
	if err != nil {
		t.Fatal(err)
	}
	moved := repositories{address: {dir: files, tags: []string{"v2.0.0", "v1.0.0"}}}
	_, _, err = p.Lock(t.Context(), LockOptions{Modules: moved, UpdateAll: true})
	var e *source.MovedError
	if !errors.As(err, &e) || e.Ref != "v1.0.0" || e.Locked == e.Now {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, lock.FileName)); err != nil || string(after) != string(before) {
		t.Errorf("the lock file changed: %v\n%s", err, after)
	}
	gone := repositories{address: {dir: files, tags: []string{"v2.0.0"}}}
	if changes, diags, err := p.Lock(t.Context(), LockOptions{Modules: gone, UpdateAll: true}); err != nil || diags.HasErrors() || changes.Modules[0].New != "2.0.0" {
		t.Errorf("a version that was withdrawn, and a new one: %v %s", err, rendered(diags, p))
	}
}
