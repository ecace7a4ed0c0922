package modules

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/lang"
	"sysc/lang/diag"
)

// A rule is a rule of the language that no other test is about: what expressions are
// in a system, or what is said of a definition that breaks it.
type rule struct {
	name string
	text string // files of a definition, as an archive
	// system is the one that want is about, "" for the only one.
	system string
	// want are expressions with their values as JSON.
	want map[string]string
	// says is what validation prints, in this order; nothing for a valid definition.
	says []string
}

func rules() []rule {
	const module = `
module "m" {
  source = "./m"
}
system "s" {
  modules = [module.m]
}
`
	return []rule{
		{name: "subdirectories are no part of a module",
			text: "-- main.sysc.hcl --\nsystem \"s\" {\n}\n-- sub/other.sysc.hcl --\nthis is no definition\n"},
		{name: "files in any order",
			text: "-- z.sysc.hcl --\nlocals {\n  a = local.b\n}\n-- a.sysc.json --\n{\"locals\": {\"b\": \"${local.c}\"}}\n-- m.sysc.hcl --\nlocals {\n  c = 1\n}\nsystem \"s\" {\n}\n",
			want: map[string]string{"local.a": "1"}},
		{name: "tests of a module stand in files for tests",
			text: "-- main.sysc.hcl --" + module + "-- m/m.sysc.hcl --\ntest \"t\" {\n}\n",
			says: []string{"Error: Test in a module", "m/m.sysc.hcl line 1", ".test.sysc.hcl"}},
		{name: "files for tests are not read with a module",
			text: "-- main.sysc.hcl --" + module + "-- m/m.sysc.hcl --\nlocals {\n  a = 1\n}\n-- m/m.test.sysc.hcl --\ntest \"t\" {\n  nonsense = 1\n}\n"},
		{name: "homes are the root's",
			text: "-- main.sysc.hcl --" + module + "-- m/m.sysc.hcl --\nhome \"h\" {\n}\n",
			says: []string{"Error: Home in a module", "m/m.sysc.hcl line 1"}},
		{name: "an old binary says that it is too old",
			text: "-- main.sysc.hcl --\nsysc {\n  required_version = \">= 99\"\n  flux = 1\n}\nwormhole \"x\" {\n}\n",
			says: []string{"Error: Unsupported version of sysc"}},

		{name: "the names of a system",
			text: `
-- main.sysc.hcl --
option "a.b" {
  type    = list(string)
  default = [system.name, system.platform, path.module, path.root]
}
system "s" {
  platform = "linux/arm64"
}
`, want: map[string]string{"config.a.b": `["s","linux/arm64",".","."]`, "option.a.b.type": `"list(string)"`, "option.a.b.is_defined": "false"}},
		{name: "the platform is the host's by default",
			text: "-- main.sysc.hcl --\nsystem \"s\" {\n}\n",
			want: map[string]string{"system.platform": `"linux/amd64"`}},
		{name: "an output is read by its module",
			text: "-- main.sysc.hcl --\nmodule \"m\" {\n  for_each = { k = 1 }\n  source   = \"./m\"\n  n        = each.value\n}\nlocals {\n  x = module.m[\"k\"].text\n}\nsystem \"s\" {\n}\n-- m/m.sysc.hcl --\nvariable \"n\" {\n  type = number\n}\noutput \"text\" {\n  value = \"it is ${var.n}\"\n}\n",
			want: map[string]string{"local.x": `"it is 1"`}},
		{name: "further arguments of a function",
			text: "-- main.sysc.hcl --\nfunction \"total\" {\n  params         = [name]\n  variadic_param = rest\n  result         = \"${name} ${length(rest)}\"\n}\nsystem \"s\" {\n}\n",
			want: map[string]string{`total("a")`: `"a 0"`, `total("a", 1, 2)`: `"a 2"`}},
		{name: "a list for for_each",
			text: "-- main.sysc.hcl --\nsystem \"many\" {\n  for_each = [\"a\", \"b\"]\n}\n", system: "b",
			want: map[string]string{"config.hostname": `"b"`}},
		{name: "no text twice in for_each",
			text: "-- main.sysc.hcl --\nsystem \"many\" {\n  for_each = [\"a\", \"a\"]\n}\n",
			says: []string{"Error: Invalid for_each", `"a"`}},
		{name: "config is of systems alone",
			text: "-- main.sysc.hcl --\nlocals {\n  a = config.hostname\n}\noutput \"o\" {\n  value = config.hostname\n}\nderivation \"d\" {\n  builder = config.hostname\n}\nsystem \"s\" {\n}\n",
			says: []string{"config is not known here", "in locals", "config is not known here", "in output \"o\"", "config is not known here", "in derivation \"d\""}},
		{name: "no option is called like a word of the language",
			text: "-- main.sysc.hcl --\noption \"platform\" {\n  type = string\n}\noption \"a.when\" {\n  type = string\n}\noption \"site\" {\n  labels = [\"name\"]\n  option \"name\" {\n    type = string\n  }\n}\nsystem \"s\" {\n}\n",
			says: []string{"Reserved option name", `"platform"`, "Reserved option name", `"when"`, "Reserved option name", `"name"`}},
		{name: "priorities stand at the head",
			text: "-- main.sysc.hcl --\nsystem \"s\" {\n  hostname = \"a${default(\"x\")}\"\n}\n",
			says: []string{"Function not available here", "line 2", "default(…)"}},
		{name: "priorities are of definitions alone",
			text: "-- main.sysc.hcl --\nlocals {\n  a = force(1)\n}\nsystem \"s\" {\n}\n",
			says: []string{"Function not available here", "line 2", "force(…)"}},
		{name: "a group is a block with options alone",
			text: "-- main.sysc.hcl --\noption \"g\" {\n  option \"a\" {\n    type    = number\n    default = 1\n  }\n}\noption \"g.b\" {\n  type    = number\n  default = 2\n}\nsystem \"s\" {\n}\n",
			want: map[string]string{"config.g": `{"a":1,"b":2}`}},
		{name: "a conflict shows each definition and two remedies",
			text: "-- main.sysc.hcl --\nconfig {\n  hostname = \"a\"\n}\nsystem \"s\" {\n  hostname = \"b\"\n}\n",
			says: []string{"Conflicting definitions", "line 5", "line 2", "force(…)", "default(…)"}},
		{name: "without a value it is an error where it is read",
			text: "-- main.sysc.hcl --\noption \"a\" {\n  type = string\n}\nsystem \"s\" {\n  hostname = config.a\n}\n",
			says: []string{"Option without a value", "hostname"}},
		{name: "only the declaring module defines a read-only option",
			text: "-- main.sysc.hcl --\nmodule \"m\" {\n  source = \"./m\"\n}\nconfig {\n  a = 2\n}\nsystem \"s\" {\n  modules = [module.m]\n}\n-- m/m.sysc.hcl --\noption \"a\" {\n  type      = number\n  read_only = true\n}\nconfig {\n  a = 1\n}\n",
			says: []string{"read-only", "main.sysc.hcl line 5"}},
		{name: "the declaring module defines a read-only option",
			text: "-- main.sysc.hcl --\nmodule \"m\" {\n  source = \"./m\"\n}\nsystem \"s\" {\n  modules = [module.m]\n}\n-- m/m.sysc.hcl --\noption \"a\" {\n  type      = number\n  read_only = true\n}\nconfig {\n  a = 1\n}\n",
			want: map[string]string{"config.a": "1"}},
		{name: "reading an old name gives the new value",
			text: "-- main.sysc.hcl --\noption \"old\" {\n  renamed_to = \"new\"\n}\noption \"new\" {\n  type    = number\n  default = 1\n}\nsystem \"s\" {\n  old = force(3)\n  new = 2\n}\n",
			want: map[string]string{"config.new": "3", "config.old": "3"}},
		{name: "one warning for each use of an old name, at its line",
			text: "-- main.sysc.hcl --\noption \"old\" {\n  renamed_to = \"new\"\n}\noption \"new\" {\n  type    = list(number)\n}\nconfig {\n  old = [1]\n}\nsystem \"s\" {\n  old = [2]\n}\n",
			says: []string{"Warning: Option was renamed", "line 8", "Warning: Option was renamed", "line 11"}},
		{name: "eval beside what is broken",
			text: "-- main.sysc.hcl --\nsystem \"s\" {\n  hostname = \"x\"\n  file \"/a\" {\n    content = local.nothing\n  }\n}\n",
			want: map[string]string{"config.hostname": `"x"`}},
		{name: "validate forces every definition of every system",
			text: "-- main.sysc.hcl --\noption \"unread\" {\n  type = string\n}\nsystem \"s\" {\n}\nsystem \"t\" {\n  unread = local.nothing\n}\n",
			says: []string{"line 7"}},
		{name: "no file outside of the module, over links neither",
			text: "-- main.sysc.hcl --\nlocals {\n  a = file(\"../b\")\n  c = file(\"/etc/passwd\")\n}\nsystem \"s\" {\n}\n",
			says: []string{"File outside of the module", "line 2", "File outside of the module", "line 3"}},
		{name: "no clock and no dice",
			text: "-- main.sysc.hcl --\nlocals {\n  a = timestamp()\n  b = uuid()\n  c = bcrypt(\"a\")\n}\nsystem \"s\" {\n}\n",
			says: []string{"line 2", "timestamp", "line 3", "uuid", "line 4", "bcrypt"}},
		{name: "a sensitive value reaches no unit",
			text: "-- main.sysc.hcl --\nvariable \"v\" {\n  default   = \"hunter2\"\n  sensitive = true\n}\nsystem \"s\" {\n  unit \"a.service\" {\n    content = \"[Service]\\nEnvironment=A=${var.v}\\n\"\n  }\n}\n",
			says: []string{"Sensitive value reaches the store", "line 7"}},
		{name: "consequences are not shown",
			text: "-- main.sysc.hcl --\nlocals {\n  a = local.nothing\n  b = local.a\n  c = \"${local.b}!\"\n}\nsystem \"s\" {\n  hostname = local.c\n}\n",
			says: []string{"Unknown local value"}},
		{name: "near names are suggested",
			text: "-- main.sysc.hcl --\nsytem \"s\" {\n}\n",
			says: []string{"Unsupported block type", "Did you mean\n│ \"system\"?"}},
		{name: "near modules and attributes are suggested",
			text: "-- main.sysc.hcl --\nmodule \"tools\" {\n  source = \"./m\"\n}\nlocals {\n  o = { left = 1 }\n  a = module.tolls.x\n  b = local.o.leff\n}\nsystem \"s\" {\n}\n-- m/m.sysc.hcl --\nlocals {\n}\n",
			says: []string{`Did you mean "tools"`, `Did you mean "left"`}},
		{name: "a module outside of the tree is none",
			text: "-- main.sysc.hcl --\nmodule \"m\" {\n  source = \"../../../../../../etc\"\n}\nsystem \"s\" {\n}\n",
			says: []string{"Module outside of the tree"}},
	}
}

