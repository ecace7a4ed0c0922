package localstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sysc/store"
)

// TestConcurrentCollection lets processes add, register, check out, root, read
// and drop what they made, collecting garbage now and then, all with much the
// same contents. Nothing that somebody has a root for or uses may be missing.
// `make soak` does it for longer, and kills.
func TestConcurrentCollection(t *testing.T) {
	f := newFleet(t, 4)
	time.Sleep(3 * time.Second)
	f.stop()
	f.check(f.workers...)
	f.checkLeftovers()
	if f.rounds < 20 {
		t.Errorf("%d rounds: were the processes at work?", f.rounds)
	}
	t.Logf("%d rounds of %d processes", f.rounds, len(f.workers))
}

// A fleet is a store and processes that use it. What they report is remembered:
// the roots that have to be there.
type fleet struct {
	t       testing.TB
	store   *Store
	workers []*worker
	rounds  int
	seed    uint64
}

// A worker is one process after another, with the same roots.
type worker struct {
	number int
	cmd    *exec.Cmd
	stdin  interface{ Close() error }
	done   chan error

	// These are of the goroutine that follows the process, until done says more.
	roots map[string]store.Path
	count int // rounds
	// changing is a root that the process may have been about to change when it
	// was killed.
	changing string
}

func newFleet(t testing.TB, workers int) *fleet {
	f := &fleet{t: t, store: newStore(t), seed: rand.Uint64()}
	t.Logf("seed %d", f.seed)
	for i := range workers {
		w := &worker{number: i, roots: map[string]store.Path{}}
		f.workers = append(f.workers, w)
		f.start(w)
	}
	t.Cleanup(func() {
		for _, w := range f.workers {
			if w.cmd != nil {
				w.cmd.Process.Kill()
				<-w.done
			}
		}
	})
	return f
}

// start starts a worker's process.
func (f *fleet) start(w *worker) {
	f.t.Helper()
	f.seed++
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
	cmd.Env = append(os.Environ(), "SYSC_HELPER=stress", "SYSC_STORE="+f.store.Dir(),
		"SYSC_NUMBER="+strconv.Itoa(w.number), "SYSC_SEED="+strconv.FormatUint(f.seed, 10))
	var err error
	w.stdin, err = cmd.StdinPipe()
	must(f.t, err)
	out, err := cmd.StdoutPipe()
	must(f.t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	must(f.t, cmd.Start())
	w.cmd = cmd
	w.done = make(chan error, 1)
	go func() {
		bad := w.follow(bufio.NewScanner(out))
		err := cmd.Wait()
		killed := !cmd.ProcessState.Exited()
		if bad != "" || err != nil && !killed {
			w.done <- fmt.Errorf("worker %d: %v: %s\n%s", w.number, err, bad, &stderr)
			return
		}
		w.done <- nil
	}()
}

// follow reads what the process reports and returns what is no report.
func (w *worker) follow(lines *bufio.Scanner) (bad string) {
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 1 && fields[0] == "round":
			w.count++
		case len(fields) == 2 && fields[0] == "change":
			w.changing = fields[1]
		case len(fields) == 3 && fields[0] == "root":
			w.roots[fields[1]], w.changing = store.Path(fields[2]), ""
		case len(fields) == 2 && fields[0] == "dropped":
			delete(w.roots, fields[1])
			w.changing = ""
		default:
			bad += lines.Text() + "\n"
		}
	}
	return bad
}

// stop lets all workers end in order.
func (f *fleet) stop() {
	f.t.Helper()
	for _, w := range f.workers {
		w.stdin.Close()
	}
	for _, w := range f.workers {
		if err := <-w.done; err != nil {
			f.t.Error(err)
		}
		w.cmd = nil
		f.rounds += w.count
		w.count = 0
	}
}

// kill kills a worker's process and checks the store, while the others go on.
func (f *fleet) kill(w *worker) {
	f.t.Helper()
	w.cmd.Process.Kill() // if it has ended, done says why
	if err := <-w.done; err != nil {
		f.t.Error(err)
	}
	w.cmd = nil
	f.check(w)
	f.settle(w)
}

// settle looks what came of the change that a killed process was about to make.
func (f *fleet) settle(w *worker) {
	f.t.Helper()
	if w.changing == "" {
		return
	}
	delete(w.roots, w.changing)
	roots := f.roots() // once: the others change theirs
	if i := slices.IndexFunc(roots, func(r Root) bool { return r.Name == w.changing }); i >= 0 {
		w.roots[w.changing] = roots[i].Path
	}
	w.changing = ""
}

func (f *fleet) roots() []Root {
	f.t.Helper()
	roots, err := f.store.Roots(f.t.Context())
	must(f.t, err)
	return roots
}

// check looks whether the store is sound and has what workers, whose processes
// have ended, want it to have.
func (f *fleet) check(workers ...*worker) {
	f.t.Helper()
	verify(f.t, f.store)
	roots := map[string]store.Path{}
	for _, r := range f.roots() {
		roots[r.Name] = r.Path
	}
	for _, w := range workers {
		for name, p := range w.roots {
			if got := roots[name]; got != p && name != w.changing {
				f.t.Errorf("root %s is %q, want %s", name, got, p)
			}
			if _, err := f.store.object(f.t.Context(), p); err != nil && name != w.changing {
				f.t.Errorf("root %s: %v", name, err)
			}
		}
	}
}

