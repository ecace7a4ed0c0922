package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/boot"
	"sysc/systems/erofs"
	"sysc/systems/generation"
)

// A Store is where a system is, and where trees that are made of it go.
type Store interface {
	systems.Source
	tree.Sink
	AddBlob(ctx context.Context, r io.Reader) (store.Digest, int64, error)
	// Closure returns the objects that are needed for some, themselves included.
	Closure(ctx context.Context, of []store.Path) ([]store.Path, error)
}

// mountPoints are directories that every generation has, for others to be mounted
// at.
var mountPoints = []string{"boot", "dev", BootDir, "etc", "home", "mnt", "proc", "root", "run", "srv", "sys", "sysc", "tmp", "var"}

// BootDir is where the boot partition is mounted in the machine: not at /boot, where
// packages have their kernels.
const BootDir = "efi"

// syscDir is sysc's own directory on the data partition and in the machine.
const syscDir = "sysc"

// Composefs writes the metadata image of a generation's root. blobPath is that of a
// [MachineStore].
func Composefs(ctx context.Context, w io.Writer, st Store, system *systems.System, blobPath func(e *tree.Entry) string) error {
	root, err := Root(ctx, st, system)
	if err != nil {
		return err
	}
	return erofs.WriteComposefs(ctx, w, st, root, blobPath)
}

// Root returns the tree that is mounted as a generation's root: that of the system, with
// the places that others are mounted at.
func Root(ctx context.Context, st Store, system *systems.System) (store.Digest, error) {
	b := tree.NewBuilder(st, system.Manifest.Root.Tree)
	for _, name := range mountPoints {
		_, ok, err := b.Get(ctx, name)
		if err != nil {
			return store.Digest{}, err
		}
		if ok {
			continue
		}
		if err := b.Mkdir(ctx, name, tree.Entry{Type: tree.Dir, Mode: 0o755}); err != nil {
			return store.Digest{}, err
		}
	}
	if err := markUpdated(ctx, st, b, "etc"); err != nil {
		return store.Digest{}, err
	}
	d, _, err := b.Write(ctx, st)
	return d, err
}

// markUpdated tells systemd that the directory dir goes with /usr: what else would be
// brought up to date when the machine starts, such as ld.so.cache, was when the
// system was built (ConditionNeedsUpdate= in systemd.unit(5)).
func markUpdated(ctx context.Context, st Store, b *tree.Builder, dir string) error {
	d, n, err := st.AddBlob(ctx, strings.NewReader(""))
	if err != nil {
		return err
	}
	return b.Put(ctx, dir+"/.updated", tree.Entry{Type: tree.File, Mode: 0o644, Digest: d, Size: n})
}

// Data returns the tree of a data partition whose first generation is system, with the
// size of its files in bytes. params are what the kernel is told on this machine,
// whatever the generation.
func Data(ctx context.Context, st Store, system *systems.System, machine MachineStore, params []string) (store.Digest, int64, error) {
	d := &data{st: st, system: system, machineStore: machine, params: params, builder: tree.NewBuilder(st, store.Digest{})}
	for _, step := range []func(context.Context) error{d.generation, d.store, d.machine} {
		if err := step(ctx); err != nil {
			return store.Digest{}, 0, fmt.Errorf("lay out data: %w", err)
		}
	}
	return d.builder.Write(ctx, st)
}

// A MachineStore is how a machine's own store is laid out.
type MachineStore struct {
	// BlobPath says where it has the contents of a file, below its directory of blobs.
	BlobPath func(e *tree.Entry) string
	// Put puts a whole store into a tree, below the directory at, in which a system is
	// valid, and kept by links: objects by the paths of links that lead to them.
	Put func(ctx context.Context, b *tree.Builder, at string, system store.Path, links map[string]store.Path) error
}

type data struct {
	st           Store
	system       *systems.System
	machineStore MachineStore
	params       []string
	builder      *tree.Builder
}

// number is that of the first generation.
const number generation.Number = 1

// created is when it was made, as far as anybody is told: when an image is made says
// nothing about the machine.
var created = time.Unix(1, 0)

// generation puts the first generation in: its record, and the image of its root. What
// the root's files contain is in the store.
func (d *data) generation(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "sysc-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := d.commit(ctx, dir); err != nil {
		return err
	}
	at := filepath.Join(dir, generation.Dir)
	return filepath.WalkDir(at, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case e.Name() == filepath.Base(generation.StagingDir):
			return fs.SkipDir
		case e.IsDir():
			return d.builder.Mkdir(ctx, name, tree.Entry{Type: tree.Dir, Mode: 0o755})
		case e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return d.builder.Put(ctx, name, tree.Entry{Type: tree.Link, Mode: tree.ModeLink, Target: target})
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 { // a lock file
			return err
		}
		return d.file(ctx, name, bytes.NewReader(text))
	})
}

// commit makes the first generation below a directory, as a switch would.
func (d *data) commit(ctx context.Context, dir string) (err error) {
	profile, err := generation.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, profile.Close()) }()
	unlock, err := profile.Lock(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	objects, err := d.closure(ctx)
	if err != nil {
		return err
	}
	m := d.system.Manifest
	record := &generation.Record{
		Number: number, System: d.system.Path, Name: m.Name, Manifest: d.system.Digest,
		Created: created, Objects: objects,
	}
	if m.Kernel != nil {
		record.Kernel = m.Kernel.Version
	}
	activation := generation.Activation{To: number, New: true, Time: created}
	image := func(w io.Writer) error { return Composefs(ctx, w, d.st, d.system, d.machineStore.BlobPath) }
	return errors.Join(profile.Commit(record, image), profile.SetCurrent(number), profile.End(activation, nil))
}

// closure returns the objects beside the system object that stand in the machine as
// directories.
func (d *data) closure(ctx context.Context) ([]store.Path, error) {
	closure, err := d.st.Closure(ctx, []store.Path{d.system.Path})
	if err != nil {
		return nil, err
	}
	var list []store.Path
	for _, p := range closure {
		obj, err := d.st.Object(ctx, p)
		if err != nil {
			return nil, err
		}
		if obj.Kind != store.KindRoot && p != d.system.Path {
			list = append(list, p)
		}
	}
	return list, nil
}

func (d *data) file(ctx context.Context, name string, r io.Reader) error {
	digest, size, err := d.st.AddBlob(ctx, r)
	if err != nil {
		return err
	}
	return d.builder.Put(ctx, name, tree.Entry{Type: tree.File, Mode: 0o644, Digest: digest, Size: size})
}

// store puts the machine's store in, whose objects its generation keeps.
func (d *data) store(ctx context.Context) error {
	links := map[string]store.Path{"/" + generation.SystemLink(number): d.system.Path}
	return d.machineStore.Put(ctx, d.builder, syscDir, d.system.Path, links)
}

// machine puts the directories in that are the machine's own, with what the system
// has in them to begin with.
func (d *data) machine(ctx context.Context) error {
	top, err := d.st.Tree(ctx, d.system.Manifest.Root.Tree)
	if err != nil {
		return err
	}
	for _, e := range top.Entries {
		if e.Type != tree.Dir || systems.Owned(e.Name) || systems.Volatile(e.Name) || e.Name == syscDir || e.Name == "boot" {
			continue
		}
		if err := d.builder.Put(ctx, e.Name, e); err != nil {
			return err
		}
	}
	if err := markUpdated(ctx, d.st, d.builder, "var"); err != nil {
		return err
	}
	return d.file(ctx, boot.ParamsName, strings.NewReader(strings.Join(d.params, " ")+"\n"))
}
