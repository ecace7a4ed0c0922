package syntax

import (
	"fmt"
	"strings"
	"testing"
)

// show writes an outline down, a line each.
func show(o *Outline) string {
	var b strings.Builder
	var body func(indent string, x *OutlineBody)
	body = func(indent string, x *OutlineBody) {
		for _, a := range x.Attrs {
			fmt.Fprintf(&b, "%s%s =", indent, a.Name)
			for _, obj := range a.Objects {
				fmt.Fprintf(&b, " %v%v{", obj.Calls, obj.Path)
				for _, k := range obj.Keys {
					fmt.Fprintf(&b, "%s,", k.Name)
				}
				b.WriteString("}")
			}
			b.WriteString("\n")
		}
		for _, blk := range x.Blocks {
			fmt.Fprintf(&b, "%s%s %q\n", indent, blk.Type, blk.Labels)
			body(indent+"  ", &blk.Body)
		}
	}
	body("", &o.Body)
	for _, n := range o.Names {
		call := ""
		if n.Call {
			call = "()"
		}
		fmt.Fprintf(&b, "%s%s@%d:%d ", n.String(), call, n.Range.Start.Line, n.Range.Start.Column)
	}
	return strings.TrimSpace(b.String())
}

func TestOutline(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"a block", "system \"a\" {\n  packages = [pkg.debian.git, local.x[\"y z\"].w]\n}\n",
			"system [\"a\"]\n  packages =\npkg.debian.git@2:15 local.x[\"y z\"].w@2:31"},
		{"nested blocks", "config {\n  when = true\n  a \"l\" {\n    b {\n c=1 }\n  }\n}",
			"config []\n  when =\n  a [\"l\"]\n    b []\n      c ="},
		{"objects", "locals {\n  x = { a = { \"b c\" = local.y }, d = [{ e = 1 }] }\n  y = merge({ f = 1 }, force({ g = 2 }))\n}",
			"locals []\n  x = [][]{a,d,} [][a]{b c,}\n  y = [merge][]{f,} [merge force][]{g,}\nlocal.y@2:23 merge()@3:7 force()@3:24"},
		{"for", "x = [for k, v in var.m : \"${k}-${v.a}-${local.z}\" if v.b != k]\ny = k",
			"x =\ny =\nvar.m@1:18 local.z@1:41 k@2:5"},
		{"template for", "x = \"%{ for a in var.l }${a}%{ endfor }\"\ny = a",
			"x =\ny =\nvar.l@1:18 a@2:5"},
		{"heredoc", "x = <<-EOT\n  ${local.a} and $${local.b}\n  EOT\ny = local.c\n",
			"x =\ny =\nlocal.a@2:5 local.c@4:5"},
		{"unfinished list", "system \"a\" {\n  packages = [\"x\",\n\nsystem \"b\" {\n  hostname = local.h\n}\n",
			"system [\"a\"]\n  packages =\nsystem [\"b\"]\n  hostname =\nlocal.h@5:14"},
		{"unfinished block", "system \"a\" {\n  file \"x\" {\n    content = \nvariable \"v\" {}",
			"system [\"a\"]\n  file [\"x\"]\n    content =\nvariable [\"v\"]"},
		{"unfinished name", "locals {\n  x = local.\n  y = config.a.\n}\n",
			"locals []\n  x =\n  y =\nlocal@2:7 config.a@3:7"},
		{"junk", "} ) ] = , ${ foo \"bar\"\n x = }", "x ="},
		{"unclosed quote", "a \"b\" {\n  c = [\"d\n  e = \"f\"\n}\n", "a [\"b\"]\n  c =\nd@2:9 e@3:3"},
		{"splat and index", "x = var.l[*].name\ny = var.m[local.k].a\n",
			"x =\ny =\nvar.l@1:5 var.m@2:5 local.k@2:11"},
		{"comments", "# a = local.x\nx = 1 # local.y\n/* b {} */ c = local.z // d", "x =\nc =\nlocal.z@3:16"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := show(ReadOutline([]byte(tt.text), "x")); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// Texts are found with the places of their bytes, escapes of quotes and backslashes among
// them, in both syntaxes.
func TestOutlineTexts(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"x", `x = ["debian:git", f("a\"b"), "c\\d", { k = "v" }]`, `debian:git+ a"b+ c\d+ v+`},
		{"x", `x = "in ${local.a["k"]} and ${"q"}"`, `in - q+`},
		{"x", `x = "a\nb"`, ``},
		{"x", `x = "a\`, ``},
		{"x" + JSONExtension, `{"locals": {"x": ["debian:git", "a\"b", "c\\d", {"k": "v"}, "in ${local.a}", "a\nb"]}}`, `debian:git+ a"b+ c\d+ v+ in -`},
	} {
		o := ReadOutline([]byte(tt.text), tt.name)
		attrs := o.Body.Attrs
		for _, b := range o.Body.Blocks {
			attrs = append(attrs, b.Body.Attrs...)
		}
		var got []string
		for _, a := range attrs {
			for _, text := range a.Texts {
				got = append(got, text.Text+map[bool]string{true: "+", false: "-"}[text.Whole])
				whole := text.Part(0, len(text.Text))
				written := tt.text[whole.Start.Byte:whole.End.Byte]
				if plain := strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(written); plain != text.Text {
					t.Errorf("%s: %q is said to be at %q", tt.text, text.Text, written)
				}
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestPlace(t *testing.T) {
	kinds := map[PlaceKind]string{InBody: "body", InLabel: "label", InExpression: "expression", InKey: "key", InText: "text", InComment: "comment"}
	for _, tt := range []struct{ text, want string }{
		{"|", "body"},
		{"sys|tem", "body word=sys of=system"},
		{"system \"a\" {\n  |\n}", "body in=system"},
		{"system \"a\" {\n  host|\n  x = 1\n}", "body in=system word=host of=host"},
		{"system \"a|b\" {\n}", "label header=system word=a of=ab"},
		{"input \"|", "label header=input"},
		{"config {\n  a {\n    b = |\n  }\n}", "expression in=config/a attr=b"},
		{"x = config.services.ng|inx", "expression attr=x path=config.services word=ng of=nginx"},
		{"x = pkg.debian[\"g++\"].|", "expression attr=x path=pkg.debian.g++"},
		{"x = local.|\n", "expression attr=x path=local"},
		{"x = f(local.a, lo|)", "expression attr=x word=lo of=lo"},
		{"x = [\"gi|t\"]", "text attr=x word=gi of=git"},
		{"x = \"|\"", "text attr=x"},
		{"a \"b\" {\n  c = [\"gi|\n  e = \"f\"\n}\n", "text in=a attr=c word=gi of=gi"},
		{"a \"|\n}\n", "label header=a"},
		{"x = \"${lo|}\"", "expression attr=x word=lo of=lo"},
		{"x = {\n  |\n}", "key attr=x"},
		{"x = {\n  a = { |b = 1 }\n}", "key attr=x object=a"},
		{"x = { a = | }", "expression attr=x"},
		{"x = { a = 1, | }", "key attr=x"},
		{"# he|re", "comment"},
		{"x = 1 # he|re", "comment attr=x"},
		{"x = 1\n|", "body"},
		{"x = (a + b).|", "expression attr=x"},
		{"system \"a\" {\n  packages = [|\n\nvariable \"v\" {}", "expression in=system attr=packages"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			offset := strings.Index(tt.text, "|")
			text := tt.text[:offset] + tt.text[offset+1:]
			p := ReadOutline([]byte(text), "x").At(offset)
			got := kinds[p.Kind]
			var in []string
			for _, b := range p.Blocks {
				in = append(in, b.Type)
			}
			add := func(name, value string) {
				if value != "" {
					got += " " + name + "=" + value
				}
			}
			add("in", strings.Join(in, "/"))
			add("header", p.Header)
			if p.Attr != nil {
				add("attr", p.Attr.Name)
			}
			if p.Object != nil {
				add("object", strings.Join(p.Object.Path, "."))
			}
			add("path", strings.Join(p.Path, "."))
			add("word", p.Word)
			add("of", text[p.Range.Start.Byte:p.Range.End.Byte])
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if p.Range.Start.Byte > offset || p.Range.End.Byte < offset {
				t.Errorf("the range %v is not around %d", p.Range, offset)
			}
		})
	}
}

// FuzzOutline reads anything, and looks at it from everywhere.
func FuzzOutline(f *testing.F) {
	for _, text := range []string{
		"", "a {", "system \"a\" {\n  x = [for k, v in {a=1} : \"%{ for z in k }${z}%{ endfor }\"]\n}\n",
		"x = <<-EOT\n  ${local.a}\nEOT\n", "x = {(a) = 1, \"b\" : {c = [}", "\"", "x = a[\"b\"].\nsystem \"q\" {\n", `{"system": {"a": {"x": [{"y": "a${b.c`, strings.Repeat("[", 1000), strings.Repeat("a {\n", 1000),
	} {
		f.Add([]byte(text), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, offset int) {
		o := ReadOutline(text, "x")
		if len(text) == 0 {
			offset = 0
		} else if offset %= len(text) + 1; offset < 0 {
			offset = -offset
		}
		for _, o := range []*Outline{o, ReadOutline(text, "x"+JSONExtension)} {
			if p := o.At(offset); p.Range.Start.Byte > offset || p.Range.End.Byte < offset {
				t.Errorf("the range %v is not around %d", p.Range, offset)
			}
			if n, step, ok := o.NameAt(offset); ok && step >= len(n.Path) {
				t.Errorf("step %d of %v", step, n)
			}
			for _, b := range append(o.Body.Blocks, &OutlineBlock{Body: o.Body}) {
				for _, a := range b.Body.Attrs {
					for _, s := range a.Texts {
						if at := s.Part(0, len(s.Text)); at.End.Byte > len(text) || at.End.Byte-at.Start.Byte < len(s.Text) {
							t.Errorf("%q is at %v", s.Text, at)
						}
					}
				}
				if b.Whole.Start.Byte > b.TypeRange.Start.Byte && len(b.Labels) == 0 || b.Whole.End.Byte > len(text) {
					t.Errorf("%s is at %v, its type at %v", b.Type, b.Whole, b.TypeRange)
				}
			}
		}
	})
}

func TestGoesOn(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "1": false, "1 +": false, "[": true, "[1, {a = 2}": true, "[1]": false, "f(x": true, "\"a${\n": true, "\"a${b}\"": false,
		"<<EOT\nx\n": true, "<<EOT\nx\nEOT\n": false, "]": false, "# [": false,
	} {
		if got := GoesOn([]byte(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