func TestRules(t *testing.T) {
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			p, diags := Load(context.Background(), writeText(t, r.text), &Options{Platform: "linux/amd64", Version: "0.3.0"})
			if r.want != nil {
				if diags.HasErrors() {
					t.Fatal(rendered(diags, p))
				}
				r.checkValues(t, p)
				return
			}
			if !diags.HasErrors() {
				diags = append(diags, p.Validate(context.Background())...)
			}
			r.checkMessages(t, rendered(diags, p), diags)
		})
	}
}

func (r rule) checkValues(t *testing.T, p *Project) {
	name := r.system
	if name == "" {
		name = "s"
	}
	s, diags := p.Open(context.Background(), name)
	if diags.HasErrors() {
		t.Fatal(rendered(diags, p))
	}
	for expr, want := range r.want {
		got, diags := s.Value(expr)
		if diags.HasErrors() || string(got.JSON) != want {
			t.Errorf("%s = %s, want %s %s", expr, got.JSON, want, rendered(diags, p))
		}
	}
}

// checkMessages looks for what a rule says, in its order. A rule that says something
// says nothing else: each message begins what is looked for.
func (r rule) checkMessages(t *testing.T, text string, diags diag.List) {
	rest := text
	for _, want := range r.says {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is not said, or not here:\n%s", want, text)
		}
		rest = after
	}
	if len(r.says) == 0 && len(diags) > 0 || strings.Contains(rest, "Error: ") {
		t.Errorf("more is said than expected:\n%s", text)
	}
}

// TestCachesAreTheRoots: a module that is used cannot say whose word counts.
func TestCachesAreTheRoots(t *testing.T) {
	block := func(name string) string {
		return "sysc {\n  caches       = [\"https://" + name + ".example.org\"]\n  trusted_keys = [\"" + name + ":AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"]\n}\n"
	}
	p, _ := loadText(t, "-- main.sysc.hcl --\n"+block("own")+"module \"m\" {\n  source = \"./m\"\n}\nsystem \"s\" {\n  modules = [module.m]\n}\n-- m/m.sysc.hcl --\n"+block("strange"))
	if _, diags := p.System(t.Context(), "s"); diags.HasErrors() {
		t.Fatal(rendered(diags, p))
	}
	want := lang.CacheSettings{Addresses: []string{"https://own.example.org"}, Keys: []string{"own:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}
	if diff := cmp.Diff(want, p.Caches()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
