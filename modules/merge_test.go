package modules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/json"

	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/lang/syntax"
	"sysc/modules/option"
	"sysc/systems"
)

// evaluate makes an evaluator of the definition texts in files.
func evaluate(t testing.TB, files map[string]string) (*evaluator, diag.List) {
	t.Helper()
	return evaluateTexts(files)
}

func evaluateTexts(files map[string]string) (*evaluator, diag.List) {
	data := map[string][]byte{}
	for name, text := range files {
		data[name] = []byte(text)
	}
	m, diags := syntax.Parse("", data)
	var system *systemBlock
	for _, b := range m.Blocks {
		if b.Type == "system" {
			system = &systemBlock{block: b}
		}
	}
	texts := moduleTexts{name: rootModule, scope: eval.NewRoot(eval.NewSession(), nil)}
	for _, b := range m.Blocks {
		switch b.Type {
		case "option":
			texts.options = append(texts.options, b)
		case "config":
			texts.configs = append(texts.configs, b)
		}
	}
	return newEvaluator(systems.Machine, "test", "linux/amd64", system, []moduleTexts{texts}), diags
}

// read returns config.PATH as JSON, and all problems.
func (e *evaluator) read(path string) (string, diag.List) {
	ref := syntax.Reference{Root: "config"}
	for name := range strings.SplitSeq(path, ".") {
		ref.Path = append(ref.Path, syntax.Step{Name: strings.ReplaceAll(name, "|", ".")})
	}
	r := &names{sys: e}
	v, used, diags := r.Resolve(ref)
	for _, step := range ref.Path[min(used, len(ref.Path)):] {
		if diags.HasErrors() {
			break
		}
		v = v.GetAttr(step.Name)
	}
	diags = append(diags, e.diagnostics()...).Sort()
	if diags.HasErrors() {
		return "error", diags
	}
	v, _ = v.UnmarkDeep()
	return toJSON(v), diags
}

func toJSON(v cty.Value) string {
	data, err := json.SimpleJSONValue{Value: v}.MarshalJSON()
	if err != nil {
		return "error: " + err.Error()
	}
	return string(data)
}

