package build

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

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

// A secret is a file of the host that a builder would like to reach.
type secret struct {
	path string
	stat unix.Stat_t
}

func newSecret(t *testing.T) *secret {
	t.Helper()
	s := &secret{path: filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(s.path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(s.path, &s.stat); err != nil {
		t.Fatal(err)
	}
	return s
}

// check makes sure that nobody changed the file, or linked to it.
func (s *secret) check(t *testing.T) {
	t.Helper()
	var now unix.Stat_t
	if err := unix.Stat(s.path, &now); err != nil {
		t.Fatal(err)
	}
	if now.Ino != s.stat.Ino || now.Mode != s.stat.Mode || now.Uid != s.stat.Uid || now.Nlink != s.stat.Nlink || now.Ctim != s.stat.Ctim {
		t.Errorf("the host's file is now %+v, it was %+v", now, s.stat)
	}
	if data, err := os.ReadFile(s.path); err != nil || string(data) != "secret" {
		t.Errorf("the host's file has %q, %v", data, err)
	}
}

// A kept directory has links to files of the host. Neither keeping nor collecting
// it follows them (CVE-2021-27851), and nobody else gets in.
func TestKeptDirectoryIsHarmless(t *testing.T) {
	asOrdinaryUser(t)
	w := newWorld(t).withRoot()
	w.opts.KeepFailed = true
	s := newSecret(t)
	ref := w.exec("kept", "symlink "+s.path+" /build/link", "symlink "+filepath.Dir(s.path)+" /build/dir",
		"mkdir $out", "symlink "+s.path+" $out/link", "write /build/deep/x y", "chmod 0 /build/deep", "chmod 0777 /build", "chmod 0777 $out", "exit 1")
	_, err := w.realise(ref)
	var failed *Error
	if !errors.As(err, &failed) || failed.KeptDir == "" {
		t.Fatalf("got %v", err)
	}
	if target, err := os.Readlink(filepath.Join(failed.KeptDir, "build/link")); err != nil || target != s.path {
		t.Errorf("kept link: %q, %v", target, err)
	}
	checkClosed(t, failed.KeptDir)
	s.check(t)
	w.collect()
	s.check(t)
}

// checkClosed makes sure that nobody but its owner gets into a directory.
func checkClosed(t *testing.T, dir string) {
	t.Helper()
	info, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 {
		t.Errorf("%s is open to others: %v", dir, info.Mode())
	}
}

// A builder makes no hard link to what it only reads: the inputs, however many,
// and the root.
func TestNoLinksToInputs(t *testing.T) {
	asOrdinaryUser(t)
	w := newWorld(t).withRoot()
	for _, n := range []int{1, fewInputs + 1} {
		input := w.closureOf(n)
		for _, line := range []string{
			"link " + input + "/f $out", "link " + input + "/f /build/x", "link /etc/keep $out", "link /etc/keep /build/x", "link /bin/tool $out",
		} {
			_, err := w.realise(w.exec("links", line))
			if log := strings.Join(w.log(), "\n"); err == nil || !strings.Contains(log, "cross-device") {
				t.Errorf("%s: got %v, %q", line, err, log)
			}
		}
	}
	equal(t, "left over", w.leftovers())
}

// While a program runs nobody else reaches what it makes, whatever modes that has
// (CVE-2024-38531), and no output is there before it is canonical (CVE-2024-52867).
func TestClosedWhileItRuns(t *testing.T) {
	for _, writable := range []bool{false, true} {
		w := newWorld(t).withRoot()
		d := derivations.Derivation{Name: "open", Builder: "exec", Root: w.root, WritableRoot: writable,
			Args: []string{"/bin/tool", "mkdir /build/x", "chmod 0777 /build/x", "chmod 0777 /build", "mkdir $out", "chmod 0777 $out",
				"write $out/f text", "chmod 0666 $out/f", "print started"}}
		if writable {
			d.Args = []string{"/bin/tool", "write /etc/open text", "chmod 0666 /etc/open", "chmod 4755 /etc/change", "chmod 2777 /etc", "chmod 0777 /", "print started"}
		}
		before := w.entries("store")
		looked := false
		record := w.opts.Events
		w.opts.Events = func(e Event) {
			record(e)
			if e.Kind != LogLine || e.Line != "started" {
				return
			}
			looked = true
			for _, name := range w.leftovers() {
				checkClosed(t, filepath.Join(w.dir, "tmp", name))
			}
			if len(w.leftovers()) == 0 {
				t.Error("nothing to be seen while it runs")
			}
			equal(t, "objects while it runs", w.entries("store"), before...)
		}
		ref := w.add(d)
		p := w.mustRealise(ref)[ref]
		if !looked {
			t.Error("nobody looked while it ran")
		}
		if writable {
			if e := w.entry(p, "etc/change"); e.Mode != 0o4755 {
				t.Errorf("the program's modes are not kept: %o", e.Mode)
			}
			continue
		}
		err := filepath.WalkDir(w.store.PhysicalPath(p), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o222 != 0 || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// The file of attributes is written before there is a builder that could put a
// link in its place (CVE-2025-52991), and never again.
func TestAttrsFileIsNotFollowed(t *testing.T) {
	asOrdinaryUser(t)
	w := newWorld(t).withRoot()
	w.opts.KeepFailed = true
	s := newSecret(t)
	attrs, err := derivations.MakeAttrs(map[string]any{"answer": 42})
	if err != nil {
		t.Fatal(err)
	}
	ref := w.add(derivations.Derivation{Name: "swap", Builder: "exec", Root: w.root, Attrs: attrs, Args: []string{"/bin/tool",
		"show $SYSC_ATTRS_FILE", "remove $SYSC_ATTRS_FILE", "symlink " + s.path + " $SYSC_ATTRS_FILE", "chmod 0777 /build", "exit 1"}})
	for range 2 { // the second time beside the kept directory of the first
		_, err := w.realise(ref)
		var failed *Error
		if !errors.As(err, &failed) || failed.ExitCode != 1 {
			t.Fatalf("got %v", err)
		}
		equal(t, "attributes", w.log(), `{"answer":42}`)
		if target, err := os.Readlink(filepath.Join(failed.KeptDir, "build", attrsFile)); err != nil || target != s.path {
			t.Errorf("what it left: %q, %v", target, err)
		}
		s.check(t)
	}
}
