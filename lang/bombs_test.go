package lang

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A bomb is a small definition that asks for a lot.
type bomb struct {
	// file is its name.
	file string
	text func() string
	// fine is set when it is no bomb, and just has to be read fast.
	fine bool
}

const (
	bombCPU    = time.Second
	bombRuns   = 3 // what else the machine does makes any of them slow; the fastest counts
	bombMemory = 500 << 20
	bombEnv    = "SYSC_TEST_BOMB"
)

func hclBomb(expr string) bomb {
	return bomb{file: "main.sysc.hcl", text: func() string { return localsOf(expr) }}
}

// localsOf is a definition in which x is the expression.
func localsOf(expr string) string {
	return "locals {\n  many = [for i in range(1000) : i]\n  big = join(\"\", [for a in local.many : format(\"%1999s\", \"x\")])\n  line = join(\",\", local.many)\n  x = " + expr + "\n}\n"
}

// bothBombs are an expression in both syntaxes.
func bothBombs(all map[string]bomb, name, expr string) {
	all[name] = hclBomb(expr)
	all[name+" in JSON"] = bomb{file: "main.sysc.json", text: func() string {
		return `{"locals": {"many": "${[for i in range(1000) : i]}", "big": "${join(\"\", [for a in local.many : format(\"%1999s\", \"x\")])}", "x": ` +
			jsonQuoted("${"+expr+"}") + `}}`
	}}
}

