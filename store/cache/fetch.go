package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"

	"sysc/internal/download"
	"sysc/internal/par"
	"sysc/store"
	"sysc/store/export"
	"sysc/store/sign"
)

// maxObjects bounds what is fetched for one object.
const maxObjects = 200_000

// A wantedObject is one that has to come.
type wantedObject struct {
	path store.Path
	info *objectInfo
}

// fetch makes an object valid from this cache.
func (c *cache) fetch(ctx context.Context, p store.Path, progress func(done, total int64)) error {
	list, err := c.wanted(ctx, p)
	if err != nil {
		return err
	}
	var done, total int64
	for _, one := range list {
		total += one.info.size
	}
	for _, one := range list {
		err := c.fetchOne(ctx, one, func(n int64) {
			if progress != nil {
				progress(done+n, total)
			}
		})
		if err != nil {
			return err
		}
		done += one.info.size
	}
	return nil
}

// wanted finds the objects that are not valid, in an order in which they can be
// imported.
func (c *cache) wanted(ctx context.Context, p store.Path) ([]wantedObject, error) {
	infos := map[store.Path]*objectInfo{}
	for level := []store.Path{p}; len(level) > 0; {
		if len(infos)+len(level) > maxObjects {
			return nil, fmt.Errorf("%s needs more than %d objects", p, maxObjects)
		}
		found := make([]*objectInfo, len(level))
		err := par.Do(ctx, len(level), lookUps, func(ctx context.Context, i int) (err error) {
			found[i], err = c.info(ctx, level[i])
			return err
		})
		if err != nil {
			return nil, err
		}
		var needs []store.Path
		for i, info := range found {
			infos[level[i]] = info
			needs = append(needs, info.needs...)
		}
		if level, err = c.absent(ctx, needs, infos); err != nil {
			return nil, err
		}
	}
	return inOrder(p, infos)
}

// absent returns those of some objects, each once, that are not valid and not known.
func (c *cache) absent(ctx context.Context, paths []store.Path, known map[store.Path]*objectInfo) ([]store.Path, error) {
	slices.Sort(paths)
	paths = slices.Compact(paths)
	valid, err := c.of.store.Valid(ctx, paths)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(paths, func(p store.Path) bool { return valid[p] || known[p] != nil }), nil
}

// info reads about an object. What nobody trusted is said to have signed is not
// fetched in vain.
func (c *cache) info(ctx context.Context, p store.Path) (*objectInfo, error) {
	data := c.read(ctx, objectFile(p))
	if data == nil {
		return nil, fmt.Errorf("%s: %w", p, store.ErrNotExist)
	}
	info, err := decodeObject(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", objectFile(p), err)
	}
	names := keyNames(info.signatures)
	if !slices.ContainsFunc(names, c.of.trusted.Has) {
		return nil, untrusted("objects", names, c.of.trusted)
	}
	return info, nil
}

// inOrder puts what an object needs in front of it.
func inOrder(p store.Path, infos map[store.Path]*objectInfo) ([]wantedObject, error) {
	var list []wantedObject
	const open, placed = 1, 2
	state := map[store.Path]int{}
	stack := []store.Path{p}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		if state[at] != 0 {
			if stack = stack[:len(stack)-1]; state[at] == open {
				state[at] = placed
				list = append(list, wantedObject{at, infos[at]})
			}
			continue
		}
		state[at] = open
		for _, need := range infos[at].needs {
			if infos[need] == nil {
				continue // it is valid
			}
			if state[need] == open {
				return nil, fmt.Errorf("%s needs itself", need)
			}
			if state[need] == 0 {
				stack = append(stack, need)
			}
		}
	}
	return list, nil
}

// fetchOne downloads the stream of an object and takes it in. What it needs is valid.
func (c *cache) fetchOne(ctx context.Context, one wantedObject, progress func(done int64)) (err error) {
	unlock, err := c.of.store.Lock(ctx, "cache "+one.info.stream.Hex(), func(string) {})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// Somebody else may have been faster.
	if valid, err := c.of.store.Valid(ctx, []store.Path{one.path}); err != nil || valid[one.path] {
		return err
	}
	if err := os.MkdirAll(c.of.dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(c.of.dir, one.info.stream.Hex())
	err = c.client.Fetch(ctx, download.Request{
		URLs: []string{addressOf(c.address, streamFile(one.info.stream))}, Dest: file, SHA256: one.info.stream, Size: one.info.size,
		Progress: func(done, _ int64) { progress(done) },
	})
	if err != nil {
		return err
	}
	defer os.Remove(file)
	return c.take(ctx, one, file)
}

// maxWindow bounds the memory of unpacking a stream, in bytes.
const maxWindow = 128 << 20

// take imports a stream, which has to bring a certain object.
func (c *cache) take(ctx context.Context, one wantedObject, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	unpacked, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer unpacked.Close()
	result, err := export.Import(ctx, unpacked, c.of.store, export.ImportOptions{
		Trusted: c.of.trusted, Beside: map[store.Path][]sign.Signature{one.path: one.info.signatures},
	})
	if err != nil {
		return err
	}
	if !slices.Contains(result.Objects, one.path) {
		return fmt.Errorf("the stream of %s does not have it", one.path)
	}
	return nil
}
