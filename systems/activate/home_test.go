package activate_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/internal/crashtest"
	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/generation"
	"sysc/systems/systemstest"
)

// A homeLab is a store, and a home directory with its state.
type homeLab struct {
	*lab
	home string
}

func newHomeLab(t testing.TB) *homeLab {
	l := &homeLab{lab: newLab(t)}
	l.into(filepath.Join(filepath.Dir(l.root), "home"))
	if err := os.Mkdir(l.home, 0o755); err != nil {
		t.Fatal(err)
	}
	return l
}

// into makes another directory the home.
func (l *homeLab) into(dir string) { l.home, l.root = dir, filepath.Join(dir, ".local/state") }

// buildHome realises a home with files, by path below it, and what else is declared.
func (l *homeLab) buildHome(files map[string]string, more ...systems.Definition) *systems.System {
	l.Helper()
	def := systems.Definition{}
	if len(more) > 0 {
		def = more[0]
	}
	def.Kind, def.Name, def.Platform = systems.Home, "test", "linux/amd64"
	for p, text := range files {
		def.Files = append(def.Files, systems.File{Path: "/" + p, Content: text, Mode: 0o444})
	}
	return l.build(def, []string{}...)
}

func (l *homeLab) homeRequest(system *systems.System) activate.Request {
	req := l.request(system)
	req.Root, req.Home = l.root, l.home
	return req
}

func (l *homeLab) switchHome(system *systems.System) *activate.Result {
	l.Helper()
	res, err := activate.Switch(l.Context(), l.homeRequest(system))
	if err != nil {
		l.Fatal(err)
	}
	return res
}

// inHome is what stands in the home directory, by path: a file's text, "DIR", or for
// a link that leads nowhere its target. sysc's own directory is left out.
func (l *homeLab) inHome() map[string]string {
	l.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(l.home, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == l.home {
			return err
		}
		rel, _ := filepath.Rel(l.home, p)
		if rel == ".local" {
			return fs.SkipDir
		}
		out[rel] = "DIR"
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(p)
		if err != nil {
			target, err := os.Readlink(p)
			out[rel] = target
			return err
		}
		out[rel] = string(data)
		return nil
	})
	if err != nil {
		l.Fatal(err)
	}
	return out
}

func (l *homeLab) put(p, text string) {
	l.Helper()
	at := filepath.Join(l.home, p)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		l.Fatal(err)
	}
	os.Remove(at)
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		l.Fatal(err)
	}
}

// The state may be kept elsewhere than below the home directory.
func TestHomeStateElsewhere(t *testing.T) {
	l := newHomeLab(t)
	l.root = t.TempDir()
	l.switchHome(l.buildHome(map[string]string{".config/x": "one"}))
	target, err := os.Readlink(filepath.Join(l.home, ".config/x"))
	if want := filepath.Join(l.root, "sysc/generations/current/root/home/.config/x"); err != nil || target != want {
		t.Errorf("the link leads to %q, %v; want %q", target, err, want)
	}
	l.switchHome(l.buildHome(map[string]string{".config/x": "two"}))
	if got := l.inHome()[".config/x"]; got != "two" {
		t.Errorf("it holds %q", got)
	}
}

// A path may change from a file to a directory and back, and to a link, as long as
// everything there is sysc's.
func TestHomeChangesOfKind(t *testing.T) {
	l := newHomeLab(t)
	l.switchHome(l.buildHome(map[string]string{"a": "file", "b/c/d": "deep"}))
	l.switchHome(l.buildHome(map[string]string{"a/x/y": "inside", "b": "file"}))
	if got := l.inHome(); got["a/x/y"] != "inside" || got["b"] != "file" {
		t.Errorf("in the home: %v", got)
	}
	l.switchHome(l.buildHome(nil, systems.Definition{
		Symlinks:    []systems.Symlink{{Path: "/a", Target: "nowhere"}},
		Directories: []systems.Directory{{Path: "/b", Mode: 0o700}},
	}))
	if got := l.inHome(); got["a"] != "nowhere" || got["b"] != "DIR" || len(got) != 2 {
		t.Errorf("in the home: %v", got)
	}
	l.put("b/mine", "mine")
	_, err := activate.Switch(t.Context(), l.homeRequest(l.buildHome(map[string]string{"b": "file"})))
	var conflict *activate.ConflictError
	if !errors.As(err, &conflict) || conflict.Conflicts[0].Path != "/b" {
		t.Errorf("a directory with something of the user's gives %v", err)
	}
}

