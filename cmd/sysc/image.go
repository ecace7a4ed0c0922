package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sysc/derivations"
	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/internal/atomicfile"
	"sysc/internal/bytesize"
	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/image"
	"sysc/systems/tarball"
)

type imageFlags struct {
	format, output string
	compress       tarball.Compression
	size, bootSize int64
	params         []string          // of the kernel, beside the system's
	etc            map[string]string // files of the machine's own there
}

func (a *app) imageCommand() *cobra.Command {
	flags := imageFlags{format: "raw", bootSize: image.DefaultBootSize}
	var builds buildFlags
	var names []string
	const width = 8
	long := "Build a system and write what a machine boots from, without privileges: the same system\ngives the same bytes. Formats:\n\n"
	for _, f := range imageFormats() {
		names = append(names, f.name)
		long += fmt.Sprintf("  %-*s %s\n", width, f.name, f.what)
	}
	cmd := &cobra.Command{
		Use:   "image [SYSTEM]",
		Short: "Write a system as a disk, or as a file system",
		Long: long + `
A disk has a boot partition with boot loaders, kernel and initrd, and a partition for
everything else: the system as generation 1, a store that it came from, and what the
machine will write. The system needs a kernel and a boot loader for it, such as from Debian's
packages linux-image-amd64 and systemd-boot-efi, for a BIOS grub-pc-bin. Parts of the file
that are empty take no room.

What runs from memory needs no disk, and keeps nothing: each start is the first.`,
		Example: "  sysc image --output laptop.raw\n  sysc image server --output server.raw --size 20G\n  sysc image --format erofs --output root.erofs\n  sysc image --format tar --output root.tar.zst\n  sysc image --format iso --output laptop.iso\n  sysc image --format netboot --output tftp/laptop",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := chooseFormat(cmd.Flags(), &flags)
			if err != nil {
				return err
			}
			return a.image(cmd.Context(), firstArg(args), format, flags, builds)
		},
	}
	a.projectFlags(cmd)
	a.buildFlags(cmd, &builds)
	cmd.Flags().StringVar(&flags.format, "format", flags.format, "write `FORMAT`: "+strings.Join(names, ", "))
	cmd.Flags().StringVarP(&flags.output, "output", "o", "", "write to `FILE`, or to a directory that is made for it")
	cmd.Flags().StringVar((*string)(&flags.compress), "compress", "", "compress an archive by `METHOD`: gzip, zstd or none (default: what its name says; gzip in an image)")
	cmd.Flags().Var((*byteLimit)(&flags.size), "size", "make the disk `SIZE` large, as in 20G (default: what the system takes, and 2 GiB)")
	cmd.Flags().Var((*byteLimit)(&flags.bootSize), "boot-size", "make its boot partition `SIZE` large")
	return cmd
}

// chooseFormat returns the format that is asked for, and refuses what makes no sense of
// it, before anything is built.
func chooseFormat(set *pflag.FlagSet, flags *imageFlags) (*imageFormat, error) {
	formats := imageFormats()
	at := slices.IndexFunc(formats, func(f imageFormat) bool { return f.name == flags.format })
	switch {
	case flags.output == "":
		return nil, errors.New("say with --output where the image is to go")
	case at < 0:
		return nil, fmt.Errorf("unknown format %q (see sysc image --help)", flags.format)
	}
	for _, name := range slices.Concat(diskFlags, archiveFlags) {
		if set.Changed(name) && !slices.Contains(formats[at].flags, name) {
			return nil, fmt.Errorf("--%s says nothing about the format %s", name, flags.format)
		}
	}
	if flags.compress != "" {
		if err := flags.compress.Check(); err != nil {
			return nil, err
		}
	}
	return &formats[at], nil
}

func (a *app) image(ctx context.Context, arg string, format *imageFormat, flags imageFlags, builds buildFlags) error {
	return a.withSystem(ctx, arg, builds, func(b *builtSystem) error {
		size, err := format.put(ctx, b, flags)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(struct {
				System store.Path `json:"system"`
				Format string     `json:"format"`
				Path   string     `json:"path"`
				Size   int64      `json:"size"`
			}{b.Path, flags.format, flags.output, size})
		}
		a.say("Wrote %s, %s.", flags.output, bytesize.Format(size))
		return nil
	})
}

