package modules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/funcs"
	"sysc/modules/evalcache"
	"sysc/store"
)

// A recaller evaluates one definition, with a memory and without one.
type recaller struct {
	t      *testing.T
	dir    string
	cache  string // the directory of memory
	memory *Memory
	opts   Options
	want   Request
}

func newRecaller(t *testing.T, text string) *recaller {
	cache := filepath.Join(t.TempDir(), "cache")
	return &recaller{
		t: t, dir: writeText(t, text), cache: cache,
		memory: &Memory{Cache: evalcache.New(cache), Program: "this"},
		opts:   Options{Platform: "linux/amd64", Version: "0.3.0"},
		want:   Request{Want: WantTargets, Names: []string{""}},
	}
}

// evaluate evaluates with the memory, and compares with what comes without one.
func (r *recaller) evaluate() *Answer {
	r.t.Helper()
	got, err := r.memory.Evaluate(r.t.Context(), r.dir, &r.opts, r.want)
	if err == nil {
		err = got.Kept
	}
	if err != nil {
		r.t.Fatal(err)
	}
	var none *Memory
	want, err := none.Evaluate(r.t.Context(), r.dir, &r.opts, r.want)
	if err != nil {
		r.t.Fatal(err)
	}
	if a, b := described(got), described(want); a != b {
		r.t.Errorf("the answer is\n%s\nand evaluated anew it is\n%s", a, b)
	}
	return got
}

// described is all that an answer says.
func described(a *Answer) string {
	var b strings.Builder
	for _, list := range a.Shown {
		diag.Render(&b, list, a.Files(), diag.RenderOptions{Color: true, Width: 80})
		fmt.Fprintln(&b, "--")
	}
	var refs []derivations.Ref
	for _, t := range a.Targets {
		refs = append(refs, t.Ref, t.Entered())
		system, err := json.Marshal(t.System)
		fmt.Fprintln(&b, t.Label, t.Ref, t.Shell != nil, string(system), err)
	}
	if a.Graph() == nil || len(a.Targets) == 0 {
		return b.String()
	}
	for _, h := range a.Graph().Behind(refs) {
		d, _ := a.Graph().Derivation(h)
		text, err := json.Marshal(d)
		fmt.Fprintln(&b, h, a.Graph().Origin(h), string(text), err)
		for _, p := range d.Sources {
			if s, ok := a.Graph().Source(p); ok {
				fmt.Fprintf(&b, "%s: %+v\n", p, s)
			}
		}
	}
	mirrors, diags := a.Mirrors(func(string) string { return "" }, "/nonexistent")
	fmt.Fprintln(&b, mirrors, diags)
	return b.String()
}

// remembered evaluates twice more: the second time nothing must be parsed.
func (r *recaller) remembered() *Answer {
	r.t.Helper()
	r.evaluate()
	a := r.evaluate()
	if !a.Remembered {
		r.t.Error("it was evaluated although nothing has changed")
	}
	return a
}

func (r *recaller) path(name string) string { return filepath.Join(r.dir, name) }

