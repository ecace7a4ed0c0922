package systems

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// environmentCases are values with what they come to where OUTER is "outer $x".
var environmentCases = map[string]struct{ value, want string }{
	"PLAIN":  {"vim", "vim"},
	"EMPTY":  {"", ""},
	"SPACES": {"  two  words ", "  two  words "},
	"QUOTES": {"\"it's\" \\n `ls`", "\"it's\" \\n `ls`"},
	"DOLLAR": {"$$5 $$(ls) $$$$", "$5 $(ls) $$"},
	"REF":    {"a:$OUTER:${OUTER}b", "a:outer $x:outer $xb"},
	"SELF":   {"$SELF", "before"},
	"UNSET":  {"[$NOBODY]", "[]"},
	"CHAIN":  {"$PLAIN-$ZLAST", "vim-z"},
	"ZLAST":  {"z", "z"},
	"HASH":   {"# no comment", "# no comment"},
	"UTF8":   {"grün ; & |", "grün ; & |"},
}

func environmentOf(t testing.TB, vars map[string]string) (forSystemd, forShells string) {
	t.Helper()
	for name, value := range vars {
		if err := CheckVariable(name, value); err != nil {
			t.Fatal(err)
		}
	}
	files, err := EnvironmentFiles(vars, "")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Content, files[1].Content
}

// outerEnvironment is what there is before the files are read.
func outerEnvironment() []string {
	return []string{"OUTER=outer $x", "SELF=before", "PATH=" + os.Getenv("PATH")}
}

// readBySh returns the variables that a shell has after reading a file.
func readBySh(t testing.TB, text string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "environment.sh")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-euc", ". "+file+"\nenv -0")
	cmd.Env = outerEnvironment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return variablesOf(string(out), "\x00")
}

func variablesOf(text, end string) map[string]string {
	vars := map[string]string{}
	for _, line := range strings.Split(text, end) {
		if name, value, ok := strings.Cut(line, "="); ok {
			vars[name] = value
		}
	}
	return vars
}

// A shell that reads its file has the values.
func TestEnvironmentOfShells(t *testing.T) {
	vars := map[string]string{}
	for name, c := range environmentCases {
		vars[name] = c.value
	}
	_, text := environmentOf(t, vars)
	got := readBySh(t, text)
	for name, c := range environmentCases {
		if got[name] != c.want {
			t.Errorf("%s is %q, want %q", name, got[name], c.want)
		}
	}
}

// Whatever text a value is, without dollar signs: a shell has it as it is.
func TestEnvironmentOfShellsProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.StringOf(rapid.RuneFrom([]rune("ab $\"'\\`!#~*?[](){}<>|;&=:%^ü"))).Draw(rt, "value")
		_, text := environmentOf(t, map[string]string{"X": strings.ReplaceAll(value, "$", "$$")})
		if got := readBySh(t, text)["X"]; got != value {
			rt.Fatalf("%q became %q by\n%s", value, got, text)
		}
	})
}

func TestEnvironmentFiles(t *testing.T) {
	forSystemd, forShells := environmentOf(t, map[string]string{"B": `$A "x" $$`, "A": "${A}:y", "C": "\\"})
	const systemd = `# Made by sysc from a home's option env.
A="${A}:y"
B="${A} \"x\" $$"
C="\\"
`
	const shells = `# Made by sysc from a home's option env, to be read by shells: . ~/.config/sysc/environment.sh
export A="${A-}:y"
export B="${A-} \"x\" \$"
export C="\\"
`
	if diff := cmp.Diff(systemd, forSystemd); diff != "" {
		t.Errorf("for systemd (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(shells, forShells); diff != "" {
		t.Errorf("for shells (-want +got):\n%s", diff)
	}
}

func TestCheckVariable(t *testing.T) {
	for _, c := range []struct{ name, value string }{
		{"", "x"}, {"1A", "x"}, {"A-B", "x"}, {"A=B", "x"}, {"A\n", "x"},
		{"A", "$"}, {"A", "$1"}, {"A", "${B"}, {"A", "${B:-c}"}, {"A", "$(ls)"},
		{"A", "a\nb"}, {"A", "a\x00"}, {"A", "\xff"}, {"A", "\x1b[1m"}, {"A", strings.Repeat("x", maxVariable+1)},
	} {
		if err := CheckVariable(c.name, c.value); err == nil {
			t.Errorf("%q = %.20q is right", c.name, c.value)
		}
	}
	if _, err := EnvironmentFiles(map[string]string{"A": "$B", "B": "$C", "C": "$A"}, ""); err == nil {
		t.Error("a cycle is right")
	}
}

// generator is what systemd has for reading environment.d(5).
const generator = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"

// systemd's own reader has the same values as a shell.
func TestEnvironmentOfSystemd(t *testing.T) {
	if _, err := os.Stat(generator); err != nil {
		t.Skip("systemd is not installed: apt-get install systemd")
	}
	vars := map[string]string{}
	for name, c := range environmentCases {
		vars[name] = c.value
	}
	text, _ := environmentOf(t, vars)
	dir := t.TempDir()
	file := filepath.Join(dir, "environment.d", "50-sysc.conf")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(generator)
	cmd.Env = append(outerEnvironment(), "XDG_CONFIG_HOME="+dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := variablesOf(string(out), "\n")
	unescape := strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`")
	for name, value := range got { // quoted for shells where need be
		if inner, ok := strings.CutPrefix(value, `"`); ok {
			got[name] = unescape.Replace(strings.TrimSuffix(inner, `"`))
		}
	}
	for name, c := range environmentCases {
		if got[name] != c.want {
			t.Errorf("%s is %q, want %q", name, got[name], c.want)
		}
	}
}
