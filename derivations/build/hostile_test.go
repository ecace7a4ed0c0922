package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sysc/derivations"
	"sysc/store"
	"sysc/store/tree"
)

// nobody is the user that tests run again as.
const nobody = 65534

// toolVariable is where that run finds the tests' builder.
const toolVariable = "SYSC_TEST_TOOL"

// asOrdinaryUser runs the calling test once more without privileges when it has
// them: permissions are nothing to the superuser.
func asOrdinaryUser(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"tool": program, "test": self} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "test"), "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, toolVariable+"="+filepath.Join(dir, "tool"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as user %d: %v\n%s", nobody, err, out)
	}
}

// several adds a step with the outputs "out" and "dev".
func (w *world) several(name string, lines ...string) (out, dev derivations.Ref) {
	w.t.Helper()
	out = w.add(derivations.Derivation{Name: name, Builder: "exec", Root: w.root, Outputs: []string{"out", "dev"},
		Args: append([]string{"/bin/tool"}, lines...)})
	return out, derivations.Ref{Derivation: out.Derivation, Output: "dev"}
}

// What a builder closed to everybody, itself included, is read and rewritten.
func TestOutputsClosedToTheirOwner(t *testing.T) {
	asOrdinaryUser(t)
	w := newWorld(t).withRoot()
	out, dev := w.several("closed",
		"write $out/x text", "chmod 0 $out/x",
		"write $dev/in/file $out/x", "chmod 0111 $dev/in/file", "symlink $out/x $dev/in/link", "chmod 0555 $dev/in",
		"write $dev/shut/file $out/x", "chmod 0400 $dev/shut/file", "symlink $out/x $dev/shut/link", "chmod 0 $dev/shut", "chmod 0 $dev")
	paths := w.mustRealise(out, dev)
	want := paths[out].Logical() + "/x"
	for _, dir := range []string{"in", "shut"} {
		if got := w.content(paths[dev], dir+"/file"); got != want {
			t.Errorf("%s/file: got %q, want %q", dir, got, want)
		}
		if e := w.entry(paths[dev], dir+"/link"); e.Target != want {
			t.Errorf("%s/link: got %q, want %q", dir, e.Target, want)
		}
	}
	if got := w.content(paths[out], "x"); got != "text" {
		t.Errorf("got %q", got)
	}
	for path, mode := range map[string]uint32{"in/file": tree.ModeExecutable, "shut/file": tree.ModeFile} {
		if e := w.entry(paths[dev], path); e.Mode != mode {
			t.Errorf("%s: got mode %o, want %o", path, e.Mode, mode)
		}
	}
	equal(t, "left over", w.leftovers())
}

// An id of another output is replaced wherever it stands in a name, too.
func TestOutputIDsInNames(t *testing.T) {
	asOrdinaryUser(t)
	w := newWorld(t).withRoot()
	out, dev := w.several("names",
		"write $out/x text",
		"write $dev/file$out by file", "write $dev/dir$out/in by directory", "mkdir $dev/link/sysc/store", "symlink nowhere $dev/link$out",
		"chmod 0555 $dev/link/sysc/store", "chmod 0 $dev/dir$out")
	paths := w.mustRealise(out, dev)
	o, err := w.store.Object(t.Context(), paths[dev])
	if err != nil || !slices.Equal(o.References, []store.Path{paths[out]}) {
		t.Errorf("references %v, %v", o.References, err)
	}
	var got []string
	err = tree.Walk(t.Context(), w.store, o.Tree, func(path string, e tree.Entry) error {
		if e.Type != tree.Dir {
			got = append(got, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	real := paths[out].Logical()
	equal(t, "files", got, "dir"+real+"/in", "file"+real, "link"+real)

	// Nothing is lost when there is such a name already.
	clash, _ := w.several("names", "write $out/x text", "write $dev/x$out one", "write $dev/x"+real+" other")
	if _, err := w.realise(clash); !IsFault(err) || !strings.Contains(err.Error(), "which is there too") {
		t.Errorf("got %v", err)
	}
	// Its own id in a name cannot be replaced: places of it are in contents only.
	_, own := w.several("own", "write $out/x text", "write $dev/x$dev text")
	if _, err := w.realise(own); err == nil || !strings.Contains(err.Error(), "own id in a name") {
		t.Errorf("got %v", err)
	}
	equal(t, "left over", w.leftovers())
}
