package build

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/derivations"
)

// shells are those of this machine that the file is for.
func shells() [][]string {
	out := [][]string{{"/bin/sh"}}
	for _, words := range [][]string{{"dash"}, {"bash"}, {"busybox", "sh"}, {"ksh93"}, {"mksh"}, {"yash"}, {"zsh", "--emulate", "sh"}} {
		if path, err := exec.LookPath(words[0]); err == nil {
			out = append(out, append([]string{path}, words[1:]...))
		}
	}
	return out
}

// source runs a script after a shell has sourced the attributes, and returns what it
// printed.
func source(t rapid.TB, dir string, sh []string, attrs map[string]any, script string) string {
	t.Helper()
	encoded, err := derivations.MakeAttrs(attrs)
	if err != nil {
		t.Fatal(err)
	}
	text, err := shellAttrs(encoded, func(name string) bool { return name == "out" })
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, attrsShellFile)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sh[0], append(sh[1:], "-euc", ". \"$SYSC_ATTRS_SH\"\n"+script)...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "out=/out", "SYSC_ATTRS_SH=" + file}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("%v: %v, %q\n%s", sh, err, stderr.String(), text)
	}
	return string(out)
}

// checkShell lets a shell print each attribute: a list and an object by their words.
func checkShell(t rapid.TB, dir string, sh []string, attrs map[string]any) {
	t.Helper()
	var script, want bytes.Buffer
	plain := func(v any) {
		switch v {
		case nil, false:
			v = ""
		case true:
			v = 1
		}
		fmt.Fprintf(&want, "%v.", v)
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		words := []any{}
		switch v := attrs[name].(type) {
		case []any:
			words = v
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				words = append(words, key, v[key])
			}
		default:
			fmt.Fprintf(&script, "printf '%%s.' \"$%s\"\n", name)
			plain(v)
			continue
		}
		fmt.Fprintf(&script, "eval \"set -- $%s\"\nprintf '%%s.' $#\nfor word do printf '%%s.' \"$word\"; done\n", name)
		plain(len(words))
		for _, word := range words {
			plain(word)
		}
	}
	if got := source(t, dir, sh, attrs, script.String()); got != want.String() {
		t.Errorf("%v: got %q\nwant %q", sh, got, want.String())
	}
}

// TestShellAttrs: whatever the values are, each shell here reads them back.
func TestShellAttrs(t *testing.T) {
	text := rapid.OneOf(
		rapid.StringOf(rapid.RuneFrom([]rune("'\"\\$`!*?~#&|;<>(){}[]= \n\t\r\x01\x1b\x7f\u0081\u0088é\u2028\ufffd😀ab-"))),
		rapid.Map(rapid.String(), func(s string) string { return strings.ReplaceAll(s, "\x00", "") }),
	)
	plain := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int64().Draw(t, "number")
		}
		return text.Draw(t, "text")
	})
	value := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return rapid.SliceOfN(plain, 0, 5).Draw(t, "list")
		case 1:
			return rapid.MapOfN(text, plain, 0, 5).Draw(t, "object")
		}
		return plain.Draw(t, "plain")
	})
	dir := t.TempDir()
	for _, sh := range shells() {
		rapid.Check(t, func(rt *rapid.T) {
			attrs := map[string]any{}
			for i, v := range rapid.SliceOfN(value, 1, 20).Draw(rt, "values") {
				attrs["v"+strconv.Itoa(i)] = v
			}
			checkShell(rt, dir, sh, attrs)
		})
	}
}

func FuzzShellAttrs(f *testing.F) {
	for _, seed := range []string{"", "'", `\`, "a b", "$(id)", "\n", "x=1; id", "é\u0081"} {
		f.Add(seed, seed, int64(len(seed)))
	}
	f.Fuzz(func(t *testing.T, key, text string, number int64) {
		attrs := map[string]any{"text": text, "list": []any{key, text, number}, "object": map[string]any{text: number, key: text}}
		if _, err := derivations.MakeAttrs(attrs); err != nil || strings.Contains(key+text, "\x00") {
			t.Skip("no attributes, or none of a shell")
		}
		checkShell(t, t.TempDir(), []string{"/bin/sh"}, attrs)
	})
}

// TestShellAttrsLeavesOut: what cannot be a variable, or would be another one, is
// none, and disturbs nothing.
func TestShellAttrsLeavesOut(t *testing.T) {
	attrs := map[string]any{
		"list": []any{[]any{1}}, "object": map[string]any{"a": map[string]any{"b": 1}},
		"nul": "a\x00b", "nul_list": []any{"\x00"}, "nul_key": map[string]any{"\x00": 1},
	}
	for _, name := range []string{
		"PATH", "IFS", "HOME", "ENV", "BASH_ENV", "LD_PRELOAD", "PS4", "OPTIND", "LC_ALL", "UID", "SHELLOPTS", "VERSION", "_", "__",
		"SYSC_ATTRS_SH", "out", "", "1a", "a b", "a-b", "a=b", "a[0]", "é", "a;touch here", "a\ntouch here\n", "$(touch here)", "`touch here`", "#", "a\r",
	} {
		attrs[name] = "hostile"
	}
	attrs["fine"] = "value"
	dir := t.TempDir()
	for _, sh := range shells() {
		got := source(t, dir, sh, attrs, `printf '%s.' "$fine" "$PATH" "$IFS" "$LC_ALL" "$out" "$SYSC_ATTRS_SH" $#; echo *
			for name in list object nul nul_list nul_key; do eval "test -z \${$name+set}"; done
			set`)
		want := "value./usr/bin:/bin. \t\n.C.UTF-8./out." + filepath.Join(dir, attrsShellFile) + ".0.*\n"
		if variables, ok := strings.CutPrefix(got, want); !ok || strings.Contains(variables, "hostile") {
			t.Errorf("%v: got %q\nwant %q", sh, got, want)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, attrsShellFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line != "fine='value'\n" && !strings.HasPrefix(line, "# left out: \"") {
			t.Errorf("the file has %q", line)
		}
	}
}