func (r *recaller) put(name, text string) {
	r.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(r.path(name)), 0o755), os.WriteFile(r.path(name), []byte(text), 0o644)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recaller) remove(name string) {
	r.t.Helper()
	if err := os.RemoveAll(r.path(name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recaller) link(target, name string) {
	r.t.Helper()
	r.remove(name)
	if err := os.Symlink(target, r.path(name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recaller) chmod(name string, mode fs.FileMode) {
	r.t.Helper()
	if err := os.Chmod(r.path(name), mode); err != nil {
		r.t.Fatal(err)
	}
}

// ofFile is a definition whose system is what an expression gives.
func ofFile(expr string) string {
	return "-- main.sysc.hcl --\nsystem \"s\" {\n  file \"/x\" {\n    content = jsonencode(" + expr + ")\n  }\n}\n"
}

const usingModule = `
-- main.sysc.hcl --
module "m" {
  source = "./m"
}
system "s" {
  file "/x" {
    content = module.m.text
  }
}
-- m/main.sysc.hcl --
locals {
  text = "a"
}
output "text" {
  value = local.text
}
`

// TestNeverStale changes each kind of thing that an evaluation depends on. Before
// and after it the answer is the one that evaluating gives; what depends on the
// thing is evaluated anew, and other things do not count.
func TestNeverStale(t *testing.T) {
	variable := "-- main.sysc.hcl --\nvariable \"v\" {\n  default = \"d\"\n}\nsystem \"s\" {\n  file \"/x\" {\n    content = var.v\n  }\n}\n"
	set := func(name, text string, ambient bool) func(r *recaller) {
		return func(r *recaller) {
			r.opts.Variables = map[string]lang.VariableValue{name: {Text: text, Source: "SYSC_VAR_" + name, Ambient: ambient}}
		}
	}
	fromFile := func(name, text string) func(r *recaller) {
		return func(r *recaller) {
			values, diags := lang.ParseVariables([]byte(text), name)
			if diags.HasErrors() {
				r.t.Fatal(diags.Err())
			}
			r.opts.Variables, r.opts.ValueFiles = values, map[string][]byte{name: []byte(text)}
		}
	}
	put := func(name, text string) func(r *recaller) { return func(r *recaller) { r.put(name, text) } }
	remove := func(name string) func(r *recaller) { return func(r *recaller) { r.remove(name) } }
	gitInit := func(name string) func(r *recaller) {
		return func(r *recaller) {
			if out, err := exec.Command("git", "init", "-q", r.path(name)).CombinedOutput(); err != nil {
				r.t.Fatalf("git init: %v %s", err, out)
			}
		}
	}
	const hashOfA = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
	for _, c := range []struct {
		name   string
		text   string
		before func(r *recaller) // nil for nothing
		change func(r *recaller)
		// stale is set when the change counts.
		stale bool
	}{
		{"definition", ofFile(`"a"`), nil, put("main.sysc.hcl", strings.TrimPrefix(ofFile(`"b"`), "-- main.sysc.hcl --\n")), true},
		{"new definition", ofFile(`"a"`), nil, put("more.sysc.hcl", "config {\n  file \"/y\" {\n    content = \"y\"\n  }\n}\n"), true},
		{"new definition in JSON", ofFile(`"a"`), nil, put("more.sysc.json", `{"config": {"file": {"/y": {"content": "y"}}}}`), true},
		{"definition that goes", ofFile(`"a"`), put("more.sysc.hcl", "config {\n  file \"/y\" {\n    content = \"y\"\n  }\n}\n"), remove("more.sysc.hcl"), true},
		{"definition behind a link", ofFile(`"a"`), func(r *recaller) {
			r.put("texts/1", "locals {\n  a = 1\n}\n")
			r.put("texts/2", "config {\n  file \"/y\" {\n    content = \"y\"\n  }\n}\n")
			r.link("texts/1", "more.sysc.hcl")
		}, func(r *recaller) { r.link("texts/2", "more.sysc.hcl") }, true},
		{"definition that breaks", ofFile(`"a"`), nil, put("more.sysc.hcl", "config {"), true},
		{"other file", ofFile(`"a"`), nil, put("README", "text"), false},
		{"touched", ofFile(`"a"`), nil, func(r *recaller) { r.put("main.sysc.hcl", strings.TrimPrefix(ofFile(`"a"`), "-- main.sysc.hcl --\n")) }, false},
		{"module", usingModule, nil, put("m/main.sysc.hcl", "output \"text\" {\n  value = \"b\"\n}\n"), true},
		{"new file in a module", usingModule, nil, put("m/more.sysc.hcl", "config {\n  file \"/y\" {\n    content = \"y\"\n  }\n}\n"), true},
		{"module that goes", usingModule, nil, remove("m"), true},
		{"module behind a link", usingModule, func(r *recaller) {
			r.put("n/main.sysc.hcl", "output \"text\" {\n  value = \"n\"\n}\n")
			r.remove("m")
			r.put("k/main.sysc.hcl", "output \"text\" {\n  value = \"k\"\n}\n")
			r.link("n", "m")
		}, func(r *recaller) { r.link("k", "m") }, true},
		{"repository around the definition", strings.ReplaceAll(usingModule, "./m", "../m"), func(r *recaller) {
			if err := errors.Join(os.Mkdir(r.path("d"), 0o755), os.Rename(r.path("main.sysc.hcl"), r.path("d/main.sysc.hcl"))); err != nil {
				r.t.Fatal(err)
			}
			gitInit("")(r)
			r.dir = r.path("d")
		}, remove("../.git"), true},
		{"repository inside of that", strings.ReplaceAll(usingModule, "./m", "../m"), func(r *recaller) {
			if err := errors.Join(os.Mkdir(r.path("d"), 0o755), os.Rename(r.path("main.sysc.hcl"), r.path("d/main.sysc.hcl"))); err != nil {
				r.t.Fatal(err)
			}
			gitInit("")(r)
			r.dir = r.path("d")
		}, gitInit("."), true},
		{"template", ofFile(`templatefile("t", {})`), put("t", "a"), put("t", "b"), true},
		{"template that includes a file of the same size", ofFile(`templatefile("t", { x = file("f") })`), func(r *recaller) {
			r.put("t", "${x}")
			r.put("f", "a")
		}, put("f", "b"), true},
		{"executable bit of a source", ofFile(`source("f")`), put("f", "a"), func(r *recaller) { r.chmod("f", 0o755) }, true},
		{"new file in a source", ofFile(`source("d")`), put("d/e/f", "a"), put("d/e/g", "a"), true},
		{"file in a source", ofFile(`source("d")`), put("d/e/f", "a"), put("d/e/f", "b"), true},
		{"new .gitignore above a source", ofFile(`source("d")`), func(r *recaller) {
			r.put("d/e/f.o", "a")
			r.put("d/e/g", "a")
		}, put(".gitignore", "*.o"), true},
		{"new .gitignore in a source", ofFile(`source("d")`), func(r *recaller) {
			r.put("d/e/f.o", "a")
			r.put("d/e/g", "a")
		}, put("d/e/.gitignore", "*.o"), true},
		{"line of a .gitignore", ofFile(`source("d")`), func(r *recaller) {
			r.put(".gitignore", "*.o")
			r.put("d/f.o", "a")
			r.put("d/g", "a")
		}, put(".gitignore", "*.p"), true},
		{"executable bit in a source", ofFile(`source("d")`), put("d/e/f", "a"), func(r *recaller) { r.chmod("d/e/f", 0o700) }, true},
		{"link in a source", ofFile(`source("d")`), func(r *recaller) {
			r.put("d/f", "a")
			r.link("f", "d/l")
		}, func(r *recaller) { r.link("g", "d/l") }, true},
		{"file that becomes a link", ofFile(`source("f")`), func(r *recaller) {
			r.put("f", "a")
			r.put("g", "a")
		}, func(r *recaller) { r.link("g", "f") }, true},
		{"file below a deeper directory", ofFile(`fileset("d", "**/*.x")`), put("d/e/f.x", ""), put("d/e/g.x", ""), true},
		{"directory that was not there", ofFile(`fileset("d", "*")`), nil, put("d/f", ""), true},
		{"file that is not there", ofFile(`try(file("f"), "none")`), nil, put("f", "a"), true},
		{"file that goes", ofFile(`can(file("f"))`), put("f", "a"), remove("f"), true},
		{"file of the module that is fetched", ofFile(`try(fetchurl("file://./f", "` + hashOfA + `"), "other")`), put("f", "a"), put("f", "b"), true},
		{"repository of the module", ofFile(`can(fetchgit({ url = "file://./r", commit = "0123456789012345678901234567890123456789" }))`), gitInit("r"), remove("r"), true},
		{"variable", variable, set("v", "a", false), set("v", "b", false), true},
		{"source of a variable", variable, set("v", "a", false), set("v", "a", true), true},
		{"variable of the environment", variable, set("v", "a", true), set("v", "b", true), true},
		{"variable that was not set", variable, nil, set("v", "b", true), true},
		{"variable of something else", variable, set("other", "a", true), set("other", "b", true), false},
		{"file of values", variable, fromFile("f.hcl", "v = \"a\"\n"), fromFile("f.hcl", "v = \"b\"\n"), true},
		{"file of values in JSON", variable, fromFile("f.json", `{"v": "a"}`), fromFile("f.json", `{"v": "b"}`), true},
		{"lock file", ofFile(`"a"`), nil, put("sysc.lock", `{"version": 1, "inputs": {}, "modules": {}, "resolutions": {}, "ids": {}}`), true},
		{"platform", ofFile(`"a"`), nil, func(r *recaller) { r.opts.Platform = "linux/arm64" }, true},
		{"version", ofFile(`"a"`) + "sysc {\n  required_version = \"~> 0.3\"\n}\n", nil, func(r *recaller) { r.opts.Version = "0.4.0" }, true},
		{"override", usingModule, put("other/main.sysc.hcl", "output \"text\" {\n  value = \"b\"\n}\n"), func(r *recaller) {
			r.opts.Overrides = map[string]string{"m": r.path("other")}
		}, true},
		{"file of an override", usingModule, func(r *recaller) {
			r.put("other/main.sysc.hcl", "output \"text\" {\n  value = \"b\"\n}\n")
			r.opts.Overrides = map[string]string{"m": r.path("other")}
		}, put("other/main.sysc.hcl", "output \"text\" {\n  value = \"c\"\n}\n"), true},
		{"where fetched modules are", ofFile(`"a"`), nil, func(r *recaller) {
			r.opts.Trees = map[store.Digest]string{store.DigestOf(nil): "/x"}
		}, true},
		{"another program", ofFile(`"a"`), nil, func(r *recaller) { r.memory.Program = "that" }, true},
		{"what is wanted", ofFile(`"a"`), nil, func(r *recaller) { r.want = Request{Want: WantSystem, Names: []string{"s"}} }, true},
		{"what this machine is called", ofFile(`"a"`) + "system \"t\" {\n}\n", func(r *recaller) {
			r.want = Request{Want: WantSystem, Names: []string{""}, Host: "s"}
		}, func(r *recaller) { r.want.Host = "t" }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRecaller(t, c.text)
			if c.before != nil {
				c.before(r)
			}
			r.remembered()
			c.change(r)
			if a := r.evaluate(); a.Remembered == c.stale {
				t.Errorf("remembered: %v", a.Remembered)
			}
		})
	}
}

// fileFunctions are the functions that read files, with an expression that reads the
// file f, or the names beside it.
var fileFunctions = map[string]string{
	"file": `file("d/f")`, "filebase64": `filebase64("d/f")`, "filebase64sha256": `filebase64sha256("d/f")`, "filebase64sha512": `filebase64sha512("d/f")`,
	"filemd5": `filemd5("d/f")`, "filesha1": `filesha1("d/f")`, "filesha256": `filesha256("d/f")`, "filesha512": `filesha512("d/f")`,
	"fileset": `fileset("d", "*")`, "fileexists": `fileexists("d/f")`, "templatefile": `templatefile("d/f", {})`, "source": `source("d/f")`,
}

// TestFileFunctions changes what each function reads that takes a path.
func TestFileFunctions(t *testing.T) {
	for name, f := range funcs.Table(funcs.Module{Graph: derivations.NewGraph()}) {
		if len(f.Params) > 0 && f.Params[0] == "path" && fileFunctions[name] == "" && f.Native != nil {
			t.Errorf("%s takes a path: what it reads is to be tested here", name)
		}
	}
	for name, expr := range fileFunctions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecaller(t, ofFile(expr))
			r.put("d/f", "old")
			before := described(r.remembered())
			if name == "fileset" || name == "fileexists" {
				r.remove("d/f")
			} else {
				r.put("d/f", "new")
			}
			after := r.evaluate()
			if after.Remembered || described(after) == before {
				t.Errorf("%s gives what it gave before the file changed", expr)
			}
			r.remembered()
		})
	}
}

