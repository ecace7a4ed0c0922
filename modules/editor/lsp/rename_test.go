package lsp

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sysc/modules"
)

// rename renames the word at the bar in a file, and returns all files as they are then.
func (c *client) rename(files map[string]string, name, word, to string) (map[string]string, error) {
	c.t.Helper()
	at := c.at(files, name, word)
	at["newName"] = to
	var edit workspaceEdit
	if err := c.conn.Call(context.Background(), "textDocument/rename", at, &edit); err != nil {
		return nil, err
	}
	out := maps.Clone(files)
	for uri, edits := range edit.Changes {
		file := strings.TrimPrefix(uri, c.uri("")+"/")
		slices.SortFunc(edits, func(a, b textEdit) int {
			return utf16Units.offset([]byte(files[file]), b.Range.Start) - utf16Units.offset([]byte(files[file]), a.Range.Start)
		})
		for _, e := range edits { // from the end on
			text := out[file]
			from, end := utf16Units.offset([]byte(text), e.Range.Start), utf16Units.offset([]byte(text), e.Range.End)
			out[file] = text[:from] + e.NewText + text[end:]
		}
	}
	return out, nil
}

// at is the place of the bar in a word of a file, where that is found first.
func (c *client) at(files map[string]string, name, word string) map[string]any {
	c.t.Helper()
	where := strings.Index(files[name], strings.Replace(word, "|", "", 1))
	if where < 0 {
		c.t.Fatalf("no %q in %s", word, name)
	}
	_, at := c.place(name, files[name][:where]+word)
	return at
}

// replaced are files in which texts were replaced.
func replaced(files map[string]string, pairs ...string) map[string]string {
	out := maps.Clone(files)
	for name, text := range out {
		out[name] = strings.NewReplacer(pairs...).Replace(text)
	}
	return out
}

func compare(t *testing.T, why string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s is\n%s\nwant\n%s", why, name, got[name], want[name])
		}
	}
}

const (
	siteModule = `option "site" {
  description = "Sites."
  labels      = ["name"]
  option "port" {
    type        = port
    default     = 80
    description = "Its port."
  }
  option "tls.cert" {
    type        = string
    default     = "/etc/${self.name}/${self.port}"
    description = "Its certificate."
  }
  option "path" {
    description = "Its paths."
    labels      = ["url"]
    option "target" {
      type        = string
      default     = "http://${parent.name}:${parent.port}${self.url}"
      description = "Where it leads."
    }
  }
  option "socket" {
    renamed_to = "site.port"
  }
  assert {
    condition     = self.port != 22 && self.tls.cert != ""
    error_message = "no"
  }
}
option "web.main" {
  renamed_to = "site[\"main\"].tls.cert"
}
option "web.color" {
  type        = enum("port", "red")
  default     = "port"
  description = "Its color."
}
`
	siteMachine = `module "site" {
  source = "../../modules/site"
}
locals {
  sites = { a = 1, b = 2 }
}
system "box" {
  modules = [module.site]
  web {
    color = "red"
  }
  site "main" {
    port = 8080
    tls {
      cert = "/c/${config.site.main.port}"
    }
  }
  dynamic "site" {
    for_each = local.sites
    labels   = [site.key]
    content {
      port = 8000 + site.value
    }
  }
}
config {
  site = { "x" = { port = 1 } }
  file "/etc/site" {
    content = "${config.site["main"].port} ${option.site["x"].port.is_defined} ${join(",", [for s in config.site : s.name])}"
  }
}
`
	siteTests = `test "sites" {
  expect_failures = [config.site["main"].port, system.box]
  system          = "box"
}
`
	siteJSON = `{
  "config": {"site": {"j": {"port": 5, "tls": {"cert": "${config.site[\"j\"].port}"}}}, "file": {"/etc/j": {"content": "${config.site.j.port}"}}},
  "option": {"old.port": {"renamed_to": "site[\"j\"].port"}}
}
`
	siteTestsJSON = `{"test": {"json": {"system": "box"}}}
`
)

