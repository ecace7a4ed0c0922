package lang

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/store"
)

const helloModule = `
input "debian" {
  type   = "debian"
  suites = ["trixie"]
}
variable "greeting" {
  type    = string
  default = "hello"
}
locals {
  files = { for name in ["a", "b"] : name => "${var.greeting} ${name}\n" }
}
derivation "lib" {
  version  = "1.2"
  packages = [pkg.debian.gcc, "make", "debian:g++"]
  script   = "make install"
  outputs  = ["out", "dev"]
}
derivation "hello" {
  source   = textfile("hello.c", local.files["a"])
  packages = ["gcc", derivation.lib]
  env      = { LIB = derivation.lib.dev, EMPTY = null }
  structured = {
    paths = [derivation.lib.out]
    n     = 3
  }
  builder = "${derivation.lib.out}/bin/build"
  args    = ["--version", derivation.lib.version]
}
`

func evaluated(t *testing.T, files map[string][]byte) (*Module, *derivations.Graph) {
	t.Helper()
	m, diags := run("", files, nil)
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	return m, m.opts.Graph
}

func TestDerivation(t *testing.T) {
	m, g := evaluated(t, map[string][]byte{"main.sysc.hcl": []byte(helloModule)})
	lib, _ := m.Derivation("lib", diag.Range{})
	hello, _ := m.Derivation("hello", diag.Range{})
	got, ok := g.Derivation(lib.Hash)
	if !ok || got.Name != "lib-1.2" || got.Builder != derivations.BuilderExec || got.Platform != "linux/amd64" {
		t.Fatalf("lib is %+v", got)
	}
	if diff := cmp.Diff([]string{"/bin/sh", "-euc", "make install"}, got.Args); diff != "" {
		t.Errorf("arguments of lib (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dev", "out"}, got.OutputNames()); diff != "" {
		t.Errorf("outputs of lib (-want +got):\n%s", diff)
	}
	root, _ := g.Derivation(got.Inputs[0].Derivation)
	if want := `{"base":"debian","packages":["debian:gcc",":make","debian:g++"]}`; string(root.Attrs) != want {
		t.Errorf("root of lib is made of %s, want %s", root.Attrs, want)
	}

	out, _ := g.Placeholder(derivations.Ref{Derivation: lib.Hash, Output: "out"})
	dev, _ := g.Placeholder(derivations.Ref{Derivation: lib.Hash, Output: "dev"})
	got, _ = g.Derivation(hello.Hash)
	if diff := cmp.Diff([]string{out + "/bin/build", "--version", "1.2"}, got.Args); diff != "" {
		t.Errorf("arguments of hello (-want +got):\n%s", diff)
	}
	if got.Env["LIB"] != dev || len(got.Env) != 2 {
		t.Errorf("environment of hello: %v", got.Env)
	}
	if want := `{"n":3,"paths":["` + out + `"]}`; string(got.Attrs) != want {
		t.Errorf("attributes of hello: %s, want %s", got.Attrs, want)
	}
	path, _, err := store.ParseLogical(got.Env["src"])
	src, known := g.Source(path)
	if err != nil || !known || string(src.Content) != "hello a\n" {
		t.Errorf("source of hello: %q %v", src.Content, err)
	}
	if o := g.Origin(hello.Hash); o.Label != "derivation.hello" || o.Position != "main.sysc.hcl:19,1" {
		t.Errorf("origin of hello: %+v", o)
	}
	if hello.Ref().Output != "out" {
		t.Errorf("hello stands for %q", hello.Ref().Output)
	}
}

// TestOutputHash: each mode is another derivation of the same hash.
func TestOutputHash(t *testing.T) {
	digest := store.DigestOf([]byte("result"))
	seen := map[derivations.Hash]string{}
	for argument, want := range map[string]derivations.Fixed{
		``:                                {Kind: store.KindFile, Digest: digest},
		`output_hash_mode = "tree"`:       {Kind: store.KindTree, Digest: digest},
		`output_hash_mode = "executable"`: {Kind: store.KindFile, Digest: digest, Executable: true},
	} {
		m, g := evaluated(t, map[string][]byte{"main.sysc.hcl": []byte(fmt.Sprintf(`
input "debian" {
  type   = "debian"
  suites = ["trixie"]
}
derivation "fixed" {
  script      = ":"
  output_hash = %q
  %s
}
`, digest, argument))})
		d, _ := m.Derivation("fixed", diag.Range{})
		got, _ := g.Derivation(d.Hash)
		if got.Fixed == nil || *got.Fixed != want {
			t.Errorf("%s: got %+v, want %+v", argument, got.Fixed, want)
		}
		if other, twice := seen[d.Hash]; twice {
			t.Errorf("%q and %q are one derivation", argument, other)
		}
		seen[d.Hash] = argument
	}
}

