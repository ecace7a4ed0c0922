package localstore

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sysc/store"
	"sysc/store/tree"
)

// newWatchedStore returns a store and what it tells of itself.
func newWatchedStore(t *testing.T) (*Store, *Progress) {
	t.Helper()
	p := &Progress{}
	s := newStore(t)
	s.opts.Progress = p
	return s, p
}

func expectStep(t *testing.T, p *Progress, want Step) {
	t.Helper()
	got := p.Now()
	if got.Began.IsZero() || time.Since(got.Began) < 0 {
		t.Errorf("step %q began at %v", got.Name, got.Began)
	}
	got.Began = time.Time{}
	if got != want {
		t.Errorf("the step is %+v, want %+v", got, want)
	}
}

// What each step counts, as it stands when the step is over.
func TestProgress(t *testing.T) {
	ctx := t.Context()
	s, p := newWatchedStore(t)
	if got := p.Now(); got != (Step{}) {
		t.Errorf("before anything was done: %+v", got)
	}
	large := strings.Repeat("x", 3*smallBlob)
	dir := write(t, "a=12345", "b=", "sub/large="+large, "link->a")
	bytes := int64(5 + len(large))

	all, err := s.AddDir(ctx, dir, &AddOptions{Name: "tree"})
	must(t, err)
	expectStep(t, p, Step{Name: "Adding files", Files: 3, Bytes: bytes})
	file, err := s.AddDir(ctx, filepath.Join(dir, "a"), &AddOptions{Name: "file"})
	must(t, err)
	expectStep(t, p, Step{Name: "Adding files", Files: 1, Bytes: 5, Size: 5, Part: 1})

	must(t, s.checkout(ctx, all.Tree, filepath.Join(t.TempDir(), "out"), layout{topMode: 0o755}))
	expectStep(t, p, Step{Name: "Placing files", Files: 3, Part: 1})
	must(t, s.Register(ctx, []store.Object{all, file}, nil))
	expectStep(t, p, Step{Name: "Writing to disk"})

	v := newVerifier(s, func(p Problem) { t.Error(p) })
	must(t, v.shards(ctx))
	if got := p.Now(); got.Name != "Verifying trees" || got.Files != 3 || got.Bytes == 0 || got.Part != 1 {
		t.Errorf("after the trees: %+v", got) // that of the file, the top and sub
	}
	must(t, v.objects(ctx))
	expectStep(t, p, Step{Name: "Verifying objects", Files: 3, Part: 1})
	_, err = s.Optimise(ctx)
	must(t, err)
	expectStep(t, p, Step{Name: "Linking files", Files: 4, Part: 1})

	s = reopen(t, s) // gives up what it relied on
	s.opts.Progress = p
	gc(t, s, GCOptions{})
	expectStep(t, p, Step{Name: "Removing garbage", Files: 4}) // a link and three files; the object that is a file went before
}

// Files that are known to be unchanged are done, but not read.
func TestProgressOfKnownFiles(t *testing.T) {
	s, p := newWatchedStore(t)
	digest, n, err := s.AddBlob(t.Context(), strings.NewReader("12345"))
	must(t, err)
	known := func(string, *unix.Stat_t) (tree.Entry, bool) {
		return tree.Entry{Type: tree.File, Mode: tree.ModeFile, Size: n, Digest: digest}, true
	}
	_, err = s.AddDir(t.Context(), write(t, "a=12345"), &AddOptions{Name: "tree", Known: known})
	must(t, err)
	expectStep(t, p, Step{Name: "Adding files", Files: 1})
}

// Whoever asks meanwhile sees a step grow.
func TestProgressMeanwhile(t *testing.T) {
	s, p := newWatchedStore(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		var last Step
		for {
			now := p.Now()
			if now.Began.Equal(last.Began) && (now.Name != last.Name || now.Files < last.Files || now.Bytes < last.Bytes || now.Part < last.Part) ||
				now.Began.Before(last.Began) || now.Part > 1 {
				t.Errorf("%+v, after %+v", now, last)
			}
			last = now
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	var files []string
	for i := range 200 {
		files = append(files, fmt.Sprintf("%d=%d", i, i))
	}
	o, err := s.AddDir(t.Context(), write(t, files...), &AddOptions{Name: "many"})
	must(t, err)
	must(t, s.Register(t.Context(), []store.Object{o}, nil))
	verify(t, s)
	gc(t, s, GCOptions{DryRun: true})
	close(stop)
	<-stopped
	if got := p.Now(); got.Name != "Measuring garbage" {
		t.Errorf("the last step was %+v", got)
	}
}
