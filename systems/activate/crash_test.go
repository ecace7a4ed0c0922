package activate_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sysc/internal/crashtest"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/boot"
	"sysc/systems/generation"
	"sysc/systems/rootdir"
	"sysc/systems/systemstest"
)

// The crash tests run this binary again with what to do in the environment:
// "verb|store|root|system", and for a home its directory.
const childEnv = "ACTIVATE_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		if err := child(context.Background(), strings.Split(what, "|")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func child(ctx context.Context, args []string) error {
	verb, root := args[0], args[2]
	st, err := localstore.Open(ctx, args[1], nil)
	if err != nil {
		return err
	}
	defer st.Close()
	req := activate.Request{Root: root, Store: st, Now: aTime}
	if len(args) > 4 {
		req.Home, req.Backup = args[4], true
	}
	switch verb {
	case "rollback":
		_, err = activate.Rollback(ctx, req, 0)
	case "delete":
		err = activate.Delete(ctx, req, []generation.Number{1})
	default:
		if req.System, err = systems.Load(ctx, st, store.Path(args[3])); err != nil {
			return err
		}
		_, err = activate.Switch(ctx, req)
	}
	return err
}

// smallRoot is little, because every step of its switch is a run.
var smallRoot = []string{
	"f usr/bin/sh 0755 #!shell", "f etc/base 0644 base", "d root 0700", "f var/data 0644 factory", "f boot/vmlinuz-1 0644 kernel",
}

func smallDefinition(text string) systems.Definition {
	return systems.Definition{Name: "test", Platform: "linux/amd64", Files: []systems.File{
		{Path: "/etc/motd", Content: text, Mode: 0o644},
		{Path: "/var/www/index.html", Content: text, Mode: 0o644},
	}}
}

// A crashLab has the systems "one", "two" and "three", which wants two boot entries at
// most, and the machine as it is before the run.
type crashLab struct {
	*lab
	systems  map[string]*systems.System
	template string
}