// TestSameHashes evaluates the same blocks in other files, in another order, in
// another directory, and expects the same graph.
func TestSameHashes(t *testing.T) {
	hashes := func(files map[string][]byte) []string {
		m, _ := evaluated(t, files)
		var out []string
		for _, name := range []string{"lib", "hello"} {
			d, _ := m.Derivation(name, diag.Range{})
			out = append(out, d.Hash.String())
		}
		return out
	}
	want := hashes(map[string][]byte{"main.sysc.hcl": []byte(helloModule)})
	m, _ := evaluated(t, map[string][]byte{"main.sysc.hcl": []byte(helloModule)})
	blocks := m.Definition.Module.Blocks
	var texts []string
	for i, b := range blocks {
		end := len(helloModule)
		if i+1 < len(blocks) {
			end = blocks[i+1].Range.Start.Byte
		}
		texts = append(texts, helloModule[b.Range.Start.Byte:end])
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		r.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		files := map[string][]byte{}
		for i, text := range texts {
			name := fmt.Sprintf("f%d.sysc.hcl", i%3)
			files[name] = append(files[name], text...)
		}
		old := runtime.GOMAXPROCS(1 + r.IntN(4))
		got := hashes(files)
		runtime.GOMAXPROCS(old)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("hashes differ (-want +got):\n%s", diff)
		}
	}
}

func TestFetch(t *testing.T) {
	const text = `
input "debian" {
  type = "debian"
}
derivation "x" {
  source = fetchtarball("https://example.org/hello-2.12.tar.gz", "sha256:0000000000000000000000000000000000000000000000000000000000000001")
  script = ":"
}
locals {
  file = fetchurl("https://example.org/a?b=c", "sha256:0000000000000000000000000000000000000000000000000000000000000002")
}
`
	m, g := evaluated(t, map[string][]byte{"main.sysc.hcl": []byte(text)})
	d, _ := m.Derivation("x", diag.Range{})
	got, _ := g.Derivation(d.Hash)
	var unpack, fetch *derivations.Derivation
	for _, in := range got.Inputs {
		if input, _ := g.Derivation(in.Derivation); input.Builder == "builtin:unpack" {
			unpack = input
			fetch, _ = g.Derivation(input.Inputs[0].Derivation)
		}
	}
	if unpack == nil || unpack.Name != "hello-2.12" || fetch.Builder != "builtin:fetch" || fetch.Fixed == nil || fetch.Fixed.Digest[31] != 1 {
		t.Errorf("unpack %+v, fetch %+v", unpack, fetch)
	}
}

// TestFetchOptions looks at the derivations that calls make.
func TestFetchOptions(t *testing.T) {
	const digest = "sha256:0400000000000000000000000000000000000000000000000000000000000000"
	const url = "https://example.org/dir/a-1.0.zip?x=y"
	for call, want := range map[string]string{
		`fetchurl("` + url + `", "` + digest + `")`:                                      `a-1.0.zip false {"url":"` + url + `"}`,
		`fetchurl("` + url + `", "sha256-BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")`: `a-1.0.zip false {"url":"` + url + `"}`,
		`fetchurl(["` + url + `", "mirror://m/b"], "` + digest + `")`:                    `a-1.0.zip false {"urls":["` + url + `","mirror://m/b"]}`,
		`fetchurl(["` + url + `"], "` + digest + `", {})`:                                `a-1.0.zip false {"url":"` + url + `"}`,
		`fetchurl("` + url + `", "` + digest + `", { name = "b", executable = true })`:   `b true {"url":"` + url + `"}`,
		`fetchtarball("` + url + `", "` + digest + `")`:                                  `a-1.0.zip false {"url":"` + url + `"} a-1.0`,
		`fetchtarball("` + url + `", "` + digest + `", { name = "src" })`:                `a-1.0.zip false {"url":"` + url + `"} src`,

		`fetchurl([], "` + digest + `")`:                                                 "error: No address",
		`fetchurl([["` + url + `"]], "` + digest + `")`:                                  "error: Invalid function argument",
		`fetchurl(null, "` + digest + `")`:                                               "error: Invalid function argument",
		`fetchurl(["` + url + `", sensitive("https://x/y")], "` + digest + `")`:          "error: Sensitive value",
		`fetchurl(["` + url + `", "file://./x"], "` + digest + `")`:                      "error: A file:// address stands alone",
		`fetchurl(["` + url + `", "https://u:secret@h/"], "` + digest + `")`:             "error: Password in an address",
		`fetchurl("ftp://example.org/x", "` + digest + `")`:                              "error: Invalid address",
		`fetchurl("` + url + `", "sha256-AAAA")`:                                         "error: Invalid hash",
		`fetchurl("` + url + `", "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=")`: "error: Invalid hash",
		`fetchurl("` + url + `", "sha512-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")`: "error: Invalid hash",
		`fetchurl("` + url + `", "sha256:00")`:                                           "error: Invalid hash",
		`fetchurl("` + url + `", "` + digest + `", null)`:                                "error: The options are an object",
		`fetchurl("` + url + `", "` + digest + `", "b")`:                                 "error: The options are an object",
		`fetchurl("` + url + `", "` + digest + `", { nmae = "b" })`:                      `error: Did you mean "name"?`,
		`fetchurl("` + url + `", "` + digest + `", { name = "../b" })`:                   "error: Invalid name",
		`fetchurl("` + url + `", "` + digest + `", { name = null })`:                     "error: Invalid function argument",
		`fetchurl("` + url + `", "` + digest + `", { executable = "yes" })`:              "error: executable is true or false",
		`fetchtarball("` + url + `", "` + digest + `", { executable = true })`:           "error: executable or not as the archive says",
	} {
		def, diags := Parse("", map[string][]byte{"main.sysc.hcl": []byte("locals {\n  x = " + call + "\n}\n")}, "0.3.0")
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		g := derivations.NewGraph()
		m, diags := Evaluate(def, Options{Graph: g, Host: graphHost{g}})
		diags = append(diags, m.Force()...)
		var got string
		for _, h := range g.Hashes() {
			d, _ := g.Derivation(h)
			switch d.Builder {
			case "builtin:fetch":
				got = fmt.Sprintf("%s %t %s", d.Name, d.Fixed.Executable, d.Attrs) + got
			case "builtin:unpack":
				got += " " + d.Name
			}
		}
		if diags.HasErrors() {
			got = "error: " + diags.Err().Error()
		}
		wanted, isError := strings.CutPrefix(want, "error: ")
		if diags.HasErrors() != isError || !strings.Contains(got, wanted) || !isError && got != want {
			t.Errorf("%s: got %s, want %s", call, got, want)
		}
	}
}

