package systems_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/systemstest"
)

// A system gets the program that evaluated it, and units that start it; another program
// is refused.
func TestProgram(t *testing.T) {
	const text = "the program"
	file := filepath.Join(t.TempDir(), "sysc")
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Cleanup(func() { systemstest.MakeWritable(dir) })
	st, err := localstore.Open(t.Context(), filepath.Join(dir, "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	builtins := systemstest.Builtins()
	for name, step := range systems.ProgramBuiltins(func() (*os.File, error) { return os.Open(file) }) {
		builtins[name] = step
	}
	compose := func(p systems.Program) (*systems.System, *systems.Manifest, error) {
		g := derivations.NewGraph()
		root, err := systemstest.AddRoot(g, []string{"f usr/share/x 0644 x"})
		if err != nil {
			t.Fatal(err)
		}
		def := systems.Definition{Name: "test", Platform: "linux/amd64", Root: root}
		if err := systems.AddProgram(g, &def, p, derivations.Origin{}); err != nil {
			t.Fatal(err)
		}
		ref, err := systems.Compose(g, def)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := systems.MakeManifest(def, nil)
		paths, err := build.Realise(t.Context(), st, g, []derivations.Ref{ref}, &build.Options{Builtins: builtins})
		if err != nil {
			return nil, before, err
		}
		system, err := systems.Load(t.Context(), st, paths[ref])
		return system, before, err
	}
	system, before, err := compose(systems.Program{Digest: store.DigestOf([]byte(text)), Size: int64(len(text))})
	if err != nil {
		t.Fatal(err)
	}
	root := system.Manifest.Root.Tree
	e, err := tree.Find(t.Context(), st, root, systems.ProgramPath)
	if err != nil || e.Mode != 0o755 || e.Digest != store.DigestOf([]byte(text)) {
		t.Errorf("%+v, %v", e, err)
	}
	// Before anything is built it is known what the file is.
	if len(before.Files) != 1 || before.Files[0].Digest != e.Digest || before.Files[0].Size != e.Size {
		t.Errorf("planned: %+v", before.Files)
	}
	for _, link := range []string{"sysinit.target.wants/sysc-booted.service", "boot-complete.target.requires/sysc-health.service", "sysinit.target.wants/sysc-good.service"} {
		if _, e, err := tree.Resolve(t.Context(), st, root, "etc/systemd/system/"+link); err != nil || e.Type != tree.File {
			t.Errorf("%s: %v", link, err)
		}
	}
	_, _, err = compose(systems.Program{Digest: store.DigestOf([]byte("another")), Size: 7})
	if err == nil || !strings.Contains(err.Error(), "another sysc") {
		t.Errorf("another program: %v", err)
	}
}