// A link of the user's above a file is not followed, wherever it leads.
func TestHomeLinkAbove(t *testing.T) {
	for _, target := range []string{"inside", "/", "../.."} {
		l := newHomeLab(t)
		l.put("inside/file", "mine")
		if err := os.Symlink(target, filepath.Join(l.home, ".config")); err != nil {
			t.Fatal(err)
		}
		before := l.inHome()
		req := l.homeRequest(l.buildHome(map[string]string{".config/file": "new"}))
		req.Backup = true
		_, err := activate.Switch(t.Context(), req)
		var conflict *activate.ConflictError
		if !errors.As(err, &conflict) || !conflict.Conflicts[0].Above {
			t.Errorf("a link to %s gives %v", target, err)
		}
		if after := l.inHome(); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("before %v, after %v", before, after)
		}
	}
}

// A home is not for a machine, nor a system for a home.
func TestHomeKinds(t *testing.T) {
	l := newHomeLab(t)
	if _, err := activate.Switch(t.Context(), l.homeRequest(l.build(definition()))); err == nil {
		t.Error("a system became a home")
	}
	req := l.homeRequest(l.buildHome(nil))
	req.Home = ""
	if _, err := activate.Switch(t.Context(), req); err == nil {
		t.Error("a home became a machine")
	}
}

// homeSteps kills a change of a home at every step. before is done to the home
// directory of each run first, and check is asked after it.
func (l *homeLab) homeSteps(verb string, system *systems.System, before func(), check func(current generation.Number)) {
	t := l.TB.(*testing.T)
	template, dir := l.home, t.TempDir()
	t.Cleanup(func() { systemstest.MakeWritable(dir) })
	runs := 0
	steps := crashtest.Run(t, func() *exec.Cmd {
		runs++
		l.into(filepath.Join(dir, strconv.Itoa(runs)))
		if err := copyTree(template, l.home); err != nil {
			t.Fatal(err)
		}
		before()
		args := []string{verb, l.store.Dir(), l.root, string(system.Path), l.home}
		return crashtest.Self(t, childEnv+"="+strings.Join(args, "|"))
	}, func(int) {
		number := generation.Number(0)
		if current, err := l.profile().Current(); err != nil {
			t.Fatal(err)
		} else if current != nil {
			number = current.Number
		}
		check(number)
	})
	t.Logf("%s: %d steps", verb, steps)
	if steps < 10 {
		t.Errorf("only %d steps: the test looks at nothing", steps)
	}
}

// Killed at any step, the home's files are those of one generation, the user's are
// there, and the next switch completes the change and leaves nothing behind.
func TestCrashHome(t *testing.T) {
	t.Parallel()
	l := newHomeLab(t)
	l.switchHome(l.buildHome(map[string]string{".profile": "one", ".config/a": "one", ".config/old": "old"}))
	two := l.buildHome(map[string]string{".profile": "two", ".config/a": "two", ".new/file": "new"})
	l.homeSteps("switch", two, func() { l.put(".new/file", "mine") }, func(current generation.Number) {
		got := l.inHome()
		want := map[generation.Number]string{1: "one", 2: "two"}[current]
		if got[".profile"] != want || got[".config/a"] != want {
			t.Errorf("generation %d has %v", current, got)
		}
		if got[".new/file"] != "mine" && got[".new/file.sysc-backup"] != "mine" {
			t.Errorf("the user's file is gone: %v", got)
		}
		req := l.homeRequest(two)
		req.Backup = true
		if _, err := activate.Switch(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		l.checkHome(map[string]string{".profile": "two", ".config/a": "two", ".new/file": "new", ".new/file.sysc-backup": "mine"})
	})
}

func TestCrashHomeRollback(t *testing.T) {
	t.Parallel()
	l := newHomeLab(t)
	one := l.buildHome(map[string]string{".profile": "one", ".config/a": "one"})
	l.switchHome(one)
	l.switchHome(l.buildHome(map[string]string{".profile": "two", ".config/b/c": "two"}))
	l.homeSteps("rollback", one, func() {}, func(current generation.Number) {
		if got, want := l.inHome()[".profile"], map[generation.Number]string{1: "one", 2: "two"}[current]; got != want {
			t.Errorf("generation %d has %q", current, got)
		}
		if _, err := activate.Rollback(t.Context(), l.homeRequest(nil), 1); err != nil {
			t.Fatal(err)
		}
		l.checkHome(map[string]string{".profile": "one", ".config/a": "one"})
	})
}

// checkHome fails unless the home directory has these files and nothing else.
func (l *homeLab) checkHome(want map[string]string) {
	l.Helper()
	got := l.inHome()
	for p, text := range got {
		if text == "DIR" {
			delete(got, p)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.Errorf("in the home: %v, want %v", got, want)
	}
}

// Whatever the user does between switches, no text of theirs is ever lost, a switch
// that is refused changes nothing, and one that is not makes the home what is declared.
func TestHomeNeverLoses(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { systemstest.MakeWritable(dir) })
	st, err := localstore.Open(t.Context(), filepath.Join(dir, "store"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	runs := 0
	paths := []string{"a", "a/b", "a/b/c", "d/e", "d", "f"}
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		l := &homeLab{lab: &lab{TB: t, store: st}}
		l.into(filepath.Join(dir, strconv.Itoa(runs)))
		if err := os.Mkdir(l.home, 0o755); err != nil {
			rt.Fatal(err)
		}
		mine := map[string]bool{} // texts that the user wrote
		for i := range rapid.IntRange(1, 6).Draw(rt, "steps") {
			userActs(rt, l, paths, mine, i)
			files := map[string]string{}
			for _, p := range paths {
				above := slices.ContainsFunc(paths, func(q string) bool {
					_, ok := files[q]
					return ok && strings.HasPrefix(p, q+"/")
				})
				below := slices.ContainsFunc(paths, func(q string) bool {
					_, ok := files[q]
					return ok && strings.HasPrefix(q, p+"/")
				})
				if !above && !below && rapid.Bool().Draw(rt, p) {
					files[p] = rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "text")
				}
			}
			before := l.inHome()
			req := l.homeRequest(buildFiles(rt, st, files))
			req.Backup = rapid.Bool().Draw(rt, "backup")
			res, err := activate.Switch(t.Context(), req)
			after := l.inHome()
			var conflict *activate.ConflictError
			switch {
			case errors.As(err, &conflict):
				if fmt.Sprint(before) != fmt.Sprint(after) {
					rt.Fatalf("refused, and changed: before %v, after %v", before, after)
				}
			case err != nil:
				rt.Fatal(err)
			default:
				for p, text := range files {
					if after[p] != text && !slices.Contains(res.Kept, "~/"+p) {
						rt.Fatalf("%s holds %q, want %q: %v", p, after[p], text, after)
					}
				}
			}
			for text := range mine {
				if !contains(after, text) && !contains(l.checkedOut(), text) {
					rt.Fatalf("%q is lost: before %v, after %v", text, before, after)
				}
			}
		}
	})
}