// TestFetchModuleFile: a file:// address is a file of the module, and nothing
// else of the machine, links and FIFOs included.
func TestFetchModuleFile(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	dir := filepath.Join(t.TempDir(), "real")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{outside, filepath.Join(dir, "sub", "a.tar")} {
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	alias := filepath.Join(t.TempDir(), "alias")
	for name, target := range map[string]string{
		filepath.Join(dir, "out"): outside, filepath.Join(dir, "outdir"): filepath.Dir(outside),
		filepath.Join(dir, "in"): "sub/a.tar", alias: dir,
	} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	right, wrong := store.DigestOf([]byte("x")).String(), store.DigestOf([]byte("y")).String()
	const notBelow = "names no file below the module's directory"
	for _, test := range []struct{ dir, url, hash, want string }{
		{dir, "file://./sub/a.tar", right, ""},
		{dir, "file://${path.module}/sub/a.tar", right, ""},
		{dir, "file://" + dir + "/sub/a.tar", right, ""},
		{alias, "file://" + alias + "/sub/a.tar", right, ""},
		{alias, "file://" + dir + "/sub/a.tar", right, ""},
		{dir, "file://./in", right, ""},
		{dir, "file://./sub/a.tar", wrong, "expected " + wrong + "\n  got      " + right},
		{dir, "file://" + outside, right, notBelow},
		{dir, "file:///etc/passwd", right, notBelow},
		{dir, "file://./../x", right, notBelow},
		{dir, "file://./sub/../../x", right, notBelow},
		{dir, "file://./%2e%2e/x", right, notBelow},
		{dir, "file://" + dir + "x", right, notBelow},
		{"", "file://./sub/a.tar", right, notBelow},
		{dir, "file://./out", right, "escapes"},
		{dir, "file://./outdir/secret", right, "escapes"},
		{dir, "file://./fifo", right, "not a regular file"},
		{dir, "file://./sub", right, "not a regular file"},
		{dir, "file://./missing", right, "There is no file"},
		{dir, "file://host/x", right, "is not an address"},
		{dir, "file://./", right, "is not an address"},
	} {
		files := map[string][]byte{"main.sysc.hcl": fmt.Appendf(nil, "locals {\n  x = fetchurl(%q, %q)\n  y = fetchtarball(%[1]q, %[2]q)\n}\n", test.url, test.hash)}
		_, diags := run(test.dir, files, nil)
		if got := fmt.Sprint(diags.Err()); diags.HasErrors() != (test.want != "") || !strings.Contains(got, test.want) {
			t.Errorf("%s in %q: got %v, want error with %q", test.url, test.dir, got, test.want)
		}
	}
}

func TestSource(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sub/a.c", "conf"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub", filepath.Join(dir, "inside")); err != nil {
		t.Fatal(err)
	}
	for expr, ok := range map[string]bool{
		`source("./sub")`: true, `source("conf")`: true,
		`source("link")`: false, `source("link/passwd")`: false, `source("inside/a.c")`: false, `source("nothing")`: false,
		`file("conf")`: true, `file("link/passwd")`: false, `file("sub")`: false, `file("inside/a.c")`: true, `fileexists("link/passwd")`: false,
	} {
		files := map[string][]byte{"main.sysc.hcl": []byte("locals {\n  x = " + expr + "\n}\n")}
		if _, diags := run(dir, files, nil); diags.HasErrors() == ok {
			t.Errorf("%s: accepted %v, want %v: %v", expr, !ok, ok, diags.Err())
		}
	}
}