// TestKeyring changes a file that only the settings of an input name.
func TestKeyring(t *testing.T) {
	b := newBench(t, stock()...)
	b.input()
	b.write("main.sysc.hcl", "system \"s\" {\n  base     = input.debian\n  packages = [\"git\"]\n}\n")
	b.lock()
	r := newRecaller(t, "")
	r.dir = filepath.Join(b.dir, "project")
	r.want = Request{Want: WantSystem, Names: []string{""}}
	a := r.remembered()
	if len(a.Targets[0].System.Packages) == 0 {
		t.Error("the system has no packages")
	}
	ring, err := os.ReadFile(r.path("keyring.asc"))
	if err != nil {
		t.Fatal(err)
	}
	r.put("keyring.asc", string(ring)+"\n")
	if a := r.evaluate(); a.Remembered || len(a.Shown) == 0 {
		t.Error("the keyring does not count")
	}
	r.put("keyring.asc", string(ring))
	r.remembered()
	r.put("sysc.lock", string(read(t, r.path("sysc.lock")))+"\n")
	if a := r.evaluate(); a.Remembered {
		t.Error("the lock file does not count")
	}
}

// TestWarningsAreRemembered compares what is shown, byte for byte.
func TestWarningsAreRemembered(t *testing.T) {
	r := newRecaller(t, `
-- main.sysc.hcl --
variable "v" {
  default    = "d"
  deprecated = "Use another one."
}
assert {
  condition     = var.v == "d"
  error_message = "It is ${var.v}."
  severity      = "warning"
}
option "old" {
  type       = string
  deprecated = "It does nothing."
}
system "s" {
  old = "x"
  file "/x" {
    content = var.v
  }
}
`)
	r.opts.Variables = map[string]lang.VariableValue{"v": {Text: "x", Source: "--var v"}}
	a := r.remembered()
	for _, want := range []string{"Use another", "It is x.", "It does nothing.", "main.sysc.hcl line"} {
		if !strings.Contains(described(a), want) {
			t.Errorf("no %q in %s", want, described(a))
		}
	}
}

