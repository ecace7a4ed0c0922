package localstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sysc/internal/par"
	"sysc/store"
	"sysc/store/tree"
)

// OptimiseResult says what [Store.Optimise] saved.
type OptimiseResult struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Optimise makes files of objects links to their blobs again, where they are
// copies: because a program copied the whole store without its hard links, or
// because the file system allowed no more links when they were made. Each file is
// replaced by one rename, so others may go on reading.
func (s *Store) Optimise(ctx context.Context) (OptimiseResult, error) {
	o := optimiser{s: s}
	if err := o.run(ctx); err != nil {
		return OptimiseResult{}, fmt.Errorf("optimise: %w", err)
	}
	return OptimiseResult{Files: int(o.files.Load()), Bytes: o.bytes.Load()}, nil
}

type optimiser struct {
	s     *Store
	work  *work
	files atomic.Int64
	bytes atomic.Int64
}

func (o *optimiser) run(ctx context.Context) error {
	objects, err := o.s.Objects(ctx)
	if err != nil {
		return err
	}
	o.work = o.s.opts.Progress.begin(&work{name: "Linking files", total: int64(len(objects))})
	return par.Do(ctx, len(objects), o.s.jobs, func(ctx context.Context, i int) error {
		defer o.work.done.Add(1)
		err := o.object(ctx, objects[i])
		if errors.Is(err, store.ErrNotExist) {
			return nil // collected meanwhile
		}
		if err != nil {
			return fmt.Errorf("%s: %w", objects[i], err)
		}
		return nil
	})
}

func (o *optimiser) object(ctx context.Context, p store.Path) error {
	object, err := o.s.Object(ctx, p) // it stays
	if err != nil || object.Kind == store.KindRoot {
		return err
	}
	if object.Kind == store.KindTree {
		fd, err := openDir(o.s.objectDir.fd, string(p))
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return o.dir(ctx, fd, object.Tree, 0)
	}
	t, err := o.s.Tree(ctx, object.Tree)
	if err != nil {
		return err
	}
	e := t.Entries[0]
	e.Name = string(p)
	return o.file(ctx, o.s.objectDir.fd, &e)
}

func (o *optimiser) dir(ctx context.Context, fd int, d store.Digest, depth int) error {
	if depth > tree.MaxDepth {
		return fmt.Errorf("deeper than %d directories", tree.MaxDepth)
	}
	t, err := o.s.Tree(ctx, d)
	if err != nil {
		return err
	}
	// Its owner may need to be allowed to write; sealed again below.
	if err := unix.Fchmod(fd, 0o755); err != nil {
		return err
	}
	err = o.entries(ctx, fd, t, depth)
	return errors.Join(err, unix.Fchmod(fd, tree.ModeDir), futimens(fd))
}

func (o *optimiser) entries(ctx context.Context, fd int, t *tree.Tree, depth int) error {
	for i := range t.Entries {
		e := &t.Entries[i]
		switch e.Type {
		case tree.File:
			if err := o.file(ctx, fd, e); err != nil {
				return fmt.Errorf("%q: %w", e.Name, err)
			}
		case tree.Dir:
			sub, err := openDir(fd, e.Name)
			if err != nil {
				return fmt.Errorf("%q: %w", e.Name, err)
			}
			err = o.dir(ctx, sub, e.Digest, depth+1)
			unix.Close(sub)
			if err != nil {
				return fmt.Errorf("%q: %w", e.Name, err)
			}
		}
	}
	return ctx.Err()
}

// file makes e.Name in dir a link to its blob.
func (o *optimiser) file(ctx context.Context, dir int, e *tree.Entry) error {
	o.work.files.Add(1)
	linked, err := o.s.isLinked(dir, e)
	if linked || err != nil || e.Size == 0 {
		return err
	}
	tmp := o.s.tempName()
	if done, err := o.s.linkBlob(ctx, dir, tmp, e); !done || err != nil {
		return err
	}
	if err := unix.Renameat(dir, tmp, dir, e.Name); err != nil {
		unix.Unlinkat(dir, tmp, 0)
		return err
	}
	o.files.Add(1)
	o.bytes.Add(e.Size)
	return nil
}

// isLinked reports whether e.Name in dir is a link to its blob.
func (s *Store) isLinked(dir int, e *tree.Entry) (bool, error) {
	shard, err := s.blobDirs.fd(e.Digest, false)
	if err != nil {
		return false, err
	}
	var here, there unix.Stat_t
	if err := unix.Fstatat(dir, e.Name, &here, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	err = unix.Fstatat(shard, formOf(e).shardedName(e.Digest), &there, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && here.Ino == there.Ino && here.Dev == there.Dev, nil
}
