package lang

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"

	"sysc/lang/diag"
	"sysc/lang/eval"
)

// é composed of two characters, and as one.
const (
	twoChars = "e\u0301"
	oneChar  = "\u00e9"
)

// allCharacters is the digest of what becomes of every character, as it is and
// taken apart. A library that knows more characters than the last one changes it,
// and with it the hashes of definitions that have them: say so in CHANGELOG.md.
const allCharacters = "2de61f6499389e0d5045c00e73b42e8dea229a368e4b3ac56bbaaa28a98b9508"

func TestNormalFormOfAllCharacters(t *testing.T) {
	h := sha256.New()
	for r := rune(0); r <= 0x10ffff; r++ {
		if 0xd800 <= r && r <= 0xdfff {
			continue // no characters
		}
		fmt.Fprintf(h, "%s\x00%s\n", cty.StringVal(string(r)).AsString(), cty.StringVal(norm.NFD.String(string(r))).AsString())
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != allCharacters {
		t.Errorf("the form C of all characters, of Unicode %s, has the digest %s, want %s", norm.Version, got, allCharacters)
	}
}

// TestNormalForm pins what is normalised, with the warnings: literals that the
// author wrote in another form have one.
func TestNormalForm(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"x" + twoChars:       "in " + twoChars,
		twoChars + "/é":      "one",
		"data.json":          `{"` + twoChars + `": ["e\u0301", "\ud834\udd1e", "\\u0301", "\ud800"]}`,
		"same/a\u0323\u0307": "dot below, dot above",
		"same/a\u0307\u0323": "dot above, dot below",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		expr, want string // an error for want that begins with !
		warned     bool
	}{
		// Literals, and what escapes mean.
		{`"` + twoChars + `"`, oneChar, true},
		{`"` + oneChar + `"`, oneChar, false},
		{`"e\u0301"`, oneChar, true},
		{"<<EOT\n" + twoChars + "\nEOT\n", oneChar + "\n", true},
		{`"\u212b \u2126 \u0958 \u1100\u1161 \ufb01 \u00b2"`, "\u00c5 \u03a9 \u0915\u093c \uac00 \ufb01 \u00b2", true},
		{`"q\u0307\u0323"`, "q\u0323\u0307", true},
		{`"\u0301"`, "\u0301", false},
		{`"` + strings.Repeat("\u0301", 34) + `"`, strings.Repeat("\u0301", 30) + "\u034f" + strings.Repeat("\u0301", 4), true},
		// Texts that are put together, and those that functions make.
		{`"${"e"}${"\u0301"}"`, oneChar, false},
		{`join("", ["e", "\u0301"])`, oneChar, false},
		{`sha256("e\u0301")`, "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c", true},
		{`base64decode("ZcyB")`, oneChar, false},
		{`urldecode("e%CC%81")`, oneChar, false},
		{`upper("e\u0301")`, "\u00c9", true},
		{`tostring("e\u0301" == "é")`, "true", true},
		{`tostring(length("e\u0301"))`, "1", true},
		{`jsonencode(jsondecode(file("data.json")))`, `{"` + oneChar + `":["` + oneChar + `","` + "\U0001d11e" + `","\\u0301","` + "\ufffd" + `"]}`, false},
		{`keys(yamldecode("e\u0301: 1"))[0]`, oneChar, true},
		{`keys(csvdecode("e\u0301\n1")[0])[0]`, oneChar, true},
		{`keys({ "e\u0301" = 1 })[0]`, oneChar, true},
		{`keys({ for x in ["e"] : "${x}\u0301" => 1 })[0]`, oneChar, false},
		{`jsonencode({ "e\u0301" = 1, "` + oneChar + `" = 2 })`, "!stands twice", true},
		{`tostring({ "` + twoChars + `" = 1 }.` + oneChar + `)`, "1", true},
		// Names of files are bytes, and found by their form C.
		{`file("x` + oneChar + `")`, "in " + oneChar, false},
		{`file("x` + twoChars + `")`, "in " + oneChar, true},
		{`file("` + oneChar + `/` + oneChar + `")`, "one", false},
		{`tostring(fileexists("x` + oneChar + `"))`, "true", false},
		{`filebase64("x` + oneChar + `")`, "aW4gZcyB", false},
		{`join(" ", fileset(".", "x*"))`, "x" + oneChar, false},
		{`join(" ", fileset("` + oneChar + `", "*"))`, oneChar, false},
		{`file("same/` + norm.NFC.String("a\u0323\u0307") + `")`, "!several files of this name", false},
		{`join("", fileset("same", "*"))`, "!differ only in how their characters are composed", false},
		// Names in the language are in form C or refused.
		{"local." + twoChars, "!Name is not normalised", false},
		{"[for " + twoChars + " in [1] : 1][0]", "!Name is not normalised", false},
		{"{ " + twoChars + " = 1 }", "!Name is not normalised", false},
	} {
		files := map[string][]byte{"main.sysc.hcl": []byte("locals {\n  x = " + test.expr + "\n}\nlocals {\n  y = 1\n}\n")}
		m, diags := run(dir, files, nil)
		if want, refused := strings.CutPrefix(test.want, "!"); refused {
			if !diags.HasErrors() || !strings.Contains(diags.Err().Error(), want) {
				t.Errorf("%+q: %v, want an error with %q", test.expr, diags.Err(), want)
			}
			continue
		}
		if diags.HasErrors() {
			t.Errorf("%+q: %v", test.expr, diags.Err())
			continue
		}
		v, _ := m.Local("x", diag.Range{})
		v, _ = eval.Plain(v)
		if got := v.AsString(); got != test.want || len(diags) > 0 != test.warned {
			t.Errorf("%+q is %+q, want %+q; warnings %d, want some %v", test.expr, got, test.want, len(diags), test.warned)
		}
	}
}