func contains(files map[string]string, text string) bool {
	for _, t := range files {
		if t == text {
			return true
		}
	}
	return false
}

// checkedOut are the files of the current generation, where edits in place are.
func (l *homeLab) checkedOut() map[string]string {
	out := map[string]string{}
	top := filepath.Join(l.root, "sysc/generations/current/root/home") + "/"
	filepath.WalkDir(top, func(p string, _ fs.DirEntry, _ error) error {
		if data, err := os.ReadFile(p); err == nil {
			out[p] = string(data)
		}
		return nil
	})
	return out
}

// userActs does something to the home directory as users do.
func userActs(rt *rapid.T, l *homeLab, paths []string, mine map[string]bool, step int) {
	p := filepath.Join(l.home, rapid.SampledFrom(paths).Draw(rt, "path"))
	text := fmt.Sprintf("mine %d", step)
	switch rapid.SampledFrom([]string{"nothing", "write", "replace", "remove"}).Draw(rt, "act") {
	case "write": // through the link, if there is one
		if _, err := os.Stat(p); err != nil {
			return
		}
		os.Chmod(p, 0o644)
		old, _ := os.ReadFile(p)
		if os.WriteFile(p, []byte(text), 0o644) == nil {
			delete(mine, string(old)) // the user's own doing
			mine[text] = true
		}
	case "replace":
		info, err := os.Lstat(p)
		if err == nil && info.IsDir() {
			return
		}
		if old, err := os.ReadFile(p); err == nil {
			delete(mine, string(old))
		}
		if os.MkdirAll(filepath.Dir(p), 0o755) != nil {
			return
		}
		os.Remove(p)
		if os.WriteFile(p, []byte(text), 0o644) == nil {
			mine[text] = true
		}
	case "remove":
		if info, err := os.Lstat(p); err == nil && !info.IsDir() {
			if old, err := os.ReadFile(p); err == nil {
				delete(mine, string(old))
			}
			os.Remove(p)
		}
	}
}

// buildFiles realises a home of files.
func buildFiles(rt *rapid.T, st *localstore.Store, files map[string]string) *systems.System {
	g := derivations.NewGraph()
	base, err := systemstest.AddRoot(g, nil)
	if err != nil {
		rt.Fatal(err)
	}
	def := systems.Definition{Kind: systems.Home, Name: "test", Platform: "linux/amd64", Root: base}
	for p, text := range files {
		def.Files = append(def.Files, systems.File{Path: "/" + p, Content: text, Mode: 0o444})
	}
	ref, err := systems.Compose(g, def)
	if err != nil {
		rt.Fatal(err)
	}
	done, err := build.Realise(rt.Context(), st, g, []derivations.Ref{ref}, &build.Options{Builtins: systemstest.Builtins()})
	if err != nil {
		rt.Fatal(err)
	}
	system, err := systems.Load(rt.Context(), st, done[ref])
	if err != nil {
		rt.Fatal(err)
	}
	return system
}
