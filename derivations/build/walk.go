package build

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"sysc/internal/procfd"
	"sysc/store/tree"
)

// An outputWalk goes through what a program left for one output, directories
// after what is in them. It follows no link, and opens what the program closed
// even to its owner, which sysc is when an ordinary user builds. What is neither
// a file, nor a link, nor a directory is left to AddDir to refuse. link and name may
// be nil.
type outputWalk struct {
	file func(e outputEntry) error
	link func(e outputEntry, target string) error
	// name is called last for each entry, except for the output itself, whose
	// name is its own.
	name func(e outputEntry) error
}

// An outputEntry is one name in an open directory. path leads there from the
// output, which is "" itself.
type outputEntry struct {
	dir        int
	name, path string
}

// run walks through the output name in dir.
func (w *outputWalk) run(ctx context.Context, dir, name string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	return w.visit(ctx, outputEntry{dir: fd, name: name}, 0)
}

func (w *outputWalk) visit(ctx context.Context, e outputEntry, depth int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(e.dir, e.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return e.failed("stat", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return w.file(e)
	case unix.S_IFLNK:
		if w.link == nil {
			return nil
		}
		buf := make([]byte, tree.MaxTarget+1)
		n, err := unix.Readlinkat(e.dir, e.name, buf)
		if err != nil {
			return e.failed("read link", err)
		}
		return w.link(e, string(buf[:n]))
	case unix.S_IFDIR:
		return w.list(ctx, e, depth)
	}
	return nil
}

func (w *outputWalk) list(ctx context.Context, e outputEntry, depth int) error {
	if depth > tree.MaxDepth {
		return fmt.Errorf("%q: more than %d directories deep", e.path, tree.MaxDepth)
	}
	dir, err := e.open(unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return e.failed("list", err)
	}
	slices.Sort(names)
	for _, name := range names {
		sub := outputEntry{dir: int(dir.Fd()), name: name, path: path.Join(e.path, name)}
		if err := w.visit(ctx, sub, depth+1); err != nil {
			return err
		}
		if w.name == nil {
			continue
		}
		if err := w.name(sub); err != nil {
			return err
		}
	}
	return nil
}

// open opens a file to read it, or a directory to change it too. The owner gets
// the permissions that takes; canonical modes know nothing of them.
func (e outputEntry) open(flags int) (*os.File, error) {
	fd, err := procfd.OpenOwn(e.dir, e.name, unix.O_RDONLY|flags)
	if err != nil {
		return nil, e.failed("open", err)
	}
	return os.NewFile(uintptr(fd), e.path), nil
}

func (e outputEntry) failed(op string, err error) error {
	return fmt.Errorf("%s %q: %w", op, e.path, err)
}