func TestVariableValues(t *testing.T) {
	const text = `
variable "port" {
  type = number
}
variable "tags" {
  type = list(string)
}
variable "opts" {
  type = object({ a = optional(string, "x"), b = bool })
}
variable "free" {}
variable "maybe" {
  type     = string
  default  = "given"
  nullable = false
}
locals {
  all = jsonencode([var.port, var.tags, var.opts, var.free, var.maybe])
}
`
	fileValues, diags := ParseVariables([]byte("opts = { b = true }\nmaybe = null\n"), "x.vars")
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	vars := map[string]VariableValue{
		"port": {Text: "8080", Source: "SYSC_VAR_port"},
		"tags": {Text: `["a", 1]`, Source: "--var tags=…"},
		"free": {Text: `["raw"]`, Source: "--var free=…"},
	}
	for name, v := range fileValues {
		vars[name] = v
	}
	m, diags := run("", map[string][]byte{"main.sysc.hcl": []byte(text)}, vars)
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	v, _ := m.Local("all", diag.Range{})
	if got, want := v.AsString(), `[8080,["a","1"],{"a":"x","b":true},"[\"raw\"]","given"]`; got != want {
		t.Errorf("values %s, want %s", got, want)
	}
}

// TestDepth evaluates long chains of names, forwards and backwards.
func TestDepth(t *testing.T) {
	chain := func(n int, expr string) diag.List {
		var b strings.Builder
		b.WriteString("locals {\n")
		for i := range n {
			fmt.Fprintf(&b, "  a%d = "+expr+"\n", i, i+1)
		}
		fmt.Fprintf(&b, "  a%d = \"end\"\n}\n", n)
		_, diags := run("", map[string][]byte{"main.sysc.hcl": []byte(b.String())}, nil)
		return diags
	}
	if diags := chain(5000, "local.a%d"); diags.HasErrors() {
		t.Errorf("5,000: %v", diags.Err())
	}
	if diags := chain(20_000, "local.a%d"); !diags.HasErrors() {
		t.Error("20,000 are accepted")
	}
	if diags := chain(2000, strings.Repeat("[", 190)+"local.a%d"+strings.Repeat("][0]", 190)); !diags.HasErrors() {
		t.Error("2,000 names, each nested 190 deep, are accepted")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(helloModule)
	names, err := filepath.Glob("testdata/diagnostics/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(name, "bombs") {
			continue // slow, and tested elsewhere
		}
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		body, _, _ := strings.Cut(string(text), "-- want --")
		_, body, _ = strings.Cut(body, "-- main.sysc.hcl --\n")
		f.Add(body)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		files := map[string][]byte{"main.sysc.hcl": []byte(text)}
		_, first := run(dir, files, nil)
		_, second := run(dir, files, nil)
		var a, b strings.Builder
		if err := diag.Render(&a, first, files, diag.RenderOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := diag.Render(&b, second, files, diag.RenderOptions{}); err != nil {
			t.Fatal(err)
		}
		if a.String() != b.String() {
			t.Errorf("two evaluations differ:\n%s", cmp.Diff(a.String(), b.String()))
		}
	})
}

func manyDerivations(n int) []byte {
	var b strings.Builder
	b.WriteString("input \"debian\" {\n  type = \"debian\"\n}\nlocals {\n  flags = \"-O2\"\n}\n")
	for i := range n {
		dep := ""
		if i > 0 {
			dep = fmt.Sprintf("${derivation.d%d.out}", i-1)
		}
		fmt.Fprintf(&b, "derivation \"d%d\" {\n  version  = \"1.%d\"\n  packages = [\"gcc\"]\n  env      = { FLAGS = local.flags, DEP = %q }\n  script   = <<-EOT\n    make -C \"$src\" N=%d\n    make install\n  EOT\n}\n", i, i, dep, i)
	}
	return []byte(b.String())
}

func BenchmarkEvaluate(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			files := map[string][]byte{"main.sysc.hcl": manyDerivations(n)}
			b.ReportAllocs()
			for b.Loop() {
				if _, diags := run("", files, nil); diags.HasErrors() {
					b.Fatal(diags.Err())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/derivation")
		})
	}
}