func newCrashLab(t *testing.T, before ...string) *crashLab {
	c := &crashLab{lab: newLab(t), systems: map[string]*systems.System{}}
	for i, text := range []string{"one", "two", "three"} {
		entries := append([]string{}, smallRoot...)
		def := smallDefinition(text)
		if text != "one" {
			entries[len(entries)-1] = fmt.Sprintf("f boot/vmlinuz-%d 0644 newer kernel %d", i+1, i+1)
		}
		if text == "three" {
			def.Boot.Limit = 2
		}
		c.systems[text] = c.build(def, entries...)
	}
	c.template = c.root
	if err := os.MkdirAll(c.root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, text := range before {
		c.doSwitch(c.systems[text])
	}
	return c
}

// run kills a verb at every step. old is what the machine is before, "" for
// nothing, want what it is afterwards.
func (c *crashLab) run(verb, old, want string) {
	t := c.TB.(*testing.T)
	dir := t.TempDir()
	t.Cleanup(func() { systemstest.MakeWritable(dir) })
	runs := 0
	steps := crashtest.Run(t, func() *exec.Cmd {
		runs++
		c.root = filepath.Join(dir, strconv.Itoa(runs))
		if err := copyTree(c.template, c.root); err != nil {
			t.Fatal(err)
		}
		system := c.systems[want]
		args := []string{verb, c.store.Dir(), c.root, string(system.Path)}
		return crashtest.Self(t, childEnv+"="+strings.Join(args, "|"))
	}, func(n int) {
		c.checkState(old, want)
		if verb == "delete" {
			c.checkDelete()
			return
		}
		c.checkNext(want)
	})
	t.Logf("%s: %d steps", verb, steps)
	if steps < 10 {
		t.Errorf("only %d steps: the test looks at nothing", steps)
	}
}

// checkState fails unless the machine is wholly the old system or wholly the new
// one.
func (c *crashLab) checkState(old, want string) {
	current, err := c.profile().Current()
	if err != nil {
		c.Fatal(err)
	}
	if current == nil {
		if old != "" {
			c.Fatal("no generation is current")
		}
		return
	}
	text := want
	if current.System != c.systems[want].Path {
		text = old
	}
	if text == "" || current.System != c.systems[text].Path {
		c.Fatalf("generation %d is system %s", current.Number, current.System)
	}
	c.wantFile("etc/motd", text)
	c.wantFile("usr/bin/sh", "#!shell\n")
	c.wantFile("var/data", "factory\n")
	c.checkGenerations()
	if text != want {
		// Nothing of the machine's own has changed before the new one is current.
		c.wantFile("var/www/index.html", old)
	}
}

// checkGenerations fails unless every recorded generation is whole, and so is
// the one that boots.
func (c *crashLab) checkGenerations() {
	records, err := c.profile().List()
	if err != nil {
		c.Fatal(err)
	}
	for _, r := range records {
		if _, err := activate.ReadManifest(c.root, r); err != nil {
			c.Error(err)
		}
		for name := range r.Places {
			if _, err := os.ReadDir(c.path(filepath.Join("sysc/generations", r.Number.String(), "root", name))); err != nil {
				c.Errorf("generation %d: %v", r.Number, err)
			}
		}
	}
	if broken, err := c.profile().Broken(); err != nil || len(broken) > 0 {
		c.Errorf("broken generations %v, %v", broken, err)
	}
	dir, err := rootdir.Open(c.path("boot"), false)
	if err != nil {
		c.Fatal(err)
	}
	defer dir.Close()
	n, _, ok, err := boot.NewPartition(dir).Selected()
	if err != nil || !ok {
		c.Fatalf("nothing boots: %v", err)
	}
	if _, err := c.profile().Get(generation.Number(n)); err != nil {
		c.Errorf("generation %d boots: %v", n, err)
	}
	if !c.exists("boot" + c.entry(n).Linux) {
		c.Errorf("generation %d boots, and its kernel is missing", n)
	}
}

// checkNext fails unless the next switch leads to the wanted system, leaves
// nothing behind, and has nothing to do the second time.
func (c *crashLab) checkNext(want string) {
	res := c.doSwitch(c.systems[want])
	c.wantFile("etc/motd", want)
	c.wantFile("var/www/index.html", want)
	if e := c.entry(int(res.Generation.Number)); e.SortKey != boot.SelectedKey {
		c.Errorf("generation %d does not boot: %+v", res.Generation.Number, e)
	}
	if len(res.Kept) > 0 {
		c.Errorf("kept %q", res.Kept)
	}
	c.checkGenerations()
	c.checkLeftovers()
	if again := c.doSwitch(c.systems[want]); !again.Unchanged {
		c.Errorf("the switch after that is not unchanged: %+v", again)
	}
}

func (c *crashLab) checkDelete() {
	req := c.request(nil)
	if c.exists("sysc/generations/1") {
		if err := activate.Delete(c.Context(), req, []generation.Number{1}); err != nil {
			c.Error(err)
		}
	} else if err := activate.Prune(c.Context(), req); err != nil {
		c.Error(err)
	}
	for _, p := range []string{"sysc/generations/1", "boot/loader/entries/sysc-1.conf", "sysc/store/" + string(c.systems["one"].Path)} {
		if c.exists(p) {
			c.Errorf("%s is still there", p)
		}
	}
	if entries, err := os.ReadDir(c.path("boot/sysc")); err != nil || len(entries) != 1 {
		c.Errorf("boot files %v, %v", entries, err)
	}
	c.checkGenerations()
	c.checkLeftovers()
}

// checkLeftovers fails when anything stands under a name that only a change
// under way uses.
func (c *crashLab) checkLeftovers() {
	err := filepath.WalkDir(c.root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".sysc-new") {
			c.Errorf("leftover %s", p)
		}
		return err
	})
	if err != nil {
		c.Error(err)
	}
	if entries, err := os.ReadDir(c.path("sysc/generations/.new")); err != nil || len(entries) > 0 {
		c.Errorf("leftovers %v, %v", entries, err)
	}
}

func TestCrashFirstSwitch(t *testing.T) {
	t.Parallel()
	newCrashLab(t).run("switch", "", "one")
}

func TestCrashSecondSwitch(t *testing.T) {
	t.Parallel()
	newCrashLab(t, "one").run("switch", "one", "two")
}

func TestCrashRollback(t *testing.T) {
	t.Parallel()
	newCrashLab(t, "one", "two").run("rollback", "two", "one")
}

func TestCrashDelete(t *testing.T) {
	t.Parallel()
	newCrashLab(t, "one", "two").run("delete", "two", "two")
}

// copyTree copies directories, files and links with their modes.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			if err := os.Mkdir(dst, 0o755); err != nil {
				return err
			}
			return os.Chmod(dst, info.Mode().Perm()|0o200)
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(target, dst)
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if err := os.WriteFile(dst, data, 0o600); err != nil {
			return err
		}
		return os.Chmod(dst, info.Mode())
	})
}

// TestCrashLimit kills a switch that takes the oldest generation out of the boot menu.
func TestCrashLimit(t *testing.T) {
	c := newCrashLab(t, "one", "two")
	c.run("switch", "two", "three")
	if !c.exists("sysc/generations/1") || c.exists("boot/loader/entries/sysc-1.conf") {
		t.Error("after the last run generation 1 is gone, or in the boot menu")
	}
	if entries, err := os.ReadDir(c.path("boot/sysc")); err != nil || len(entries) != 2 {
		t.Errorf("boot files %v, %v", entries, err)
	}
}
