package modules

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"sysc/lang/diag"
	"sysc/modules/lock"
)

// writeText writes the files of an archive into a new directory.
func writeText(t testing.TB, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, f := range txtar.Parse([]byte(text)).Files {
		file := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loadText loads the definition that the files of an archive are.
func loadText(t testing.TB, text string) (*Project, string) {
	t.Helper()
	dir := writeText(t, text)
	p, diags := Load(context.Background(), dir, &Options{Platform: "linux/amd64"})
	if diags.HasErrors() {
		t.Fatal(rendered(diags, p))
	}
	return p, dir
}

func rendered(diags diag.List, p *Project) string {
	var out strings.Builder
	diag.Render(&out, diags, p.Files(), diag.RenderOptions{})
	return out.String()
}

// checkSystem compares expressions' values in a system.
func checkSystem(t *testing.T, p *Project, system string, want map[string]string) {
	t.Helper()
	s, diags := p.System(context.Background(), system)
	if diags.HasErrors() {
		t.Fatal(rendered(diags, p))
	}
	for expr, value := range want {
		got, diags := s.Value(expr)
		if diags.HasErrors() || string(got.JSON) != value {
			t.Errorf("%s = %s, want %s %s", expr, got.JSON, value, rendered(diags, p))
		}
	}
}

// TestModules: names are those of the module where a text stands, config is that
// of the system, and definitions come in the order that the language fixes.
func TestModules(t *testing.T) {
	p, _ := loadText(t, `
-- main.sysc.hcl --
locals {
  who = "root"
}
module "b" {
  source = "./b"
}
module "a" {
  source = "./a"
  title  = "from ${local.who}"
}
module "only" {
  source = "./outputs"
  import = false
}
module "unused" {
  source = "./broken"
}
config {
  log = ["root"]
}
system "s" {
  modules = [module.a, module.b]
  log     = ["system"]
}
system "bare" {
  kernel_note = module.only.text
  modules     = [module.b]
}
-- a/a.sysc.hcl --
variable "title" {
  type = string
}
locals {
  who = "a"
}
module "c" {
  source = "../c"
}
module "quiet" {
  source = "../outputs"
  import = false
}
config {
  log         = ["${local.who}: ${var.title}, ${system.name}, ${module.quiet.text}"]
  kernel_note = config.c_note
}
option "kernel_note" {
  type = string
}
-- b/b.sysc.hcl --
module "c" {
  source = "../c"
}
config {
  log = ["b"]
}
option "kernel_note" {
  type = string
}
-- c/c.sysc.hcl --
option "log" {
  type = list(string)
}
option "c_note" {
  type    = string
  default = file("${path.module}/note")
}
config {
  log = ["c"]
}
-- c/note --
hm
-- outputs/o.sysc.hcl --
config {
  log = ["never"]
}
output "text" {
  value = "out"
}
-- broken/b.sysc.hcl --
locals {
  x = local.nothing
}
config {
  log = [local.x]
}
`)
	checkSystem(t, p, "s", map[string]string{
		"config.log":         `["c","a: from root, s, out","b","root","system"]`,
		"config.kernel_note": `"hm\n"`,
	})
	checkSystem(t, p, "bare", map[string]string{
		"config.log":         `["c","b","root"]`,
		"config.kernel_note": `"out"`,
	})
}

// TestModuleFamilies: for_each makes instances, each with its own variables; the
// same variables count once.
func TestModuleFamilies(t *testing.T) {
	p, _ := loadText(t, `
-- main.sysc.hcl --
module "schema" {
  source = "./schema"
}
module "site" {
  source   = "./site"
  for_each = toset(["a", "b"])
  name     = each.key
}
module "again" {
  source = "./site"
  name   = "a"
}
system "all" {
  modules = [module.schema, module.site, module.again]
}
system "one" {
  modules = [module.schema, module.site["b"]]
}
locals {
  names = [for k, m in module.site : "${k}=${m.upper}"]
  one   = module.site["a"].upper
}
-- schema/s.sysc.hcl --
option "sites" {
  type = list(string)
}
-- site/s.sysc.hcl --
variable "name" {
  type = string
}
variable "greeting" {
  default = "hi"
}
config {
  sites = ["${var.greeting} ${var.name}"]
}
output "upper" {
  value = upper(var.name)
}
`)
	checkSystem(t, p, "all", map[string]string{
		"config.sites": `["hi a","hi b"]`,
		"local.names":  `["a=A","b=B"]`,
		"local.one":    `"A"`,
	})
	checkSystem(t, p, "one", map[string]string{"config.sites": `["hi b"]`})
}

// TestModuleCycleOfValues: modules may need one another's outputs, as long as
// these do not.
func TestModuleCycleOfValues(t *testing.T) {
	p, _ := loadText(t, `
-- main.sysc.hcl --
module "a" {
  source = "./m"
  x      = module.b.plain
}
module "b" {
  source = "./m"
  x      = module.a.x
}
-- m/m.sysc.hcl --
variable "x" {}
output "x" {
  value = var.x
}
output "plain" {
  value = "p"
}
`)
	if got, diags := p.Value("module.b.x"); string(got.JSON) != `"p"` {
		t.Errorf("got %s %s", got.JSON, rendered(diags, p))
	}
	p, _ = loadText(t, `
-- main.sysc.hcl --
module "a" {
  source = "./m"
  x      = module.b.x
}
module "b" {
  source = "./m"
  x      = module.a.x
}
-- m/m.sysc.hcl --
variable "x" {}
output "x" {
  value = var.x
}
`)
	_, diags := p.Value("module.b.x")
	if text := rendered(diags, p); len(diags) != 1 || !strings.Contains(text, "module.a.output.x") || !strings.Contains(text, "module.b.var.x") {
		t.Errorf("got %s", text)
	}
}

// TestModuleTree: sources stay inside of the git work tree, links or not.
func TestModuleTree(t *testing.T) {
	dir := writeText(t, `
-- systems/laptop/main.sysc.hcl --
module "m" {
  source = "../../modules/m"
}
-- modules/m/m.sysc.hcl --
output "x" {
  value = "there"
}
`)
	sub := filepath.Join(dir, "systems", "laptop")
	eval := func() string {
		p, diags := Load(context.Background(), sub, nil)
		if diags.HasErrors() {
			return rendered(diags, p)
		}
		got, diags := p.Value("module.m.x")
		return string(got.JSON) + rendered(diags, p)
	}
	if got := eval(); !strings.Contains(got, "leads out of the tree") {
		t.Errorf("without git: got %s", got)
	}
	if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := eval(); got != `"there"` {
		t.Errorf("got %s", got)
	}
	if err := os.RemoveAll(filepath.Join(dir, "modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "modules", "m"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := eval(); !strings.Contains(got, "leads out of the tree") {
		t.Errorf("through a link: got %s", got)
	}
}

// TestModuleBomb: modules that use one another in ever more ways end in one
// error.
func TestModuleBomb(t *testing.T) {
	var text strings.Builder
	const levels, width = 12, 8
	for level := range levels {
		dir := fmt.Sprintf("m%d/", level)
		if level == 0 {
			dir = ""
		}
		fmt.Fprintf(&text, "-- %smain.sysc.hcl --\n", dir)
		for i := range width {
			up := "../"
			if level == 0 {
				up = "./"
			}
			fmt.Fprintf(&text, "module \"u%d\" {\n  source = \"%sm%d\"\n}\n", i, up, level+1)
		}
	}
	fmt.Fprintf(&text, "-- m%d/main.sysc.hcl --\nlocals {}\n", levels)
	p, _ := loadText(t, text.String())
	diags := p.Validate(context.Background())
	if got := rendered(diags, p); !strings.Contains(got, "Too many modules") || len(diags) > 200 {
		t.Errorf("%d problems: %.2000s", len(diags), got)
	}
}

// TestModuleDepth: a long chain of modules ends in an error.
func TestModuleDepth(t *testing.T) {
	var text strings.Builder
	text.WriteString("-- main.sysc.hcl --\nmodule \"m\" {\n  source = \"./m1\"\n}\n")
	const levels = maxUseDepth + 2
	for level := 1; level < levels; level++ {
		fmt.Fprintf(&text, "-- m%d/main.sysc.hcl --\nmodule \"m\" {\n  source = \"../m%d\"\n}\n", level, level+1)
	}
	fmt.Fprintf(&text, "-- m%d/main.sysc.hcl --\nlocals {}\n", levels)
	p, _ := loadText(t, text.String())
	diags := p.Validate(t.Context())
	if got := rendered(diags, p); len(diags) != 1 || !strings.Contains(got, "Modules nested too deeply") {
		t.Errorf("%d problems: %.2000s", len(diags), got)
	}
}

// TestLockedModules: a lock file may come from anybody.
func TestLockedModules(t *testing.T) {
	for _, key := range []string{"git::file:///etc", "git::ext::sh", "./x", "git::https://example.org/x.git//sub", "git::https://example.org/x.git?ref=a", "git::https://u:p@example.org/x.git", ""} {
		if got, err := LockedModules(&lock.File{Modules: map[string]lock.Module{key: {}}}); err == nil {
			t.Errorf("%q is accepted: %v", key, got)
		}
	}
	good := "git::https://example.org/x.git (~> 1.0)"
	if got, err := LockedModules(&lock.File{Modules: map[string]lock.Module{good: {}}}); err != nil || !got[good].Package.IsGit() {
		t.Errorf("got %v, %v", got, err)
	}
}
