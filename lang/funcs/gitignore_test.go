package funcs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/internal/readlog"
)

// listed returns what is taken of a directory.
func listed(t testing.TB, dir, of string, filter sourceFilter) []string {
	t.Helper()
	root, err := readlog.New().OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	files, err := sourceFiles(root, of, filter)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func put(t testing.TB, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestIgnoredAsByGit compares random .gitignore files with git itself.
func TestIgnoredAsByGit(t *testing.T) {
	names := []string{"a", "b", "a.o", "ab", "build", "x y"}
	name := rapid.SampledFrom(names)
	part := rapid.SampledFrom([]string{"a", "b", "*.o", "a*", "?", "build", "**", "*", "[ab]", "[!a]", "x y", `x\ y`, "a.o", "{a,b}", `\a`})
	line := rapid.Custom(func(t *rapid.T) string {
		text := strings.Join(rapid.SliceOfN(part, 1, 3).Draw(t, "parts"), "/")
		return rapid.SampledFrom([]string{"", "", "!"}).Draw(t, "negation") + rapid.SampledFrom([]string{"", "", "/"}).Draw(t, "anchor") + text +
			rapid.SampledFrom([]string{"", "", "/", " ", `\ `, "# x"}).Draw(t, "end")
	})
	lines := rapid.SliceOfN(rapid.OneOf(line, rapid.SampledFrom([]string{"", "# a", "#", "!", "/", "a\r"})), 0, 4)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		git(t, dir, "init", "-q")
		var all []string
		for range rapid.IntRange(1, 12).Draw(rt, "files") {
			file := strings.Join(rapid.SliceOfN(name, 1, 3).Draw(rt, "file"), "/")
			if os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755) == nil && os.WriteFile(filepath.Join(dir, file), nil, 0o644) == nil {
				all = append(all, file)
			}
		}
		put(t, dir, ".gitignore", strings.Join(lines.Draw(rt, "top"), "\n")+"\n")
		if info, err := os.Stat(filepath.Join(dir, "a")); err == nil && info.IsDir() {
			put(t, dir, "a/.gitignore", strings.Join(lines.Draw(rt, "below"), "\n"))
		}
		want := git(t, dir, "-c", "core.quotePath=false", "-c", "core.excludesFile=/dev/null", "ls-files", "--others", "--exclude-standard", "-z")
		var wanted []string
		for file := range strings.SplitSeq(want, "\x00") {
			if file != "" {
				wanted = append(wanted, file)
			}
		}
		root, err := readlog.New().OpenRoot(dir)
		if err != nil {
			rt.Fatal(err)
		}
		defer root.Close()
		got, _ := sourceFiles(root, ".", sourceFilter{}) // nothing left is an error
		slices.Sort(got)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			rt.Errorf("of %q: takes %q, git %q", all, got, wanted)
		}
	})
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, &stderr)
	}
	return string(out)
}

// TestSourceFiles: rules of directories above hold, but not for the directory itself
// that is named; what is git's is never taken.
func TestSourceFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain/x", "plain/d/y", "build/out", "build/x.o", "src/a.c", "src/a.o", "src/deep/b.c", "src/deep/.keep", "src/.git/config", "src/only/x.o"} {
		put(t, dir, name, "")
	}
	if got := listed(t, dir, "plain", sourceFilter{}); got != nil {
		t.Errorf("without anything to leave out: %q", got)
	}
	put(t, dir, ".gitignore", "build/\n*.o\n")
	for of, want := range map[string]string{
		"plain": "d/y x", "build": "out", "src": "a.c deep/.keep deep/b.c",
		".": ".gitignore plain/d/y plain/x src/a.c src/deep/.keep src/deep/b.c",
	} {
		if got := strings.Join(listed(t, dir, of, sourceFilter{}), " "); got != want {
			t.Errorf("%s: got %q, want %q", of, got, want)
		}
	}
	put(t, dir, "src/.gitignore", "!a.o\n")
	if got := fmt.Sprint(listed(t, dir, "src", sourceFilter{})); got != "[.gitignore a.c a.o deep/.keep deep/b.c]" {
		t.Errorf("taken back in: got %s", got)
	}
}

func FuzzIgnore(f *testing.F) {
	f.Add("*.o\n!/a/**/b\n# c\n\\#d \n[a-\n", "a/x/b", true)
	f.Fuzz(func(t *testing.T, text, name string, isDir bool) {
		parseIgnore("a", text).ignores(name, isDir)
	})
}
