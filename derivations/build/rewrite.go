package build

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"sysc/internal/procfd"
	"sysc/store"
	"sysc/store/localstore"
)

// findIDs tells which ids stand in an output, and where each does first: in a
// file, the target of a link, or a name below the output's own.
func findIDs(ctx context.Context, dir, name string, ids []string) (map[string]localstore.Edge, error) {
	found := make(map[string]localstore.Edge)
	scan := func(window []byte, where localstore.Edge) {
		for _, id := range ids {
			if _, ok := found[id]; !ok && bytes.Contains(window, []byte(id)) {
				found[id] = where
			}
		}
	}
	w := outputWalk{
		file: func(e outputEntry) error {
			return e.eachWindow(func(_ int64, window []byte) { scan(window, localstore.Edge{File: e.path}) })
		},
		link: func(e outputEntry, target string) error {
			scan([]byte(target), localstore.Edge{File: e.path, Link: true})
			return nil
		},
		name: func(e outputEntry) error {
			scan([]byte(e.name), localstore.Edge{File: e.path, Name: true})
			return nil
		},
	}
	return found, w.run(ctx, dir, name)
}

// rewriteIDs replaces ids in an output by others of the same length: in files,
// targets of links, and names below the output's own.
func rewriteIDs(ctx context.Context, dir, name string, real map[string]string) error {
	w := outputWalk{
		file: func(e outputEntry) error { return rewriteFile(e, real) },
		link: func(e outputEntry, target string) error {
			changed := rewriteText(target, real)
			if changed == target {
				return nil
			}
			if err := unix.Unlinkat(e.dir, e.name, 0); err != nil {
				return e.failed("replace", err)
			}
			if err := unix.Symlinkat(changed, e.dir, e.name); err != nil {
				return e.failed("replace", err)
			}
			return nil
		},
		name: func(e outputEntry) error {
			changed := rewriteText(e.name, real)
			if changed == e.name {
				return nil
			}
			err := unix.Renameat2(e.dir, e.name, e.dir, changed, unix.RENAME_NOREPLACE)
			if err == unix.EEXIST {
				return fmt.Errorf("%q: with the other output's real id it is called %q, which is there too", e.path, changed)
			}
			if err != nil {
				return e.failed("rename", err)
			}
			return nil
		},
	}
	return w.run(ctx, dir, name)
}

// A patch is an id to be written at an offset.
type patch struct {
	offset int64
	id     string
}

// findPatches appends what is to be written into a window that begins at
// offset.
func findPatches(patches []patch, offset int64, window []byte, real map[string]string) []patch {
	for id, to := range real {
		for i := 0; ; i++ {
			next := bytes.Index(window[i:], []byte(id))
			if next < 0 {
				break
			}
			i += next
			patches = append(patches, patch{offset + int64(i), to})
		}
	}
	return patches
}

// inOrder sorts patches: of two that overlap the later one must win always.
func inOrder(patches []patch) []patch {
	slices.SortFunc(patches, func(a, b patch) int { return cmp.Compare(a.offset, b.offset) })
	return patches
}

func rewriteText(text string, real map[string]string) string {
	if len(text) < store.IDLen {
		return text
	}
	changed := []byte(text)
	for _, p := range inOrder(findPatches(nil, 0, changed, real)) {
		copy(changed[p.offset:], p.id)
	}
	return string(changed)
}

func rewriteFile(e outputEntry, real map[string]string) error {
	var patches []patch
	err := e.eachWindow(func(offset int64, window []byte) {
		patches = findPatches(patches, offset, window, real)
	})
	if err != nil || len(patches) == 0 {
		return err
	}
	return e.patch(inOrder(patches))
}

// patch writes into a file, patches in order.
func (e outputEntry) patch(patches []patch) error {
	f, err := e.open(0)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return e.failed("stat", err)
	}
	// What a builder left may be read-only.
	if err := unix.Fchmod(int(f.Fd()), st.Mode&0o7777|0o200); err != nil {
		return e.failed("make writable", err)
	}
	fd, err := procfd.Reopen(int(f.Fd()), unix.O_WRONLY)
	if err != nil {
		return e.failed("open", err)
	}
	w := os.NewFile(uintptr(fd), e.path)
	for _, p := range patches {
		if _, err := w.WriteAt([]byte(p.id), p.offset); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}
