package localstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sysc/store"
)

// TestHelperProcess is what other tests start as another process. By itself it
// has nothing to do.
func TestHelperProcess(t *testing.T) {
	what := os.Getenv("SYSC_HELPER")
	if what == "" {
		return
	}
	if err := help(context.Background(), what); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func help(ctx context.Context, what string) error {
	switch what {
	case "stress":
		return stressWorker(ctx, os.Getenv("SYSC_STORE"))
	case "wait":
		return waitInObject()
	}
	s, err := Open(ctx, os.Getenv("SYSC_STORE"), nil)
	if err != nil {
		return err
	}
	defer s.Close()
	switch what {
	case "use":
		return useThings(ctx, s)
	case "add":
		return addMany(ctx, s)
	case "gc":
		_, err := s.GC(ctx, GCOptions{})
		return err
	case "repair":
		_, err := s.Repair(ctx, nil, nil)
		return err
	}
	return nil
}

// addMany registers objects that other processes register too, and a chain of
// its own.
func addMany(ctx context.Context, s *Store) error {
	number := os.Getenv("SYSC_NUMBER")
	var previous []store.Path
	for i := range 15 {
		dir, remove, err := s.TempDir(ctx, "add")
		if err != nil {
			return err
		}
		for name, content := range map[string]string{
			"common": strconv.Itoa(i),
			"mine":   number + "/" + strconv.Itoa(i) + fmt.Sprint(previous),
		} {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name, "file"), []byte(content), 0o644); err != nil {
				return err
			}
		}
		common, err := s.AddDir(ctx, dir+"/common", &AddOptions{Name: "common"})
		if err != nil {
			return err
		}
		mine, err := s.AddDir(ctx, dir+"/mine", &AddOptions{Name: "mine", Candidates: previous})
		if err != nil {
			return err
		}
		r := store.Realisation{Derivation: store.DerivationHash{byte(i)}, Output: "out", Path: common.Path}
		if err := s.Register(ctx, []store.Object{mine, common}, []store.Realisation{r}); err != nil {
			return err
		}
		fmt.Println(mine.Path)
		previous = []store.Path{mine.Path}
		if err := remove(); err != nil {
			return err
		}
	}
	return nil
}

func helper(t *testing.T, what, dir string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
	cmd.Env = append(append(os.Environ(), "SYSC_HELPER="+what, "SYSC_STORE="+dir), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestProcesses(t *testing.T) {
	s := newStore(t)
	const processes = 4
	var outputs [processes]strings.Builder
	var cmds [processes]*exec.Cmd
	for i := range cmds {
		cmds[i] = helper(t, "add", s.Dir(), "SYSC_NUMBER="+strconv.Itoa(i))
		cmds[i].Stdout = &outputs[i]
		must(t, cmds[i].Start())
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, &outputs[i])
		}
	}
	if got, want := verify(t, s).Objects, 15*(processes+1); got != want {
		t.Errorf("%d objects, want %d", got, want)
	}
	if left, _ := os.ReadDir(s.path("tmp")); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

// Killed at any moment, what a process said it had registered is there and
// whole, and garbage collection takes the rest.
func TestKill(t *testing.T) {
	ctx := t.Context()
	s := newStore(t)
	for lines := range 8 {
		cmd := helper(t, "add", s.Dir(), "SYSC_NUMBER=k"+strconv.Itoa(lines))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		var registered []store.Path
		for range lines {
			var line string
			if _, err := fmt.Fscanln(out, &line); err != nil {
				t.Fatal(err)
			}
			registered = append(registered, store.Path(line))
		}
		must(t, cmd.Process.Signal(syscall.SIGKILL))
		cmd.Wait()
		for _, p := range registered {
			if _, err := s.Object(ctx, p); err != nil {
				t.Errorf("after kill: %v", err)
			}
		}
		verify(t, s)
	}
	s = reopen(t, s)
	gc(t, s, GCOptions{})
	result := verify(t, s)
	if result != (VerifyResult{}) {
		t.Errorf("after collecting everything: %+v", result)
	}
	for _, dir := range []string{"tmp", "store", "checkouts"} {
		if left, _ := os.ReadDir(s.path(dir)); len(left) > 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
	if left, _ := os.ReadDir(s.path("locks")); len(left) != 2 {
		t.Errorf("lock files left: %v", left)
	}
}

// GC leaves to whoever has the store open what that has added and looked up, and
// takes it when the process has ended, whichever way.
func TestGCBesideUsers(t *testing.T) {
	ctx := t.Context()
	for _, kill := range []bool{false, true} {
		s := newStore(t)
		old := add(t, s, AddOptions{Name: "old"}, "f=old")
		register(t, s, old)
		s = reopen(t, s)
		cmd := helper(t, "use", s.Dir(), "SYSC_OBJECT="+string(old.Path))
		in, err := cmd.StdinPipe()
		must(t, err)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		var fresh store.Path
		var temp string
		if _, err := fmt.Fscanln(out, &fresh, &temp); err != nil {
			t.Fatal(err)
		}
		if got := gc(t, s, GCOptions{}); got.Kept != 2 || got.Blobs+got.Trees+got.Checkouts+got.Leftovers > 0 {
			t.Errorf("beside its user: %+v", got)
		}
		if _, err := os.Stat(temp); err != nil {
			t.Errorf("a temporary directory in use: %v", err)
		}
		verify(t, s)
		if kill {
			must(t, cmd.Process.Kill())
		}
		must(t, in.Close())
		if err := cmd.Wait(); err != nil && !kill {
			t.Error(err)
		}
		if got := gc(t, s, GCOptions{}); got.Kept != 0 || len(got.Objects) != 2 || got.Checkouts != 1 {
			t.Errorf("after its user has ended: %+v", got)
		}
		if result := verify(t, s); result != (VerifyResult{}) {
			t.Errorf("left: %+v", result)
		}
		if _, err := s.Object(ctx, fresh); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("%s: %v", fresh, err)
		}
		if left, err := os.ReadDir(s.path("sessions")); err != nil || len(left) != 1 {
			t.Errorf("sessions left: %v, %v", left, err)
		}
	}
}

// useThings relies on an object, which is valid, and on things of all kinds that
// are not part of a root, until stdin is closed.
func useThings(ctx context.Context, s *Store) error {
	old := store.Path(os.Getenv("SYSC_OBJECT"))
	if valid, err := s.Valid(ctx, []store.Path{old}); err != nil || !valid[old] {
		return fmt.Errorf("%s: %v, %v", old, valid, err)
	}
	o, err := s.Object(ctx, old)
	if err != nil {
		return err
	}
	if _, err := s.CheckoutDir(ctx, o.Tree); err != nil {
		return err
	}
	for _, content := range []string{"small", strings.Repeat("large", smallBlob)} {
		if _, _, err := s.AddBlob(ctx, strings.NewReader(content)); err != nil {
			return err
		}
	}
	temp, _, err := s.TempDir(ctx, "use")
	if err != nil {
		return err
	}
	if err := os.WriteFile(temp+"/file", []byte("registered"), 0o644); err != nil {
		return err
	}
	fresh, err := s.AddDir(ctx, temp, &AddOptions{Name: "fresh"})
	if err != nil {
		return err
	}
	if err := s.Register(ctx, []store.Object{fresh}, nil); err != nil {
		return err
	}
	fmt.Println(fresh.Path, temp)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
