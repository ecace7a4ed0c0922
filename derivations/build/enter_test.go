package build

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/store/localstore"
)

// develop runs lines of the tool where ref would be built.
func (w *world) develop(ref derivations.Ref, dir string, lines ...string) (ExecResult, string, error) {
	var out bytes.Buffer
	result, err := Develop(w.t.Context(), w.store, w.graph, ref, &EnterOptions{
		Options: &w.opts, Dir: dir, Command: append([]string{"/bin/tool"}, lines...), Env: []string{"MORE=1"}, Output: &out,
	})
	return result, out.String(), err
}

func TestDevelop(t *testing.T) {
	w := newWorld(t).withRoot()
	input := w.exec("input", "write $out/x of the input")
	ref := w.add(derivations.Derivation{
		Name: "program", Builder: "exec", Root: w.root, Platform: "linux/amd64",
		Env: map[string]string{"INPUT": w.placeholder(input)}, Args: []string{"/bin/tool", "write $out it's"},
	})
	dir := filepath.Join(t.TempDir(), "project")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	result, out, err := w.develop(ref, dir, "show $INPUT/x", "write $out/bin/x y", "show $out/bin/x", "write note from inside", "environment",
		"show "+ScriptPath, "exit 4")
	if err != nil || result.ExitCode != 4 {
		t.Fatalf("got %+v, %v: %s", result, err, out)
	}
	for _, want := range []string{"of the input", "\ny\n", "\nMORE=1\n", "\nTMPDIR=/build\n", "#!/bin/sh\nexec '/bin/tool' 'write $out it'\\''s'\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "note")); err != nil || string(text) != "from inside" {
		t.Errorf("left in the directory: %q, %v", text, err)
	}
	equal(t, "left over", w.leftovers())
	if paths := w.mustRealise(ref); w.content(paths[ref], "content") != "it's" {
		t.Error("the result is not that of the program")
	}
}

func TestDevelopOfWhatHasNoProgram(t *testing.T) {
	w := newWorld(t).withRoot()
	root := w.add(derivations.Derivation{Name: "root", Builder: "exec", Root: w.root, WritableRoot: true, Platform: "linux/amd64", Args: []string{"/bin/tool"}})
	for _, ref := range []derivations.Ref{w.builtin("file", "builtin:file", map[string]any{"text": "x"}), root} {
		if _, _, err := w.develop(ref, ""); err == nil {
			t.Errorf("no error for %v", ref)
		}
	}
}

// kept builds what fails and returns its directory.
func (w *world) kept(ref derivations.Ref) string {
	w.t.Helper()
	w.opts.KeepFailed = true
	_, err := w.realise(ref)
	var failed *Error
	if !errors.As(err, &failed) || failed.KeptDir == "" {
		w.t.Fatalf("nothing is kept: %v", err)
	}
	return failed.KeptDir
}

func (w *world) enter(dir string, lines ...string) (ExecResult, string, error) {
	var out bytes.Buffer
	result, err := EnterFailed(w.t.Context(), w.store, dir, &EnterOptions{
		Options: &w.opts, Command: append([]string{"/bin/tool"}, lines...), Output: &out,
	})
	return result, out.String(), err
}

func TestEnterFailed(t *testing.T) {
	w := newWorld(t).withRoot()
	var inputs []string
	for i := range fewInputs + 2 { // so that there is an overlay
		inputs = append(inputs, w.placeholder(w.exec("input-"+string(rune('a'+i)), "write $out input")))
	}
	for name, lines := range map[string][]string{
		"few":  {"write half x", "write $out/begun y", "exit 1"},
		"many": {"write half x", "write $out/begun y", "print " + strings.Join(inputs, " "), "exit 1"},
	} {
		dir := w.kept(w.add(derivations.Derivation{
			Name: name, Builder: "exec", Root: w.root, Platform: "linux/amd64",
			Env: map[string]string{"INPUT": inputs[0]}, Args: append([]string{"/bin/tool"}, lines...),
		}))
		for range 2 {
			result, out, err := w.enter(dir, "show half", "show $out/begun", "show $INPUT", "write more z", "show "+ScriptPath)
			if err != nil || result.ExitCode != 0 || !strings.HasPrefix(out, "x\ny\n") {
				t.Errorf("%s: got %+v, %v: %s", name, result, err, out)
			}
		}
		if text, err := os.ReadFile(filepath.Join(dir, "build", "more")); err != nil || string(text) != "z" {
			t.Errorf("%s: what was done is lost: %q, %v", name, text, err)
		}
	}
}

func TestEnterFailedRoot(t *testing.T) {
	w := newWorld(t).withRoot()
	ref := w.add(derivations.Derivation{
		Name: "changing", Builder: "exec", Root: w.root, WritableRoot: true, Platform: "linux/amd64",
		Args: []string{"/bin/tool", "write /etc/change after", "exit 1"},
	})
	result, out, err := w.enter(w.kept(ref), "show /etc/change", "write /etc/more x")
	if err != nil || result.ExitCode != 0 || out != "after\n" {
		t.Errorf("got %+v, %v: %s", result, err, out)
	}
}

func TestEnterFailedAfterItsInputsWent(t *testing.T) {
	w := newWorld(t).withRoot()
	input := w.exec("input", "write $out input")
	dir := w.kept(w.exec("fails", "show "+w.placeholder(input), "exit 1"))
	if _, err := w.store.GC(t.Context(), localstore.GCOptions{}); err != nil {
		t.Fatal(err)
	}
	w.collect()
	if _, _, err := w.enter(dir); err == nil || !strings.Contains(err.Error(), "build it again with --keep-failed") {
		t.Errorf("got %v", err)
	}
	if _, _, err := w.enter(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not what --keep-failed kept") {
		t.Errorf("got %v", err)
	}
}
