package localstore

import (
	"context"
	"fmt"
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
	s, err := Open(ctx, os.Getenv("SYSC_STORE"), nil)
	if err != nil {
		return err
	}
	defer s.Close()
	switch what {
	case "hold":
		fmt.Println("ready")
		_, err := os.Stdin.Read(make([]byte, 1))
		return err
	case "add":
		return addMany(ctx, s)
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
	if _, err := s.GC(ctx, GCOptions{}); err != nil {
		t.Fatal(err)
	}
	result := verify(t, s)
	if result != (VerifyResult{}) {
		t.Errorf("after collecting everything: %+v", result)
	}
	for _, dir := range []string{"tmp", "store", "checkouts"} {
		if left, _ := os.ReadDir(s.path(dir)); len(left) > 0 {
			t.Errorf("left in %s: %v", dir, left)
		}
	}
	if left, _ := os.ReadDir(s.path("locks")); len(left) != 1 {
		t.Errorf("lock files left: %v", left)
	}
}

// GC waits for whoever has the store open, and says who that is.
func TestGCWaits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	cmd := helper(t, "hold", dir)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer cmd.Wait()
	var line string
	if _, err := fmt.Fscanln(out, &line); err != nil || line != "ready" {
		t.Fatalf("%q, %v", line, err)
	}
	var told []string
	s, err := Open(t.Context(), dir, &Options{Wait: func(what, holder string) {
		told = append(told, what+" "+holder)
		in.Write([]byte("x"))
	}})
	must(t, err)
	defer s.Close()
	if _, err := s.GC(t.Context(), GCOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || !strings.Contains(told[0], fmt.Sprintf("pid %d (", cmd.Process.Pid)) {
		t.Errorf("told %q, want the pid %d", told, cmd.Process.Pid)
	}
}