// put writes an image where it belongs, whole or not at all, and returns its size in bytes.
func (f *imageFormat) put(ctx context.Context, b *builtSystem, flags imageFlags) (size int64, err error) {
	if f.fill != nil {
		return putDir(flags.output, func(dir string) error { return f.fill(ctx, dir, b) })
	}
	const shared = 0o644
	err = atomicfile.Write(flags.output, shared, func(file *os.File) error {
		return f.write(ctx, file, b, flags)
	})
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(flags.output)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// putDir makes a directory of files, which must not be there, and returns their size.
func putDir(path string, fill func(dir string) error) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, fmt.Errorf("make directory %s: it is there already", path)
	}
	aside, err := os.MkdirTemp(filepath.Dir(path), ".sysc-image-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(aside)
		}
	}()
	if err := fill(aside); err != nil {
		return 0, err
	}
	const shared = 0o755
	if err := errors.Join(os.Chmod(aside, shared), atomicfile.SyncFS(aside)); err != nil {
		return 0, err
	}
	files, err := os.ReadDir(aside)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	if err := os.Rename(aside, path); err != nil {
		return 0, err
	}
	return size, atomicfile.SyncDir(filepath.Dir(path))
}

// A builtSystem is a system that was built, with the store that it is in.
type builtSystem struct {
	*systems.System
	store *localstore.Store
	graph *derivations.Graph
	ref   derivations.Ref // of the system
	// realise builds more of the graph.
	realise func(ctx context.Context, want []derivations.Ref) (map[derivations.Ref]store.Path, error)
}

// withSystem builds a system and calls fn with it.
func (a *app) withSystem(ctx context.Context, arg string, flags buildFlags, fn func(b *builtSystem) error) (err error) {
	def, target, err := a.evaluateOne(ctx, modules.WantSystem, arg)
	if err != nil {
		return err
	}
	st, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	b := &builtSystem{store: st, graph: def.Graph(), ref: target.Ref}
	b.realise = func(ctx context.Context, want []derivations.Ref) (map[derivations.Ref]store.Path, error) {
		return a.realise(ctx, st, def, want, flags)
	}
	paths, err := b.realise(ctx, []derivations.Ref{target.Ref})
	if err != nil {
		return err
	}
	if b.System, err = systems.Load(ctx, st, paths[target.Ref]); err != nil {
		return err
	}
	return fn(b)
}

// machineStore is the store that a machine has to begin with: the system, and what its
// packages are made of, unpacked, so that the machine can change itself without making
// all of that again.
func (b *builtSystem) machineStore(ctx context.Context) (image.MachineStore, error) {
	paths, err := b.realise(ctx, b.steps())
	if err != nil {
		return image.MachineStore{}, err
	}
	known, err := build.FindKnown(ctx, b.store, b.graph, []derivations.Ref{b.ref})
	if err != nil {
		return image.MachineStore{}, err
	}
	put := func(ctx context.Context, to *tree.Builder, at string, system store.Path, links map[string]store.Path) error {
		return b.store.Replicate(ctx, to, at, localstore.Replica{
			Objects:      append(slices.Collect(maps.Values(paths)), system),
			Realisations: known.Realisations, Outcomes: known.Outcomes, Links: links,
		})
	}
	return image.MachineStore{BlobPath: localstore.BlobPath, Put: put}, nil
}

// steps are the outputs that the system is made of, down to those of programs and to files
// that were fetched.
func (b *builtSystem) steps() []derivations.Ref {
	var steps []derivations.Ref
	seen := map[derivations.Ref]bool{b.ref: true}
	last, _ := b.graph.Derivation(b.ref.Derivation)
	for todo := slices.Clone(last.Inputs); len(todo) > 0; {
		ref := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		d, ok := b.graph.Derivation(ref.Derivation)
		if !ok || seen[ref] || builtin.Fetches(d.Builder) {
			continue
		}
		seen[ref] = true
		steps = append(steps, ref)
		if d.Builder != derivations.BuilderExec || d.WritableRoot {
			todo = append(todo, d.Inputs...)
		}
	}
	return steps
}