func bombs() map[string]bomb {
	all := map[string]bomb{}
	deep := func(open, mid, shut string, n int) string {
		return strings.Repeat(open, n) + mid + strings.Repeat(shut, n)
	}
	for name, expr := range map[string]string{
		"nested for":             "[for a in local.many : [for b in local.many : [for c in local.many : a]]]",
		"for of maps":            "{ for a in setproduct(local.many, [1, 2, 3]) : jsonencode(a) => { for b in local.many : b => a } }",
		"setproduct":             "setproduct(local.many, local.many)",
		"setproduct of sets":     "setproduct([1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2],[1,2])",
		"width":                  `format("%999999999d", 1)`,
		"width of lists":         `formatlist("%9999s", [for a in local.many : formatlist("%9999s", local.many)])`,
		"star":                   `format("%*d", 999999999, 1)`,
		"number":                 `"1e50000000" + 1`,
		"number text":            `tonumber("1e50000000")`,
		"number of JSON":         `jsondecode("1e50000000")`,
		"number of YAML":         `yamldecode("1e50000000")`,
		"power":                  `pow(10, 99999999)`,
		"parseint":               `parseint(local.big, 10)`,
		"join":                   `join(local.big, local.many)`,
		"replace":                `replace(local.big, " ", local.big)`,
		"replace by pattern":     `replace(local.big, "/ /", local.big)`,
		"split":                  `split("", local.big)`,
		"regexall":               `regexall(".", local.big)`,
		"regex":                  `regex("(x+x+)+y", local.big)`,
		"regex repeated":         `regex("((a{0,1000}){0,1000}){0,1000}", "a")`,
		"indent":                 `[for a in local.many : indent(9999, join("\n", local.many))]`,
		"equal lists":            `distinct([for a in local.many : [for b in local.many : a]]...)`,
		"set of lists":           `toset([for a in local.many : [for b in local.many : "${a}-${b}"]])`,
		"jsonencode":             `jsonencode([for a in local.many : [for b in local.many : local.many]])`,
		"jsondecode nested":      `jsondecode(replace(join("", local.many), "/./", "[[[[[[[["))`,
		"jsondecode wide":        `jsondecode("[${join(",", [for a in local.many : join(",", local.many)])}]")`,
		"jsondecode long":        `jsondecode("[${join(",", [for a in range(500) : local.line])}]")`,
		"jsondecode objects":     `jsondecode("[${join(",", [for a in range(100000) : "{\"a\":1}"])}]")`,
		"csvdecode rows":         `[for i in range(10): csvdecode("a,b\n${join("\n", [for a in range(50000) : "1,2"])}")]`,
		"csvdecode columns":      `csvdecode("${join(",", [for a in range(100000) : "c${a}"])}\n")`,
		"join of mixed types":    `[for b in local.many : join(",", [for a in local.many : a > 5 ? "x" : a])]`,
		"list of mixed types":    `[for b in local.many : tolist([for a in local.many : a > 5 ? "x" : a])]`,
		"regex on text":          `[for a in local.many : regexall("x *", local.big)]`,
		"lines of text":          `[for a in local.many : indent(2, replace(local.big, " ", "\n"))]`,
		"yamldecode nested":      `yamldecode(replace(join("", local.many), "/./", "[[[[[[[["))`,
		"yamldecode lists":       `yamldecode(replace(join("", local.many), "/./", "- - - - "))`,
		"yamldecode anchors":     "yamldecode(\"" + yamlAliases(30) + "\")",
		"csvdecode wide":         `csvdecode(join(",", [for a in local.many : join(",", [for b in local.many : "${a}x${b}"])]))`,
		"csvdecode long":         `csvdecode("a,b\n${replace(join("", [for a in local.many : join("", local.many)]), "/./", "1,2\n")}")`,
		"range":                  `range(0, 1e12)`,
		"range of parts":         `range(0, 1, 1e-12)`,
		"flatten":                `flatten([for a in local.many : [for b in local.many : local.many]])`,
		"concat":                 `concat([for a in local.many : local.many]...)`,
		"zipmap":                 `[for a in local.many : zipmap([for b in local.many : "${b}"], local.many)]`,
		"chunklist":              `[for a in local.many : chunklist(local.many, 1)]`,
		"merge":                  `merge([for a in local.many : { for b in local.many : "${a}-${b}" => local.many }]...)`,
		"matchkeys":              `matchkeys([for a in local.many : a], local.many, flatten([for a in range(100) : local.many]))`,
		"base64gzip":             `[for a in local.many : base64gzip(local.big)]`,
		"hashes":                 `[for a in local.many : sha512(local.big)]`,
		"strrev":                 `[for a in local.many : strrev(local.big)]`,
		"title":                  `[for a in local.many : title(local.big)]`,
		"substr":                 `[for a in local.many : substr(local.big, 0, -1)]`,
		"length":                 `[for a in local.many : length(local.big)]`,
		"trim":                   `[for a in local.many : trim(local.big, " ")]`,
		"sort":                   `[for a in local.many : sort([for b in local.many : local.big])]`,
		"cidrsubnets":            `[for a in local.many : cidrsubnets("::/0", [for b in local.many : 128]...)]`,
		"templatestring":         `templatestring("%%{ for a in x }%%{ for b in x }%%{ for c in x }$${a}%%{ endfor }%%{ endfor }%%{ endfor }", { x = local.many })`,
		"templatestring nested":  `templatestring(replace(join("", local.many), "/./", "%%{ if true }"), {})`,
		"templatestring by self": `templatestring("$${templatestring(t, {t = t})}", { t = "$${templatestring(t, {t = t})}" })`,
		"splat":                  `[for a in local.many : local.many[*]]`,
		"not":                    deep("!", "true", "", 200_000),
		"minus":                  deep("-", "1", "", 200_000),
		"conditionals":           deep("true ? 1 : ", "2", "", 50_000),
		"brackets":               deep("[", "1", "]", 100_000),
		"calls":                  deep("abs(", "1", ")", 100_000),
		"sum":                    deep("1 + ", "1", "", 100_000),
		"index":                  deep("", "local.many", "[0]", 100_000),
	} {
		bothBombs(all, name, expr)
		if len(expr) < 10_000 && name != "nested for" {
			delete(all, name+" in JSON") // it is the same but for the syntax
		}
	}
	all["number literal"] = hclBomb("1e50000000")
	all["doubling"] = bomb{file: "main.sysc.hcl", text: func() string { return doubling(`"${local.a%[1]d}${local.a%[1]d}"`, `"x"`) }}
	all["doubling of lists"] = bomb{file: "main.sysc.hcl", text: func() string { return doubling("[local.a%[1]d, local.a%[1]d]", "[]") }}
	all["doubling of objects"] = bomb{file: "main.sysc.hcl", text: func() string { return doubling("{ a = local.a%[1]d, b = local.a%[1]d }", "{}") }}
	all["doubling of lists of text"] = bomb{file: "main.sysc.hcl", text: func() string { return doubling("[local.a%[1]d, local.a%[1]d]", `"x"`) }}
	all["doubling of objects of text"] = bomb{file: "main.sysc.hcl", text: func() string { return doubling("{ a = local.a%[1]d, b = local.a%[1]d }", `"x"`) }}
	all["doubling of lists by concat"] = bomb{file: "main.sysc.hcl", text: func() string { return doubling("concat(local.a%[1]d, local.a%[1]d)", `["x"]`) }}
	all["doubling of sets"] = bomb{file: "main.sysc.hcl", text: func() string { return doubling(`[for e in local.a%[1]d : "${e}0"]...`, `["x"]`) }}
	all["many loops"] = bomb{file: "main.sysc.hcl", text: func() string {
		var b strings.Builder
		for i := range 200 {
			fmt.Fprintf(&b, "  a%d = length([for a in local.many : [for b in range(100) : a + b]])\n", i)
		}
		return localsOf("1\n" + b.String())
	}}
	all["many loops over text"] = bomb{file: "main.sysc.hcl", text: func() string {
		var b strings.Builder
		for i := range 200 {
			fmt.Fprintf(&b, "  a%d = length([for a in local.many : [for b in range(20) : \"${a}-${b}\"]])\n", i)
		}
		return localsOf("1\n" + b.String())
	}}
	all["unknown attributes"] = bomb{file: "main.sysc.hcl", text: func() string {
		return localsOf("{ for a in local.many : \"key${a}\" => a }\n  y = [for a in range(50000) : try(local.x[\"kez${a}\"], a)]\n  z = local.y.x\n")
	}}
	all["functions"] = bomb{file: "main.sysc.hcl", text: functionTower}
	all["templates"] = hclBomb(`"` + deep(`${"`, "x", `"}`, 50_000) + `"`)
	all["blocks deep"] = bomb{file: "main.sysc.hcl", text: func() string { return deep("config {\n", "", "}\n", 50_000) }}
	all["directives"] = bomb{file: "main.sysc.hcl", text: func() string { return localsOf("<<E\n" + strings.Repeat("%{ if true }", 50_000) + "\nE\n") }}
	all["long names"] = bomb{file: "main.sysc.hcl", text: func() string { return localsOf("local." + strings.Repeat("a", 4<<20)) }}
	all["unknown names"] = bomb{file: "main.sysc.hcl", text: func() string {
		var b strings.Builder
		for i := range 20_000 {
			fmt.Fprintf(&b, "  a%d = local.b%d\n", i, i)
		}
		return localsOf("1\n" + b.String())
	}}
	all["JSON arrays"] = bomb{file: "main.sysc.json", text: func() string { return `{"locals": {"x": ` + deep("[", "1", "]", 1<<20) + `}}` }}
	all["JSON objects"] = bomb{file: "main.sysc.json", text: func() string { return `{"locals": {"x": ` + deep(`{"a":`, "1", "}", 1<<20) + `}}` }}
	all["JSON number"] = bomb{file: "main.sysc.json", text: func() string { return `{"locals": {"x": 1e50000000}}` }}
	all["JSON symbols"] = bomb{file: "main.sysc.json", text: func() string { return strings.Repeat("{}", 4<<20) }}
	all["for_each"] = bomb{file: "main.sysc.hcl", text: func() string {
		return "input \"debian\" {\n  type = \"debian\"\n}\nlocals {\n  many = [for i in range(1000) : i]\n}\nderivation \"d\" {\n  for_each = toset([for p in setproduct(local.many, local.many) : join(\"-\", p)])\n  script = \":\"\n}\n"
	}}
	all["heredoc"] = bomb{file: "main.sysc.hcl", fine: true, text: func() string { return "locals {\n  x = <<E\n" + strings.Repeat("a line of text\n", 64_000) + "E\n}\n" }}
	all["heredoc with values"] = bomb{file: "main.sysc.hcl", fine: true, text: func() string {
		return "locals {\n  x = <<-E\n" + strings.Repeat("    a line ${1} of text\n", 20_000) + "    E\n}\n"
	}}
	all["text in JSON"] = bomb{file: "main.sysc.json", fine: true, text: func() string {
		return `{"locals": {"x": "` + strings.Repeat(`a line of t\u00e9xt\n`, 64_000) + `"}}`
	}}
	all["many blocks"] = bomb{file: "main.sysc.hcl", fine: true, text: func() string {
		var b strings.Builder
		for i := range 30_000 {
			fmt.Fprintf(&b, "output \"o%d\" {\n  value = %d\n}\n", i, i)
		}
		return b.String()
	}}
	return all
}