// An option is renamed where it is declared, defined and read, in labelled ones and
// groups, in old names of it, in tests, in every definition that has it.
func TestRenameOptions(t *testing.T) {
	const (
		mod    = "modules/site/site.sysc.hcl"
		box    = "machines/box/main.sysc.hcl"
		tests  = "machines/box/main.test.sysc.hcl"
		js     = "machines/box/more.sysc.json"
		jsTest = "machines/box/more.test.sysc.json"
		server = "machines/server/main.sysc.hcl"
	)
	files := map[string]string{
		".git/HEAD": "", mod: siteModule, box: siteMachine, tests: siteTests, js: siteJSON, jsTest: siteTestsJSON,
		server: "module \"s\" {\n  source = \"../../modules/site\"\n}\nsystem \"server\" {\n  modules = [module.s]\n  site \"main\" {\n    port = 81\n  }\n}\n",
	}
	c := start(t, nil, files)
	c.open(box, files[box])
	for _, d := range c.diagnostics(box) {
		t.Errorf("diagnostic: %+v", d)
	}
	ports := replaced(files, "option \"port\"", "option \"number\"", "self.port", "self.number", "parent.port", "parent.number", "site.port", "site.number",
		"port = 8", "number = 8", "main.port", "main.number", "].port", "].number", "{ port", "{ number", "{\"port\"", "{\"number\"", "j.port", "j.number")
	for _, from := range []struct{ file, word string }{
		{mod, "self.po|rt"}, {mod, "parent.po|rt"}, {mod, "\"po|rt\" {"}, {mod, "\"site.po|rt\""}, {box, "po|rt = 8080"}, {box, "[\"x\"].po|rt"},
		{box, "po|rt = 8000"}, {tests, "].po|rt"}, {js, "{\"po|rt"}, {js, "j.po|rt"}, {js, "].po|rt\"}"}, {server, "po|rt"},
	} {
		got, err := c.rename(files, from.file, from.word, "number")
		if err != nil {
			t.Errorf("rename %s in %s: %v", from.word, from.file, err)
			continue
		}
		compare(t, from.word, got, ports)
	}
	for _, tt := range []struct {
		file, word, to string
		pairs          []string
	}{
		{mod, "\"si|te\" {", "vhost", []string{
			"option \"site\"", "option \"vhost\"", "\"site[", "\"vhost[", "\"site.", "\"vhost.", "  site \"main\"", "  vhost \"main\"", "dynamic \"site\"", "dynamic \"vhost\"",
			"[site.key", "[vhost.key", "+ site.value", "+ vhost.value", "site = {", "vhost = {", "config.site", "config.vhost", "option.site", "option.vhost", "{\"site\"", "{\"vhost\"",
		}},
		{box, "si|te.value", "vhost", nil},
		{mod, "\"t|ls.cert", "https", []string{"\"tls.", "\"https.", ".tls.", ".https.", "tls {", "https {", "\"tls\"", "\"https\""}},
		{mod, "\"web.co|lor", "tone", []string{"web.color", "web.tone", "color =", "tone ="}},
		{mod, "\"w|eb.color", "http", []string{"\"web.", "\"http.", "  web {", "  http {"}},
		{box, "\"bo|x\" {", "pc", []string{"\"box\"", "\"pc\"", "system.box", "system.pc"}},
		{jsTest, "\"bo|x\"", "pc", []string{"\"box\"", "\"pc\"", "system.box", "system.pc"}},
		{tests, "= \"bo|x\"", "pc", []string{"\"box\"", "\"pc\"", "system.box", "system.pc"}},
		{tests, "system.bo|x", "pc", []string{"\"box\"", "\"pc\"", "system.box", "system.pc"}},
	} {
		got, err := c.rename(files, tt.file, tt.word, tt.to)
		if err != nil {
			t.Errorf("rename %s in %s: %v", tt.word, tt.file, err)
			continue
		}
		if tt.pairs != nil {
			compare(t, tt.word, got, replaced(files, tt.pairs...))
		} else if !strings.Contains(got[box], "dynamic \"vhost\"") || !strings.Contains(got[box], "8000 + vhost.value") {
			t.Errorf("rename %s: %s", tt.word, got[box])
		}
	}
	for _, tt := range []struct{ file, word, to, want string }{
		{box, "fi|le \"", "x", "file is one of sysc's own options"},
		{box, "po|rt = 8080", "name", "is a label of site"},
		{box, "po|rt = 8080", "socket", "there is an option \"site.socket\" already"},
		{box, "po|rt = 8080", "when", "is a word of the language"},
		{box, "po|rt = 8080", "Port", "cannot name an option"},
		{mod, "\"w|eb.color", "base", "is a word of the language"},
		{box, "site[\"ma|in", "x", "is a label of site"},
		{box, "for_e|ach", "x", "rename: "},
		{box, "\"bo|x\" {", "a b", "is no name"},
	} {
		if _, err := c.rename(files, tt.file, tt.word, tt.to); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("rename %s to %s: %v, want %q", tt.word, tt.to, err, tt.want)
		}
	}
	// What was renamed means what it did: it is as right as before.
	for name, text := range ports {
		c.write(name, text)
	}
	for _, name := range []string{tests, jsTest} { // of which one fails, and one checks nothing
		if err := os.Remove(filepath.Join(c.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	p, diags := modules.Load(t.Context(), filepath.Join(c.dir, "machines/box"), &modules.Options{})
	if diags = p.Check(t.Context(), diags); diags.HasErrors() {
		t.Errorf("after renaming: %v", diags)
	}
	c.quit()
}

// Options of standard modules, and groups that have some in them, keep their names, and an
// editor learns so before anybody types another one.
func TestRenameStandardOption(t *testing.T) {
	files := map[string]string{"main.sysc.hcl": "option \"time.dial\" {\n  type    = string\n  default = \"\"\n}\nsystem \"box\" {\n  time {\n    timezone = \"UTC\"\n    dial     = \"x\"\n  }\n}\n"}
	c := start(t, nil, files)
	c.open("main.sysc.hcl", files["main.sysc.hcl"])
	for word, want := range map[string]string{"timez|one": "time.timezone is an option of the standard module timezone", "\"ti|me.dial": "time is one of sysc's own options", "di|al  ": ""} {
		var got *textRange
		err := c.conn.Call(context.Background(), "textDocument/prepareRename", c.at(files, "main.sysc.hcl", word), &got)
		switch {
		case want == "" && (err != nil || got == nil || got.End.Character-got.Start.Character != len("dial")):
			t.Errorf("%s: %v, %v", word, got, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", word, err, want)
		}
	}
	c.quit()
}

// An input is renamed in front of packages, too, and somebody told that the lock file has to
// follow. A home is renamed as any block.
func TestRenameInputsAndHomes(t *testing.T) {
	const main = "main.sysc.hcl"
	files := map[string]string{
		main: `input "debian" {
  type   = "debian"
  suites = ["trixie"]
}
derivation "a" {
  base     = input.debian
  packages = ["debian:git", pkg.debian.hello, "debian:${local.x}", "other:git"]
  script   = "echo debian:git > $out"
}
locals {
  x = "make"
  y = "debian:trixie"
}
test "t" {
  expect_failures = [input.debian]
}
home "ada" {}
`,
		"more.sysc.json": `{"environment": {"dev": {"base": "input.debian", "packages": ["debian:gcc", "${pkg.debian.make}"]}}}`,
	}
	c := start(t, nil, files)
	c.open(main, files[main])
	c.diagnostics(main)
	want := replaced(files, "input \"debian\"", "input \"deb\"", "input.debian", "input.deb", "[\"debian:git", "[\"deb:git", "pkg.debian", "pkg.deb",
		"\"debian:$", "\"deb:$", "debian:gcc", "deb:gcc")
	for _, from := range []struct{ file, word string }{
		{main, "input \"deb|ian"}, {main, "[\"deb|ian:"}, {main, "pkg.deb|ian"}, {"more.sysc.json", "\"deb|ian:gcc"}, {"more.sysc.json", "pkg.deb|ian"},
	} {
		got, err := c.rename(files, from.file, from.word, "deb")
		if err != nil {
			t.Errorf("rename %s: %v", from.word, err)
		}
		compare(t, from.word, got, want)
	}
	var places []location
	c.call("textDocument/references", c.at(files, main, "pkg.deb|ian"), &places)
	if len(places) != 9 {
		t.Errorf("references of an input: %d, %v", len(places), places)
	}
	got, err := c.rename(files, main, "\"ad|a\"", "bob")
	if err != nil {
		t.Error(err)
	}
	compare(t, "home", got, replaced(files, "\"ada\"", "\"bob\""))
	if len(c.warned) > 0 {
		t.Errorf("without a lock file: %s", <-c.warned)
	}
	c.write("sysc.lock", "{\"version\": 1}\n")
	if _, err := c.rename(files, main, "pkg.deb|ian", "deb"); err != nil {
		t.Error(err)
	}
	if text := <-c.warned; !strings.Contains(text, "sysc lock") {
		t.Errorf("warned of %s", text)
	}
	if _, err := c.rename(files, main, "pkg.debian.he|llo", "x"); err == nil || !strings.Contains(err.Error(), "a package has its name from the input") {
		t.Errorf("rename of a package: %v", err)
	}
	c.quit()
}