// TestErrorsAreNotRemembered shows that a definition with errors is looked at anew.
func TestErrorsAreNotRemembered(t *testing.T) {
	r := newRecaller(t, ofFile(`file("none")`))
	for range 2 {
		if a := r.evaluate(); a.Remembered || len(a.Shown) == 0 {
			t.Errorf("remembered: %v", a.Remembered)
		}
	}
	if n := len(keptFiles(t, r)); n != 0 {
		t.Errorf("%d evaluations are kept", n)
	}
}

// TestSecretsAreNotRemembered gives a value to a sensitive variable: nothing is to be
// kept of it, nor of what was evaluated with it.
func TestSecretsAreNotRemembered(t *testing.T) {
	for _, sensitive := range []bool{false, true} {
		r := newRecaller(t, fmt.Sprintf("-- main.sysc.hcl --\nvariable \"v\" {\n  default = \"\"\n  sensitive = %v\n}\nsystem \"s\" {\n  file \"/x\" {\n    content = \"%%{ if var.v == \"\" }a%%{ endif }b\"\n  }\n}\n", sensitive))
		if sensitive {
			r.put("main.sysc.hcl", "variable \"v\" {\n  default   = \"\"\n  sensitive = true\n}\nsystem \"s\" {\n}\n")
		}
		r.opts.Variables = map[string]lang.VariableValue{"v": {Text: "hunter2", Source: "--var v"}}
		r.evaluate()
		if a := r.evaluate(); a.Remembered == sensitive {
			t.Errorf("sensitive %v, remembered %v", sensitive, a.Remembered)
		}
		if n := len(keptFiles(t, r)); (n == 0) != sensitive {
			t.Errorf("sensitive %v: %d evaluations are kept", sensitive, n)
		}
		// Without a value there is no secret.
		r.opts.Variables = nil
		r.remembered()
		for _, e := range keptFiles(t, r) {
			if sensitive && bytes.Contains(read(t, e), []byte("hunter2")) {
				t.Errorf("%s has the value in it", e)
			}
		}
	}
}