// The rows marked B0 are those of facts-nix-guix.md, where upstream's result
// differs from ours on purpose the row says so.
func TestMerge(t *testing.T) {
	const list = `option "x" { 
  type = list(string)
}
`
	tests := []struct {
		name, text, path, want string
	}{
		{"list in textual order", list + "config { \n x = [\"1\"]\n }\n config {\n x = [\"2\"]\n}\n", "x", `["1","2"]`},
		{"system after config", "system \"s\" {\n x = [\"s\"]\n}\nconfig {\n x = [\"c\"]\n}\n" + list, "x", `["c","s"]`},
		{"B0 orders", list + `
config {
  x = after(["z"])
}
config {
  x = ["m"]
}
config {
  x = before(["a"])
}
config {
  x = order(1000, ["m2"])
}
config {
  x = order(999, ["pre"])
}`, "x", `["a","pre","m","m2","z"]`},
		{"B0 force outside of after", list + `
config {
  x = force(after(["z"]))
}
config {
  x = force(["a"])
}
config {
  x = ["lost"]
}`, "x", `["a","z"]`},
		{"B0 inner force is seen (upstream loses it)", list + `
config {
  x = after(force(["z"]))
}
config {
  x = force(["a"])
}
config {
  x = ["lost"]
}`, "x", `["a","z"]`},
		{"innermost priority wins", list + "config {\n x = force(default([\"d\"]))\n}\nconfig {\n x = [\"p\"]\n}\n", "x", `["p"]`},
		{"B0 two defaults are merged", list + "config {\n x = default([\"a\"])\n}\nconfig {\n x = default([\"b\"])\n}\n", "x", `["a","b"]`},
		{"B0 declared default and priority 1500", `
option "x" {
  type    = list(string)
  default = ["def"]
}
config {
  x = priority(1500, ["od"])
}`, "x", `["def","od"]`},
		{"a definition hides the declared default", `
option "x" {
  type    = list(string)
  default = ["def"]
}
config {
  x = ["a"]
}`, "x", `["a"]`},
		{"B0 false condition with force inside", list + `
config {
  when = false
  x    = force(["z"])
}
config {
  x = ["keep"]
}`, "x", `["keep"]`},
		{"loser is not evaluated", `
option "x" {
  type = string
}
config {
  x = nothing.at.all
}
config {
  x = force("ok")
}`, "x", `"ok"`},
		{"definition with false condition is not evaluated", `
option "x" {
  type    = string
  default = "d"
}
config {
  when = false
  x    = nothing.at.all
}`, "x", `"d"`},
		{"equal scalars", "option \"x\" {\n type = string\n}\nconfig {\n x = \"a\"\n}\nconfig {\n x = \"a\"\n}\n", "x", `"a"`},
		{"conflict", "option \"x\" {\n type = string\n}\nconfig {\n x = \"a\"\n}\nconfig {\n x = \"b\"\n}\n", "x", `error`},
		{"scalars convert", "option \"x\" {\n type = string\n}\nconfig {\n x = 1\n}\n", "x", `"1"`},
		{"null is no definition", "option \"x\" {\n type = string\n default = \"d\"\n}\nconfig {\n x = null\n}\n", "x", `"d"`},
		{"null under a wrapper is no definition", "option \"x\" {\n type = string\n}\nconfig {\n x = force(null)\n}\nconfig {\n x = \"p\"\n}\n", "x", `"p"`},
		{"set union", "option \"x\" {\n type = set(string)\n}\nconfig {\n x = [\"b\", \"a\"]\n}\nconfig {\n x = [\"b\", \"c\"]\n}\n", "x", `["a","b","c"]`},
		{"empty list without definition", list, "x", `[]`},
		{"empty map without definition", "option \"x\" {\n type = map(string)\n}\n", "x", `{}`},
		{"null without definition", "option \"x\" {\n type = nullable(string)\n}\n", "x", `null`},
		{"no value", "option \"x\" {\n type = string\n}\n", "x", `error`},
		{"lines", "option \"x\" {\n type = lines\n}\nconfig {\n x = \"a\"\n}\nconfig {\n x = \"b\\n\"\n}\nconfig {\n x = before(\"0\\n\")\n}\n", "x", `"0\na\nb\n"`},
		{"B0 map default merges by key (upstream loses it)", `
option "m" {
  type = map(number)
}
config {
  m = default({ a = 1 })
}
config {
  m = { c = 3 }
}`, "m", `{"a":1,"c":3}`},
		{"B0 priorities at keys", `
option "m" {
  type = map(number)
}
config {
  m = { a = default(1) }
}
config {
  m = {
    a = 5
    c = default(3)
  }
}`, "m", `{"a":5,"c":3}`},
		{"force on a map is by key", `
option "m" {
  type = map(number)
}
config {
  m = force({ a = 1 })
}
config {
  m = { a = 2, c = 3 }
}`, "m", `{"a":1,"c":3}`},
		{"replace is for the whole map", `
option "m" {
  type = map(number)
}
config {
  m = replace({ a = 1 })
}
config {
  m = { a = 2, c = 3, d = priority(10, 4) }
}`, "m", `{"a":1,"d":4}`},
		{"declared map default by key", `
option "m" {
  type    = map(number)
  default = { a = 7 }
}
config {
  m = { b = 5 }
}`, "m", `{"a":7,"b":5}`},
		{"map as a block", `
option "m" {
  type = map(string)
}
config {
  m {
    a = "1"
  }
  m {
    b = force("2")
  }
}`, "m", `{"a":"1","b":"2"}`},
		{"map of lists keeps order at the key", `
option "m" {
  type = map(list(string))
}
config {
  m = { a = after(["z"]) }
}
config {
  m = { a = ["b"] }
}`, "m", `{"a":["b","z"]}`},
		{"values of losing keys are not evaluated", `
option "m" {
  type = map(number)
}
config {
  m = { a = nothing.x }
}
config {
  m = force({ a = 1 })
}`, "m", `{"a":1}`},
		{"remove from a list", `
option "x" {
  type    = list(string)
  default = ["a", "b"]
}
config {
  x = remove(["a"])
}`, "x", `["b"]`},
		{"remove from a map", `
option "m" {
  type    = map(number)
  default = { a = 1, b = 2 }
}
config {
  m = remove(["a"])
}`, "m", `{"b":2}`},
		{"conditional remove", `
option "x" {
  type    = set(string)
  default = ["a", "b"]
}
config {
  when = 1 == 2
  x    = remove(["a"])
}`, "x", `["a","b"]`},
		{"nullable: null and a value", "option \"x\" {\n type = nullable(integer)\n}\nconfig {\n x = null\n}\nconfig {\n x = 1\n}\n", "x", `error`},
		{"B0 nullable: declared null and default(1)", "option \"x\" {\n type = nullable(integer)\n default = null\n}\nconfig {\n x = default(1)\n}\n", "x", `1`},
		{"nullable: forced null", "option \"x\" {\n type = nullable(integer)\n}\nconfig {\n x = force(null)\n}\nconfig {\n x = 1\n}\n", "x", `null`},
		{"nullable map merges by key", "option \"x\" {\n type = nullable(map(integer))\n}\nconfig {\n x = { a = 1 }\n}\nconfig {\n x = default({ a = 3, b = 2 })\n}\n", "x", `{"a":1,"b":2}`},
		{"B0 either of different alternatives", "option \"x\" {\n type = either(integer, list(integer))\n}\nconfig {\n x = 1\n}\nconfig {\n x = [2]\n}\n", "x", `error`},
		{"either merges by the alternative", "option \"x\" {\n type = either(integer, list(integer))\n}\nconfig {\n x = [1]\n}\nconfig {\n x = [2]\n}\n", "x", `[1,2]`},
		{"either prefers what fits unchanged", "option \"x\" {\n type = either(string, integer)\n}\nconfig {\n x = 1\n}\n", "x", `1`},
		{"either with null", "option \"x\" {\n type = either(nullable(bool), string)\n}\nconfig {\n x = null\n}\n", "x", `null`},
		{"any merges maps", "option \"x\" {\n type = any\n}\nconfig {\n x = { a = 1, m = { p = 1 } }\n}\nconfig {\n x = { b = \"s\", m = { q = [2] } }\n}\n", "x", `{"a":1,"b":"s","m":{"p":1,"q":[2]}}`},
		{"any conflict in depth", "option \"x\" {\n type = any\n}\nconfig {\n x = { a = 1 }\n}\nconfig {\n x = { a = 2 }\n}\n", "x", `error`},
		{"any of scalars", "option \"x\" {\n type = any\n}\nconfig {\n x = [1]\n}\nconfig {\n x = [1]\n}\n", "x", `[1]`},
		{"object must agree", "option \"x\" {\n type = object({ a = integer, b = optional(string, \"d\") })\n}\nconfig {\n x = { a = 1 }\n}\nconfig {\n x = { a = 1, b = \"d\" }\n}\n", "x", `{"a":1,"b":"d"}`},
		{"undeclared attribute", "option \"x\" {\n type = object({ a = integer })\n}\nconfig {\n x = { a = 1, b = 2 }\n}\n", "x", `error`},
		{"group default merges by sub-option (upstream drops it)", `
option "g" {
  option "a" {
    type    = integer
    default = 1
  }
  option "b" {
    type    = integer
    default = 2
  }
}
config {
  g = default({ a = 7 })
}
config {
  g {
    b = 5
  }
}`, "g", `{"a":7,"b":5}`},
		{"freeform", `
option "g" {
  freeform = string
  option "a" {
    type    = integer
    default = 1
  }
}
config {
  g {
    z = "it is ${config.g.a}"
  }
}`, "g", `{"a":1,"z":"it is 1"}`},
		{"labelled", labelled + `
config {
  site "a" {
    port = 1
  }
  site "b" {
  }
}
config {
  site "a" {
    names = ["n"]
  }
}`, "site", `{"a":{"name":"a","names":["n"],"port":1,"root":"/srv/a"},"b":{"name":"b","names":[],"port":80,"root":"/srv/b"}}`},
		{"labelled as an object", labelled + `
config {
  site = { for n in ["a", "b"] : n => { port = 7 } }
}
config {
  site = { a = force({ port = 8 }) }
}`, "site.a.port", `8`},
		{"labelled instance dropped", labelled + `
config {
  site "a" {
    when = false
    port = 1
  }
  site "b" {
    when = self.name == "b"
  }
}`, "site", `{"b":{"name":"b","names":[],"port":80,"root":"/srv/b"}}`},
		{"labelled default by key", `
option "site" {
  labels  = ["name"]
  default = { d = { port = 8080 } }
  option "port" {
    type    = port
    default = 80
  }
}
config {
  site "a" {
  }
}`, "site", `{"a":{"name":"a","port":80},"d":{"name":"d","port":8080}}`},
		{"remove an instance", labelled + "config {\n site \"a\" {\n }\n site \"b\" {\n }\n}\nconfig {\n site = remove([\"a\"])\n}\n", "site.b.port", `80`},
		{"two labels", `
option "r" {
  labels = ["zone", "name"]
  option "v" {
    type = string
    default = "${self.zone}/${self.name}"
  }
}
config {
  r "z" "a" {
  }
  r "z" "b" {
    v = "own"
  }
}`, "r", `{"z":{"a":{"name":"a","v":"z/a","zone":"z"},"b":{"name":"b","v":"own","zone":"z"}}}`},
		{"parent", `
option "a" {
  labels = ["n"]
  option "b" {
    labels = ["m"]
    option "v" {
      type    = string
      default = "${parent.n}-${self.m}"
    }
  }
}
config {
  a "x" {
    b "y" {
    }
  }
}`, "a.x.b.y.v", `"x-y"`},
		{"condition reads the group it is for", `
option "s.enable" {
  type    = bool
  default = false
}
option "s.ports" {
  type = list(port)
}
config {
  when = config.s.enable
  s {
    ports = [1]
  }
}
config {
  s {
    enable = true
  }
}`, "s.ports", `[1]`},
		{"condition in a nested block", list + "config {\n boot {\n when = false\n kernel_params = [\"q\"]\n }\n boot {\n kernel_params = [\"r\"]\n }\n}\n", "boot.kernel_params", `["r"]`},
		{"condition must be a bool", list + "config {\n when = [1]\n x = [\"a\"]\n}\n", "x", `error`},
		{"is_defined", list + `
option "y" {
  type    = list(bool)
  default = [option.x.is_defined, option.hostname.is_defined, option.boot.is_defined]
}
config {
  x        = null
  hostname = "h"
}`, "y", `[false,true,false]`},
		{"null is a value of some types", `
option "x" {
  type    = nullable(string)
  default = "a"
}
option "y" {
  type    = bool
  default = option.x.is_defined
}
config {
  x = null
}`, "y", `true`},
		{"enum union", `
option "x" {
  type = enum("a")
}
option "x" {
  type = enum("b")
}
config {
  x = "b"
}`, "x", `"b"`},
		{"tuple", "option \"x\" {\n type = tuple([string, integer])\n}\nconfig {\n x = [\"a\", 1]\n}\n", "x", `["a",1]`},
		{"between", "option \"x\" {\n type = between(1, 3)\n}\nconfig {\n x = 2.5\n}\n", "x", `error`},
		{"between of fractions", "option \"x\" {\n type = between(0.5, 3)\n}\nconfig {\n x = 2.5\n}\n", "x", `2.5`},
		{"pattern is anchored", "option \"x\" {\n type = pattern(\"a|b\")\n}\nconfig {\n x = \"ab\"\n}\n", "x", `error`},
		{"path", "option \"x\" {\n type = path\n}\nconfig {\n x = \"/a//b\"\n}\n", "x", `error`},
		{"order on a scalar", "option \"x\" {\n type = string\n}\nconfig {\n x = before(\"a\")\n}\n", "x", `error`},
		{"wrapper inside of an expression", list + "config {\n x = concat(force([\"a\"]), [])\n}\n", "x", `error`},
		{"wrapper as an element", list + "config {\n x = [force(\"a\")]\n}\n", "x", `error`},
		{"remove under force", list + "config {\n x = force(remove([\"a\"]))\n}\n", "x", `error`},
		{"huge number", "option \"x\" {\n type = integer\n}\nconfig {\n x = 1e200\n}\n", "x", `error`},
		{"null at a key of a map", "option \"m\" {\n type = map(map(string))\n}\nconfig {\n m = { a = null, b = {}, c = { d = null } }\n}\n", "m", `{"b":{},"c":{}}`},
		{"null at a key does not hide a weaker value", "option \"m\" {\n type = map(string)\n}\nconfig {\n m = { a = force(null) }\n}\nconfig {\n m = { a = \"x\" }\n}\n", "m", `{"a":"x"}`},
		{"secret", "option \"x\" {\n type = secret\n}\nconfig {\n x = \"/run/secrets/a\"\n}\n", "x", `"/run/secrets/a"`},
		{"secret in the store", "option \"x\" {\n type = secret\n}\nconfig {\n x = \"/sysc/store/a\"\n}\n", "x", `error`},
		{"renamed: priority goes along, text order decides", list + `
option "old" {
  renamed_to = "x"
}
config {
  x = ["1"]
}
config {
  old = ["2"]
}
config {
  x   = ["4"]
  old = before(["0"])
}
config {
  old = default(["no"])
}`, "old", `["0","1","2","4"]`},
		{"renamed: defaults and conditions", `
option "x" {
  type    = string
  default = "d"
}
option "old" {
  renamed_to = "x"
}
option "defined" {
  type    = list(bool)
  default = [option.x.is_defined, option.old.is_defined]
}
config {
  when = false
  old  = nothing.at.all
}`, "x", `"d"`},
		{"renamed twice", list + `
option "a.b" {
  renamed_to = "c"
}
option "c" {
  renamed_to = "x"
}
config {
  a {
    b = ["z"]
  }
  c = ["y"]
}`, "a.b", `["z","y"]`},
		{"renamed group", `
option "services.ssh" {
  renamed_to = "services.openssh"
}
option "services.openssh" {
  option "enable" {
    type    = bool
    default = false
  }
  option "ports" {
    type    = list(port)
    default = [22]
  }
}
config {
  services {
    ssh {
      enable = force(true)
    }
    openssh {
      enable = false
    }
  }
}
config {
  services {
    ssh = { ports = [7] }
  }
}`, "services", `{"openssh":{"enable":true,"ports":[7]}}`},
		{"renamed in a labelled option", labelled + `
option "site.listen" {
  renamed_to = "site.port"
}
config {
  site "a" {
    listen = 7
  }
  site "b" {
    listen = default(8)
    port   = 9
  }
}`, "site.a.listen", `7`},
		{"renamed labelled option", labelled + `
option "host" {
  renamed_to = "site"
}
config {
  host "a" {
    port = 7
  }
  site "a" {
    names = ["n"]
  }
  host "b" {
    when = false
  }
}`, "host", `{"a":{"name":"a","names":["n"],"port":7,"root":"/srv/a"}}`},
		{"renamed into an instance", labelled + `
option "port" {
  renamed_to = "site[\"main\"].port"
}
config {
  port = 7
}`, "site", `{"main":{"name":"main","names":[],"port":7,"root":"/srv/main"}}`},
		{"renamed into an instance, not defined", labelled + `
option "port" {
  renamed_to = "site[\"main\"].port"
}
config {
  when = false
  port = 7
}`, "site", `{}`},
		{"renamed into a map, removed, replaced", `
option "m" {
  type = map(map(integer))
}
option "old" {
  renamed_to = "m.k"
}
config {
  m   = { k = { a = 1, b = 2, c = 3 } }
  old = remove(["a"])
}
config {
  m = { j = { x = 1 } }
}`, "m", `{"j":{"x":1},"k":{"b":2,"c":3}}`},
		{"freeform instance", `
option "s" {
  labels   = ["n"]
  freeform = integer
  option "a" {
    type    = integer
    default = 1
  }
}
config {
  s "x" {
    b = self.a + 1
    c = self.b + 1
  }
}`, "s.x", `{"a":1,"b":2,"c":3,"n":"x"}`},
		{"sub-options from two modules", labelled + `
option "site" {
  labels = ["name"]
  option "tls" {
    type    = bool
    default = self.port == 443
  }
}
option "site.extra.deep" {
  type    = string
  default = self.name
}
config {
  site "a" {
    port = 443
  }
}`, "site.a", `{"extra":{"deep":"a"},"name":"a","names":[],"port":443,"root":"/srv/a","tls":true}`},
		{"everything nests", `
option "a" {
  labels = ["x", "y"]
  option "m" {
    type    = map(map(list(string)))
    default = { d = { e = ["declared"] } }
  }
  option "b" {
    labels = ["z"]
    option "l" {
      type = list(string)
    }
  }
}
config {
  a "1" "2" {
    m {
      d = { e = after(["z"]) }
    }
    m {
      when = self.x == "1"
      d = { e = order(7, ["a"]) }
      f = priority(3, { g = remove(["no"]) })
    }
    b "3" {
      l = [parent.y]
    }
    b = { "4" = { when = false } }
  }
  a = { "1" = { "2" = { m = { f = { g = ["no", "yes"] } } } } }
}`, "a.1.2.m", `{"d":{"e":["a","z"]},"f":{"g":["yes"]}}`},
		{"cycle", "option \"x\" {\n type = string\n}\noption \"y\" {\n type = string\n}\nconfig {\n x = config.y\n y = config.x\n}\n", "x", `error`},
		{"list reads its sibling, not itself", list + "option \"n\" {\n type = integer\n default = length(config.x)\n}\nconfig {\n x = [\"a\"]\n}\n", "x", `["a"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, diags := evaluate(t, map[string]string{"a.sysc.hcl": tt.text})
			if diags.HasErrors() {
				t.Fatalf("parse: %v", diags.Err())
			}
			got, diags := e.read(tt.path)
			if got != tt.want {
				t.Errorf("config.%s\n got %s\nwant %s\n%v", tt.path, got, tt.want, diags.Err())
			}
		})
	}
}

const labelled = `
option "site" {
  labels = ["name"]
  option "root" {
    type    = path
    default = "/srv/${self.name}"
  }
  option "port" {
    type    = port
    default = 80
  }
  option "names" {
    type = list(string)
  }
}
`

// chain is n options, each of which reads the next.
func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "option \"o%d\" {\n  type    = integer\n  default = config.o%d + 1\n}\n", i, i+1)
	}
	fmt.Fprintf(&b, "option \"o%d\" {\n  type    = integer\n  default = 0\n}\n", n)
	return b.String()
}

// Long ways are walked; endless ones are an error and no crash.
func TestDepth(t *testing.T) {
	e, _ := evaluate(t, map[string]string{"a.sysc.hcl": chain(1000)})
	if got, diags := e.read("o0"); got != "1000" {
		t.Errorf("got %s, %v", got, diags.Err())
	}
	e, _ = evaluate(t, map[string]string{"a.sysc.hcl": chain(10000)})
	got, diags := e.read("o0")
	if got != "error" || len(diags) != 1 || !strings.Contains(diags[0].Summary, "too deeply") {
		t.Errorf("got %s, %v", got, diags.Err())
	}
}

// A sensitive option's value is marked wherever it goes.
func TestSensitive(t *testing.T) {
	e, _ := evaluate(t, map[string]string{"a.sysc.hcl": `
option "key" {
  type      = string
  default   = "hunter2"
  sensitive = true
}
system "s" {
  hostname = "s"
  file "/k" {
    content = "key=${config.key}"
  }
}`})
	r := &reader{e: e}
	r.file(r.instances("file")[0])
	if len(r.diags) != 1 || !strings.Contains(r.diags.Err().Error(), "sensitive") || strings.Contains(r.diags.Err().Error(), "hunter2") {
		t.Errorf("got %v", r.diags.Err())
	}
}

// Every core option has a description.
func TestCoreDescriptions(t *testing.T) {
	var visit func(o *option.Option)
	visit = func(o *option.Option) {
		for _, c := range o.Children() {
			if !strings.HasSuffix(c.Description, ".") {
				t.Errorf("%s has no description: %q", c.Path, c.Description)
			}
			visit(c)
		}
	}
	visit(coreSchema(systems.Machine, "a").Root())
}
