package format

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/tools/txtar"

	"sysc/lang/syntax"
)

func TestSource(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"alignment", "locals {\na=1 # one\n  long   =  2 # two\n}\n", "locals {\n  a    = 1 # one\n  long = 2 # two\n}\n"},
		{"labels", "option packages {\n}\na b \"c\" d {}\n", "option \"packages\" {\n}\na \"b\" \"c\" \"d\" {}\n"},
		{"unwrap", `x = "${var.a}"`, "x = var.a\n"},
		{"unwrap inside", `x = ["${a}", f("${b ? 1 : 2}", {k = "${c}"})]`, "x = [a, f(b ? 1 : 2, { k = c })]\n"},
		{"unwrap twice", `x = "${"${a}"}"`, "x = a\n"},
		{"unwrap trim", `x = "${~ a ~}"`, "x = a\n"},
		{"key", `x = {"${a}" = 1}`, "x = { \"${a}\" = 1 }\n"},
		{"operand", `x = "${a + b}" * 2`, "x = \"${a + b}\" * 2\n"},
		{"index", `x = "${a[*].b}"[0]`, "x = \"${a[*].b}\" [0]\n"},
		{"for is a name", `x = ["${for}"]`, "x = [\"${for}\"]\n"},
		{"several lines", "x = \"${a +\n b}\"\n", "x = \"${a +\nb}\"\n"},
		{"comment", "a = 1\n# text  \t\n/* keep  \n */\n", "a = 1\n# text\n/* keep  \n */\n"},
		{"line ends", "a = 1\r\nbc = 2 # x \r\n", "a  = 1\r\nbc = 2 # x\r\n"},
		{"end", "a = 1\n# no newline", "a = 1\n# no newline\n"},
		{"blank lines at the end", "a = 1 \n\n  \n\n", "a = 1\n"},
		{"blank", " \n\n", ""},
		{"byte order mark alone", "\xef\xbb\xbf \n", ""},
		{"byte order mark", "\xef\xbb\xbfa=1\n", "a = 1\n"},
		{"heredoc", "x {\na = <<-EOT\n      keep  ${ y }  \n    EOT\n}\n", "x {\n  a = <<-EOT\n      keep  ${y}  \n    EOT\n}\n"},
		{"empty", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, diags := Source([]byte(test.in), "x")
			if err := diags.Err(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkFormat(t, []byte(test.in))
		})
	}
}

// TestRefuses: what is no HCL, or a bomb, has no layout.
func TestRefuses(t *testing.T) {
	for name, src := range map[string]string{
		"syntax":   "a = \n",
		"brackets": "a = " + strings.Repeat("[", 100_000),
		"size":     strings.Repeat("a", syntax.MaxFileSize+1),
		"utf8":     "a = \"\xff\"\n",
	} {
		if got, diags := Source([]byte(src), name); got != nil || !diags.HasErrors() {
			t.Errorf("%s: result %.20q, %v", name, got, diags)
		}
	}
}