// checkLeftovers looks whether something is left of processes.
func (f *fleet) checkLeftovers() {
	f.t.Helper()
	if left, err := Leftovers(f.store.Dir()); err != nil || len(left) > 0 {
		f.t.Errorf("left over: %q, %v", left, err)
	}
}

// stressWorker is what a worker's process does until its stdin is closed.
func stressWorker(ctx context.Context, dir string) error {
	seed, err := strconv.ParseUint(os.Getenv("SYSC_SEED"), 10, 64)
	if err != nil {
		return err
	}
	w := &stress{dir: dir, name: "w" + os.Getenv("SYSC_NUMBER"), random: rand.New(rand.NewPCG(seed, seed))}
	stop := make(chan struct{})
	go func() {
		os.Stdin.Read(make([]byte, 1))
		close(stop)
	}()
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := w.round(ctx); err != nil {
			return err
		}
		fmt.Println("round")
	}
}

type stress struct {
	dir, name string
	random    *rand.Rand
}

// round opens the store, does some things and closes it.
func (w *stress) round(ctx context.Context) (err error) {
	s, err := Open(ctx, w.dir, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	previous, err := w.lookUp(ctx, s)
	if err != nil {
		return err
	}
	for range 1 + w.random.IntN(4) {
		o, err := w.make(ctx, s, previous)
		if err != nil {
			return fmt.Errorf("make: %w", err)
		}
		if err := w.read(ctx, s, o); err != nil {
			return fmt.Errorf("read what was just registered: %w", err)
		}
		name := fmt.Sprintf("%s/%d", w.name, w.random.IntN(6))
		switch w.random.IntN(4) {
		case 0:
			fmt.Println("change", name)
			if err := s.RemoveRoot(ctx, name); err != nil {
				return err
			}
			fmt.Println("dropped", name)
		case 1, 2:
			fmt.Println("change", name)
			if err := s.AddRoot(ctx, name, o.Path); err != nil {
				return err
			}
			fmt.Println("root", name, o.Path)
		}
		previous = []store.Path{o.Path}
	}
	if w.random.IntN(5) == 0 {
		if _, err := s.GC(ctx, GCOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// lookUp reads one of the worker's own roots, whole, and takes a random other
// object, which is there to stay or not there at all.
func (w *stress) lookUp(ctx context.Context, s *Store) ([]store.Path, error) {
	roots, err := s.Roots(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range roots {
		if !strings.HasPrefix(r.Name, w.name+"/") {
			continue
		}
		o, err := s.Object(ctx, r.Path)
		if err != nil {
			return nil, fmt.Errorf("root %s: %w", r.Name, err)
		}
		if err := w.read(ctx, s, o); err != nil {
			return nil, fmt.Errorf("root %s: %w", r.Name, err)
		}
	}
	all, err := s.Objects(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	p := all[w.random.IntN(len(all))]
	o, err := s.Object(ctx, p)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []store.Path{p}, w.read(ctx, s, o)
}

// make adds an object of few possible contents, so that others make the same,
// and that may refer to previous ones.
func (w *stress) make(ctx context.Context, s *Store, previous []store.Path) (o store.Object, err error) {
	dir, remove, err := s.TempDir(ctx, "stress")
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	for range 1 + w.random.IntN(5) {
		content := strconv.Itoa(w.random.IntN(30))
		if w.random.IntN(5) == 0 {
			content = strings.Repeat(content+"large", smallBlob/5) // via tmp
		}
		if len(previous) > 0 && w.random.IntN(3) == 0 {
			content += previous[0].ID()
		}
		name := filepath.Join(dir, "d"+strconv.Itoa(w.random.IntN(3)), "f"+strconv.Itoa(w.random.IntN(3)))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return o, err
		}
		mode := fs.FileMode(0o644)
		if w.random.IntN(4) == 0 {
			mode = 0o755
		}
		if err := os.WriteFile(name, []byte(content), mode); err != nil {
			return o, err
		}
	}
	kind := store.KindTree
	if w.random.IntN(3) == 0 {
		kind = store.KindRoot
	}
	o, err = s.AddDir(ctx, dir, &AddOptions{Name: "stress", Kind: kind, Candidates: previous})
	if err != nil {
		return o, err
	}
	return o, s.Register(ctx, []store.Object{o}, nil)
}

// read reads all of an object by its listing and, if it has one, on disk.
func (w *stress) read(ctx context.Context, s *Store, o store.Object) error {
	dir := s.PhysicalPath(o.Path)
	if o.Kind == store.KindRoot {
		var err error
		if dir, err = s.CheckoutDir(ctx, o.Tree); err != nil {
			return err
		}
	}
	scratch, remove, err := s.TempDir(ctx, "read")
	if err != nil {
		return err
	}
	if err := s.Checkout(ctx, o.Tree, scratch, store.CheckoutOptions{}); err != nil {
		return errors.Join(err, remove())
	}
	err = filepath.WalkDir(scratch, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(scratch, path)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(dir, rel))
		if err != nil {
			return err
		}
		if string(got) != string(want) {
			return fmt.Errorf("%s/%s differs from its listing", dir, rel)
		}
		return nil
	})
	return errors.Join(err, remove())
}
