package modules

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/internal/varint"
	"sysc/lang"
)

// reading is a definition that reads files in all ways, whatever is there, and says
// what it has read.
const reading = `
-- main.sysc.hcl --
variable "a" {
  default = "none"
}
variable "b" {
  default    = "none"
  deprecated = "Use a."
}
module "m" {
  source = "./m"
}
locals {
  names = ["f", "g", "d/f", "d/g", "d/e/f", "l"]
  read = {
    texts     = { for n in local.names : n => try(file(n), "none") }
    hashes    = { for n in local.names : n => try(filesha256(n), "none") }
    there     = { for n in local.names : n => try(fileexists(n), "none") }
    templates = { for n in local.names : n => try(templatefile(n, { x = var.a }), "none") }
    sources   = { for n in concat(local.names, ["d", "d/e", "m"]) : n => try(source(n), "none") }
    sets      = { for n in ["*", "**", "d/*", "l/*"] : n => try(fileset(".", n), "none") }
    deep      = try(fileset("d", "**"), "none")
    module    = module.m.text
    b         = var.b
  }
}
system "s" {
  file "/x" {
    content = jsonencode(local.read)
  }
}
-- m/main.sysc.hcl --
output "text" {
  value = try(file("../f"), file("f"), "none")
}
`

// TestNeverStaleWhateverChanges changes things at random, many times. After each
// change the answer has to be the one that evaluating gives.
func TestNeverStaleWhateverChanges(t *testing.T) {
	r := newRecaller(t, reading)
	random := rand.New(rand.NewPCG(1, 2))
	one := func(list ...string) string { return list[random.IntN(len(list))] }
	files := []string{"f", "g", "d/f", "d/g", "d/e/f", "d/e", "l", "m/f", "m/more.sysc.hcl", "README", "d/e/g"}
	remembered, steps := 0, 400
	for range steps {
		name := one(files...)
		var did string
		switch random.IntN(10) {
		case 0:
			did = "remove " + name
			r.remove(name)
		case 1:
			target := one("f", "g", "d", "d/f", "../outside", "none", "e")
			did = "link " + name + " to " + target
			r.replace(name, func() error { return os.Symlink(target, r.path(name)) })
		case 2:
			did = "directory " + name
			r.replace(name, func() error { return os.Mkdir(r.path(name), 0o755) })
		case 3:
			mode := []fs.FileMode{0o644, 0o755, 0o600}[random.IntN(3)]
			did = fmt.Sprint("mode of ", name, mode)
			if info, err := os.Lstat(r.path(name)); err == nil && info.Mode().IsRegular() {
				r.chmod(name, mode)
			}
		case 4:
			name, value := one("a", "b", "other"), one("1", "2")
			did = "variable " + name + "=" + value
			r.opts.Variables = map[string]lang.VariableValue{name: {Text: value, Source: one("x", "y"), Ambient: name == "other" || random.IntN(2) == 0}}
		case 5:
			did = "no variable"
			r.opts.Variables = nil
		case 6:
			did = "nothing"
		default:
			text := one("1", "2", "${x}", "three")
			if strings.HasSuffix(name, ".hcl") {
				text = one("", "config {\n}\n", "config {\n  file \"/y\" {\n    content = \"y\"\n  }\n}\n", "config {")
			}
			did = "text of " + name + ": " + text
			r.replace(name, func() error { return os.WriteFile(r.path(name), []byte(text), 0o644) })
		}
		if a := r.evaluate(); a.Remembered {
			remembered++
		}
		if t.Failed() {
			t.Fatalf("after: %s", did)
		}
	}
	if remembered < steps/20 || remembered > steps*9/10 {
		t.Errorf("%d of %d were remembered: that tests nothing", remembered, steps)
	}
}

// replace makes something new in the place of a name, if there is a directory for it.
func (r *recaller) replace(name string, make func() error) {
	r.t.Helper()
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		if info, err := os.Lstat(r.path(name[:i])); err != nil || !info.IsDir() {
			return
		}
	}
	r.remove(name)
	if err := make(); err != nil {
		r.t.Fatal(err)
	}
}

// FuzzAnswer reads what nobody has written.
func FuzzAnswer(f *testing.F) {
	dir := writeText(f, reading)
	p, diags := Load(f.Context(), dir, &Options{Platform: "linux/amd64"})
	if diags.HasErrors() {
		f.Fatal(diags.Err())
	}
	s := &seeker{p: p, definitions: true}
	targets, err := s.seek(f.Context(), Request{Names: []string{""}})
	if err != nil {
		f.Fatal(err)
	}
	about, err := written(&Answer{Targets: targets, graph: p.Graph(), Shown: s.shown, files: p.Files()}, p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(varint.AppendText(nil, string(about))) + string(p.Graph().SnapshotAll()))
	f.Fuzz(func(t *testing.T, data string) {
		about, graph, ok := varint.CutText(data)
		if !ok {
			return
		}
		g, err := derivations.ReadSnapshot(graph)
		if err != nil {
			return
		}
		a, err := (&Options{}).answer(about, g)
		if err != nil {
			return
		}
		for _, target := range a.Targets {
			if _, err := a.Graph().Placeholder(target.Entered()); err != nil {
				t.Errorf("target %+v: %v", target, err)
			}
			if _, err := a.Graph().Placeholder(target.Ref); err != nil {
				t.Errorf("target %+v: %v", target, err)
			}
		}
		described(a)
	})
}