// keptFiles are the files of the cache.
func keptFiles(t *testing.T, r *recaller) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(r.cache, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSystemsAreRemembered compares all that is known of a system.
func TestSystemsAreRemembered(t *testing.T) {
	r := newRecaller(t, `
-- main.sysc.hcl --
system "s" {
  hostname = "s"
  user "u" {
    uid         = 1000
    description = "ü"
  }
  group "g" {
    gid     = 1001
    members = ["u"]
  }
  directory "/d" {
  }
  symlink "/l" {
    target = "/d"
  }
  unit "x.service" {
    content   = "[Service]\nExecStart=/bin/true\n"
    wanted_by = ["multi-user.target"]
  }
  file "/x" {
    source = source("f")
  }
}
-- f --
text
`)
	r.want = Request{Want: WantSystem, Names: []string{"s"}}
	first := r.evaluate()
	second := r.evaluate()
	if first.Remembered || !second.Remembered {
		t.Fatalf("remembered: %v, %v: %s", first.Remembered, second.Remembered, described(first))
	}
	if a, b := first.Targets[0].System, second.Targets[0].System; a.Hostname != "s" || !sameBut(a, b) {
		t.Errorf("the system is\n%+v\nand was\n%+v", b, a)
	}
	if p := second.Targets[0].System.Provenance; p.Version != "0.3.0" {
		t.Errorf("provenance %+v", p)
	}
}

// sameBut reports whether two values are the same, empty lists and none being one.
func sameBut(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// TestMemoHasAll fails when a system gets a field that JSON would leave out.
func TestMemoHasAll(t *testing.T) {
	var check func(ty reflect.Type, at string)
	check = func(ty reflect.Type, at string) {
		switch ty.Kind() {
		case reflect.Slice, reflect.Pointer, reflect.Array:
			check(ty.Elem(), at)
		case reflect.Struct:
			for i := range ty.NumField() {
				f := ty.Field(i)
				if !f.IsExported() || f.Tag.Get("json") == "-" {
					t.Errorf("%s.%s is not remembered", at, f.Name)
				}
				check(f.Type, at+"."+f.Name)
			}
		case reflect.Interface, reflect.Func, reflect.Chan:
			t.Errorf("%s cannot be remembered", at)
		}
	}
	check(reflect.TypeOf(memo{}), "memo")
}

// TestDamagedMemory changes each byte of what is kept, in turn: it is evaluated anew,
// and kept again.
func TestDamagedMemory(t *testing.T) {
	r := newRecaller(t, ofFile(`"a"`))
	r.remembered()
	name := keptFiles(t, r)[0]
	good := read(t, name)
	for at := 0; at < len(good); at += 97 {
		damaged := slices.Clone(good)
		damaged[at] ^= 1
		if err := os.WriteFile(name, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if a := r.evaluate(); a.Remembered {
			t.Fatalf("byte %d is another one and it was believed", at)
		}
		if a := r.evaluate(); !a.Remembered {
			t.Fatal("it was not kept again")
		}
	}
}

// TestNotUTF8 has a name that JSON cannot hold: what is remembered would not be shown
// as it was.
func TestNotUTF8(t *testing.T) {
	r := newRecaller(t, ofFile(`"a"`))
	for _, warning := range []bool{false, true} {
		r.put("w\xff.sysc.hcl", fmt.Sprintf("assert {\n  condition     = %v\n  error_message = \"no\"\n  severity      = \"warning\"\n}\n", !warning))
		for range 2 {
			a, err := r.memory.Evaluate(t.Context(), r.dir, &r.opts, r.want)
			if err != nil || len(a.Targets) == 0 || (len(a.Shown) > 0) != warning {
				t.Fatalf("%v: %q", err, described(a))
			}
			if warning && (a.Remembered || a.Kept == nil) {
				t.Errorf("remembered: %v, kept: %v", a.Remembered, a.Kept)
			}
		}
		if !warning {
			r.remembered()
		}
	}
	for _, dirs := range [][2]string{{"/a\xff", "/a\xfe"}, {"/a", "/b"}} {
		one, err1 := r.memory.key(dirs[0], &r.opts, r.want)
		other, err2 := r.memory.key(dirs[1], &r.opts, r.want)
		if err1 != nil || err2 != nil || one == other {
			t.Errorf("%q have one key", dirs)
		}
	}
}

// TestHostileMemory gives the hash of its content to what nobody wrote.
func TestHostileMemory(t *testing.T) {
	r := newRecaller(t, ofFile(`"a"`))
	r.remembered()
	key, err := r.memory.key(r.dir, &r.opts, r.want)
	if err != nil {
		t.Fatal(err)
	}
	good, err := r.memory.Cache.Get(key)
	if err != nil || good == "" {
		t.Fatal(err)
	}
	for n := 1; n < len(good); n += 13 {
		if err := r.memory.Cache.Put(key, []byte(good[:n])); err != nil {
			t.Fatal(err)
		}
		a, err := r.memory.Evaluate(t.Context(), r.dir, &r.opts, r.want)
		if err != nil || a.Remembered || a.Kept == nil {
			t.Fatalf("the first %d bytes: remembered %v, %v, %v", n, a.Remembered, err, a.Kept)
		}
	}
}

// TestUntoldValues gives a value whose text nobody has: that of a saved plan. Another
// one could not be told from it.
func TestUntoldValues(t *testing.T) {
	r := newRecaller(t, "-- main.sysc.hcl --\nvariable \"v\" {\n}\nsystem \"s\" {\n  file \"/x\" {\n    content = var.v\n  }\n}\n")
	var before string
	for _, value := range []string{"a", "b"} {
		values, diags := lang.ParseJSONVariables([]byte(`{"v": "`+value+`"}`), "saved")
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		r.opts.Variables = values
		if a := r.evaluate(); a.Remembered || described(a) == before {
			t.Errorf("the value %s is not told from another", value)
		} else {
			before = described(a)
		}
	}
}