// TestCorpus formats every definition of the repository, those in archives of
// tests included.
func TestCorpus(t *testing.T) {
	n := 0
	for _, root := range []string{"../../examples", "../../testdata", "../../lang", "../../modules"} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			switch {
			case err != nil:
				return err
			case strings.HasSuffix(path, syntax.Extension):
				n++
				checkFormat(t, text)
			case strings.HasSuffix(path, ".txtar"):
				for _, f := range txtar.Parse(text).Files {
					if strings.HasSuffix(f.Name, syntax.Extension) {
						n++
						checkFormat(t, f.Data)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 50 {
		t.Errorf("the corpus has %d texts only", n)
	}
}

func FuzzSource(f *testing.F) {
	f.Add("locals {\na=1 # one\n  long   =  2 /* x */ # two\n}\n")
	f.Add("a b \"c\" {\n x = <<-E\n  x ${ y }\n  %{if a~}\nb%{ endif }\nE\n}\n")
	f.Add("x = [for a, b in c : a => b... if d]\n")
	f.Add("x = \"${f(\"${y}\", [\"${z}\"])}\"\n y = -1 - -a ? !b : c[0].d[*].e\n")
	f.Add("x = {\n # c\n a = 1,\n \"b\" : 2\n (c) = f(\n1,\n2...)\n}\n")
	f.Add("/* x */ a = [1,\n2,]\n\n\n")
	f.Add("a=\"${ b }%{ if c }d%{ endif }\"\r\nlocals{}")
	f.Add("a \"b\" c { d=!e }\n// e  ")
	f.Fuzz(func(t *testing.T, src string) { checkFormat(t, []byte(src)) })
}

// checkFormat holds what is promised of every text: the layout of the result is
// itself, and it says what the source says.
func checkFormat(t *testing.T, src []byte) {
	t.Helper()
	got, diags := Source(src, "x")
	if got == nil {
		if !diags.HasErrors() {
			t.Errorf("no result and no error\n%q", src)
		}
		return
	}
	again, diags := Source(got, "x")
	if err := diags.Err(); err != nil {
		t.Fatalf("the result has no layout: %v\n%q\n%q", err, src, got)
	}
	if !bytes.Equal(got, again) {
		t.Errorf("not idempotent:\n%q\n%q\n%q", src, got, again)
	}
	if diff := cmp.Diff(comments(src), comments(got)); diff != "" {
		t.Errorf("comments (-want +got):\n%s\n%q", diff, src)
	}
	if want, have := meaning(t, src), meaning(t, got); want != have {
		t.Errorf("%q\nbecomes\n%q\nand then\n%s\nis\n%s", src, got, want, have)
	}
}

func comments(src []byte) []string {
	var out []string
	for _, tok := range lex(src, "x") {
		if tok.Type == hclsyntax.TokenComment {
			text := bytes.TrimRight(tok.Bytes, " \t\r\n")
			out = append(out, string(text))
		}
	}
	return out
}

// meaning writes a text's tree, without positions and wraps.
func meaning(t *testing.T, src []byte) string {
	t.Helper()
	f, diags := syntax.ParseFile(src, "x")
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	writeBody(&out, f.Body)
	return out.String()
}

func writeBody(out *bytes.Buffer, b *syntax.Body) {
	for _, a := range b.Attrs {
		out.WriteString(a.Name + " = ")
		hclsyntax.VisitAll(a.Expr.Node().(hclsyntax.Node), func(n hclsyntax.Node) hcl.Diagnostics {
			writeNode(out, n)
			return nil
		})
		out.WriteString("\n")
	}
	for _, blk := range b.Blocks {
		out.WriteString(blk.Header() + "{\n")
		writeBody(out, blk.Body)
		out.WriteString("}\n")
	}
}

// writeNode writes what a node has beside its children.
func writeNode(out *bytes.Buffer, n hclsyntax.Node) {
	switch n := n.(type) {
	case *hclsyntax.TemplateWrapExpr:
	case *hclsyntax.LiteralValueExpr:
		fmt.Fprintf(out, "%#v ", n.Val)
	case *hclsyntax.ScopeTraversalExpr:
		ref, used := syntax.MakeReference(n.Traversal)
		fmt.Fprintf(out, "%s/%d ", ref, used)
	case *hclsyntax.RelativeTraversalExpr:
		fmt.Fprintf(out, "relative/%d ", len(n.Traversal))
	case *hclsyntax.FunctionCallExpr:
		fmt.Fprintf(out, "%s/%d/%v ", n.Name, len(n.Args), n.ExpandFinal)
	case *hclsyntax.ForExpr:
		fmt.Fprintf(out, "for %s %s %v ", n.KeyVar, n.ValVar, n.Group)
	case *hclsyntax.BinaryOpExpr:
		fmt.Fprintf(out, "%p ", n.Op)
	case *hclsyntax.UnaryOpExpr:
		fmt.Fprintf(out, "%p ", n.Op)
	case *hclsyntax.ObjectConsExpr:
		fmt.Fprintf(out, "object/%d ", len(n.Items))
	case *hclsyntax.TupleConsExpr:
		fmt.Fprintf(out, "tuple/%d ", len(n.Exprs))
	default:
		fmt.Fprintf(out, "%T ", n)
	}
}