func yamlAliases(n int) string {
	b := `a0: &a0 [x,x,x,x,x,x,x,x,x]\n`
	for i := 1; i < n; i++ {
		b += fmt.Sprintf(`a%d: &a%d [%s]\n`, i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9))
	}
	return b
}

func doubling(step, first string) string {
	var b strings.Builder
	b.WriteString("locals {\n  a0 = " + first + "\n")
	for i := range 60 {
		fmt.Fprintf(&b, "  a%d = %s\n", i+1, fmt.Sprintf(step, i))
	}
	return b.String() + "}\n"
}

// functionTower is functions each of which calls the one below it ten times.
func functionTower() string {
	var b strings.Builder
	b.WriteString("function \"f0\" {\n  params = [a]\n  result = [a, a, a, a, a, a, a, a, a, a]\n}\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "function \"f%d\" {\n  params = [a]\n  result = [%s]\n}\n", i, strings.Repeat(fmt.Sprintf("f%d(a), ", i-1), 10))
	}
	return b.String() + "locals {\n  x = f29(1)\n}\n"
}

// TestBombs evaluates each bomb in a process of its own. It has to be answered
// with an error, in a second and 500 MiB.
func TestBombs(t *testing.T) {
	all := bombs()
	if name, ok := os.LookupEnv(bombEnv); ok {
		explode(all[name])
	}
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			var took cost
			for run := range bombRuns {
				one := measureBomb(t, name)
				if run == 0 || one.cpu < took.cpu {
					took = one
				}
				if took.cpu <= bombCPU {
					break
				}
			}
			t.Logf("%5d ms, %3d MiB: %.150s", took.cpu.Milliseconds(), took.memory>>20, took.out)
			if took.cpu > bombCPU || took.memory > bombMemory {
				t.Errorf("it took %v and %d MiB: %s", took.cpu, took.memory>>20, took.out)
			}
		})
	}
}

// A cost is what a process took, and what it printed.
type cost struct {
	cpu    time.Duration
	memory int64
	out    []byte
}

// measureBomb evaluates a bomb in another process.
func measureBomb(t *testing.T, name string) cost {
	cmd := exec.Command(os.Args[0], "-test.run=^TestBombs$")
	cmd.Env = append(os.Environ(), bombEnv+"="+name)
	out, err := cmd.CombinedOutput()
	out = out[:min(len(out), 1000)]
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return cost{
		cpu:    cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		memory: cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10,
		out:    out,
	}
}

// explode evaluates a bomb, and ends the process.
func explode(b bomb) {
	_, diags := run("", map[string][]byte{b.file: []byte(b.text())}, nil)
	if diags.HasErrors() == b.fine {
		fmt.Println("wrong:", diags.Err())
		os.Exit(1)
	}
	if len(diags) > 0 {
		fmt.Println(diags[0].Summary+":", diags[0].Detail)
	}
	os.Exit(0)
}
