package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"sysc/store"
	"sysc/store/tree"
)

// chunk is how much of a file is looked at at once, in bytes.
const chunk = 1 << 20

// walkOutput calls the functions for each regular file and each link of an
// output in dir. No link is followed. What else is there is left to AddDir to
// refuse.
func walkOutput(ctx context.Context, dir, name string, file func(*os.Root, string) error, link func(root *os.Root, name, target string) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	var visit func(name string, depth int) error
	visit = func(name string, depth int) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		switch {
		case info.Mode().IsRegular():
			return file(root, name)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := root.Readlink(name)
			if err != nil {
				return err
			}
			return link(root, name, target)
		case !info.IsDir():
			return nil
		case depth > tree.MaxDepth:
			return fmt.Errorf("%s: more than %d directories deep", name, tree.MaxDepth)
		}
		list, err := fs.ReadDir(root.FS(), name)
		if err != nil {
			return err
		}
		for _, item := range list {
			if err := visit(path.Join(name, item.Name()), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(name, 0)
}

// findIDs tells which ids stand in an output, and in which of its files.
func findIDs(ctx context.Context, dir, name string, ids []string) (map[string]string, error) {
	found := make(map[string]string)
	scan := func(where string, window []byte) {
		for _, id := range ids {
			if _, ok := found[id]; !ok && bytes.Contains(window, []byte(id)) {
				found[id] = where
			}
		}
	}
	err := walkOutput(ctx, dir, name, func(root *os.Root, name string) error {
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return eachWindow(f, func(_ int64, window []byte) error { scan(name, window); return nil })
	}, func(_ *os.Root, name, target string) error {
		scan(name, []byte(target))
		return nil
	})
	return found, err
}

// rewriteIDs replaces ids in an output by others of the same length.
func rewriteIDs(ctx context.Context, dir, name string, real map[string]string) error {
	return walkOutput(ctx, dir, name, func(root *os.Root, name string) error {
		return rewriteFile(root, name, real)
	}, func(root *os.Root, name, target string) error {
		changed := target
		for id, to := range real {
			changed = string(bytes.ReplaceAll([]byte(changed), []byte(id), []byte(to)))
		}
		if changed == target {
			return nil
		}
		if err := root.Remove(name); err != nil {
			return err
		}
		return root.Symlink(changed, name)
	})
}

func rewriteFile(root *os.Root, name string, real map[string]string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	at := make(map[int64]string)
	err = eachWindow(f, func(offset int64, window []byte) error {
		for id, to := range real {
			for i := 0; ; i++ {
				next := bytes.Index(window[i:], []byte(id))
				if next < 0 {
					break
				}
				i += next
				at[offset+int64(i)] = to
			}
		}
		return nil
	})
	if err != nil || len(at) == 0 {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// What a builder left may be read-only.
	if err := f.Chmod(info.Mode().Perm() | 0o200); err != nil {
		return err
	}
	w, err := root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for offset, to := range at {
		if _, err := w.WriteAt([]byte(to), offset); err != nil {
			w.Close()
			return err
		}
	}
	return errors.Join(w.Close(), f.Chmod(info.Mode().Perm()))
}

// eachWindow calls fn with windows of a file that overlap by an id less one byte.
func eachWindow(r io.Reader, fn func(offset int64, window []byte) error) error {
	buf := make([]byte, chunk)
	have, offset := 0, int64(0)
	for {
		n, err := io.ReadFull(r, buf[have:])
		have += n
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err := fn(offset, buf[:have]); err != nil {
			return err
		}
		if err != nil {
			return nil
		}
		keep := min(have, store.IDLen-1)
		copy(buf, buf[have-keep:have])
		offset += int64(have - keep)
		have = keep
	}
}