// Labels are strings: definitions that differ in their form are one.
func TestNormalLabels(t *testing.T) {
	for name, text := range map[string]string{
		"main.sysc.hcl":  "variable \"%s\" {\n  default = 1\n}\noutput \"x\" {\n  value = var.é\n}\noutput \"%[1]s\" {\n  value = 1\n}\n",
		"main.sysc.json": `{"variable": {"%s": {"default": 1}}, "output": {"x": {"value": "${var.é}"}, "%[1]s": {"value": 1}}}`,
	} {
		for _, form := range []string{oneChar, twoChars} {
			m, diags := run("", map[string][]byte{name: fmt.Appendf(nil, text, form)}, nil)
			if diags.HasErrors() || len(diags) > 0 != (form == twoChars) {
				t.Errorf("%s with %+q: %d problems: %v", name, form, len(diags), diags.Err())
				continue
			}
			var names []string
			for _, b := range m.Definition.Outputs {
				names = append(names, b.Labels[0])
			}
			if diff := cmp.Diff([]string{"x", oneChar}, names); diff != "" {
				t.Errorf("%s with %+q: outputs, -want +got:\n%s", name, form, diff)
			}
		}
		both := strings.NewReplacer("%[1]s", twoChars, "%s", oneChar).Replace(text)
		both = strings.Replace(both, `"x"`, `"`+oneChar+`"`, 1)
		if _, diags := run("", map[string][]byte{name: []byte(both)}, nil); !diags.HasErrors() {
			t.Errorf("%s: two outputs of one name are accepted", name)
		}
	}
}

// What a build is made of: texts in form C, contents and names of files as they are.
func TestNormalFormInDerivations(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"one/tree/" + oneChar: "x", "two/tree/" + twoChars: "x", "text/a": oneChar, "text/b": twoChars} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for _, expr := range []string{
		`source("one/tree")`, `source("two/tree")`, `source("text/a")`, `source("text/b")`,
		`textfile("a", "` + oneChar + `")`, `textfile("a", "` + twoChars + `")`, `textfile("a", file("text/a"))`, `textfile("a", file("text/b"))`,
	} {
		m, diags := run(dir, map[string][]byte{"main.sysc.hcl": []byte("locals {\n  x = " + expr + "\n}\n")}, nil)
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		v, _ := m.Local("x", diag.Range{})
		v, _ = eval.Plain(v)
		got[expr] = filepath.Base(v.AsString())
	}
	const nfc, nfd = "icz95knpvwclapw1s2dkrqmqqi74x1y6-a", "4cwsa15gpvmfiyxnyfdk731nbqzk1nn5-b"
	want := map[string]string{
		`source("one/tree")`: "a3afvkg912hjbbrwmrvy3f11gglqprbc-tree", `source("two/tree")`: "0x1vn363snk3k1y32c7597hd2hw1380a-tree",
		`source("text/a")`: nfc, `source("text/b")`: nfd,
		`textfile("a", "` + oneChar + `")`: nfc, `textfile("a", "` + twoChars + `")`: nfc,
		`textfile("a", file("text/a"))`: nfc, `textfile("a", file("text/b"))`: nfc,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths, -want +got:\n%s", diff)
	}
}
