package syntax

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// plainHeredocs are arguments with heredocs, and the number of them that are taken
// from the parser.
var plainHeredocs = []struct {
	text string
	n    int
}{
	{"x = <<E\na\nE\n", 1},
	{"x = <<-E\n    a\n   E\n", 1},
	{"x = <<-E\n    a\n\n      b\n   \n     c ${d} e\n  E\ny = 1\n", 1},
	{"x = <<-E\n    ${a}\n    ${b.c}x\n    E\n", 1},
	{"x = <<-E\n${a}\n  b\nE\n", 1},
	{"x = <<-E\n  ${a.b.c-d.e}${f}\n\n  E\n", 1},
	{"x = <<-E\n\n  ${a}\n  E\n", 1},
	{"x = <<-E\n\t a\n\t  ${b}\n  E\n", 1},
	{"x = <<-E\n  \n    a\n  E\n", 1},
	{"x = <<-E\n  \n  E\n", 1},
	{"x = <<-E\n  a \\n $b %c \"d\" # << /* */ }\n  E\n", 1},
	{"x = {\n  y = <<E\na ${b}\nE\n  z = <<-F\n   c\n  F\n}\n", 2},
	{"x = <<E\na\nE\ny = <<E\nb\nE\n", 2},
	{"x = <<E\ny = <<F\nF\nE\n", 1},
	{"x=<<E-1\na\nE\nE-1\n", 1},
	{"x = a\ny = a.b-c.d_1\nz = (a.b)\n", 0},
	{"x = a.b # c\ny = a .b\nz = a.0.b\n", 0},
	{"x = a. b\ny = [a.b]\nz = true\n", 0},
	{"x = \u00e9.b\ny = a.\u00e9\n", 0},
	{"x = <<E\nE\n", 0},
	{"x = <<E\na\nE", 0},
	{"x = <<E\na\nE \n", 0},
	{"x = <<E\na\u00e9\nE\n", 0},
	{"x = <<E\na\n\u00a0E\n", 0},
	{"x = <<E\na\r\nE\n", 0},
	{"x = <<E\na $\nE\n", 0},
	{"x = <<E\n$$ %%\nE\n", 0},
	{"x = <<E\n$${a} %%{b}\nE\n", 0},
	{"x = <<E\n${a ~}\nE\n", 0},
	{"x = <<E\n${true} ${null.a}\nE\n", 0},
	{"x = <<E\n${a.0} ${a[1]} ${f()}\nE\n", 0},
	{"x = <<E\n%{ if a }b%{ endif }\nE\n", 0},
	{"x = f(<<E\na\nE\n)\n", 0},
	{"x = <<E\na\nE\ny = [<<E\nb\nE\n]\n", 0},
	{"/*\nx = <<E\na */\nE\n", 0},
	{"# <<\nx = <<E\na\nE\n", 0},
	{"x = \"\n${<<E\na\nE\n}\"\n", 0},
	{"x = \"${{\n  y = <<E\na\nE\n}}\"\n", 1},
}

// samePlain compares what is read of arguments with and without the parser.
func samePlain(t *testing.T, text string) {
	t.Helper()
	const before, behind = "b {\n", "}\n"
	src := before + text + behind
	p := (&source{name: "a", src: []byte(src)}).pieces()
	if len(p) != 1 || !p[0].parse() {
		return // nothing is read in this way
	}
	whole, diags := hclsyntax.ParseConfig([]byte(src), "a", startPos)
	if len(diags) > 0 {
		t.Fatalf("no problem is found in %q: %v", src, diags)
	}
	want := (&source{name: "a", src: []byte(src)}).body(whole.Body.(*hclsyntax.Body), nil)
	if got, want := dumped(p[0].body.Blocks), dumped(want.Blocks); got != want {
		t.Errorf("%q is read in another way:\n%s\n%s", src, got, want)
	}
}

// dumped writes trees out: without the parentheses in which heredocs stand that were
// put in later, and which have the same extent.
func dumped(v any) string {
	var out strings.Builder
	dump(&out, reflect.ValueOf(v))
	return out.String()
}

func dump(out *strings.Builder, v reflect.Value) {
	if v.CanInterface() {
		switch t := v.Interface().(type) {
		case *Expr:
			dump(out, reflect.ValueOf(t.Node()))
			return
		case *hclsyntax.ParenthesesExpr:
			if t != nil && t.SrcRange == t.Expression.Range() {
				dump(out, reflect.ValueOf(t.Expression))
				return
			}
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			out.WriteString("nil ")
			return
		}
		dump(out, v.Elem())
	case reflect.Struct:
		fmt.Fprintf(out, "%s{", v.Type())
		for i := range v.NumField() {
			dump(out, v.Field(i))
		}
		out.WriteString("} ")
	case reflect.Slice, reflect.Array:
		fmt.Fprintf(out, "%d[", v.Len())
		for i := range v.Len() {
			dump(out, v.Index(i))
		}
		out.WriteString("] ")
	case reflect.Func:
		fmt.Fprintf(out, "%v ", v.IsNil()) // parts of operators
	default:
		fmt.Fprintf(out, "%#v ", v)
	}
}

func TestPlainHeredocs(t *testing.T) {
	for _, one := range plainHeredocs {
		_, docs := takePlainHeredocs([]byte(one.text), startPos)
		if len(docs) != one.n {
			t.Errorf("%q: %d are plain, want %d", one.text, len(docs), one.n)
		}
		samePlain(t, one.text)
	}
	script := "x = <<-E\n" + strings.Repeat("  a line ${of.a.script} with $values\n", 2*longHeredoc) + "  E\n"
	samePlain(t, script)
}

func FuzzPlainHeredocs(f *testing.F) {
	for _, one := range plainHeredocs {
		f.Add(one.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		samePlain(t, text)
	})
}
