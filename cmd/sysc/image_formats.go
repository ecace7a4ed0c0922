package main

import (
	"context"
	"os"

	"sysc/systems/erofs"
	"sysc/systems/image"
	"sysc/systems/qcow2"
	"sysc/systems/squashfs"
	"sysc/systems/tarball"
)

// An imageFormat is a form that a system can leave the store in.
type imageFormat struct {
	name, what string
	// flags are those that say something about it.
	flags []string
	write func(ctx context.Context, f *os.File, b *builtSystem, flags imageFlags) error
}

// Flags that say how large a disk is, and how an archive is compressed.
var (
	diskFlags    = []string{"size", "boot-size"}
	archiveFlags = []string{"compress"}
)

func imageFormats() []imageFormat {
	return []imageFormat{
		{"raw", "a disk that a machine with UEFI boots from", diskFlags, writeRaw},
		{"qcow2", "the same disk, as QEMU and clouds keep it", diskFlags, writeQcow2},
		{"erofs", "the root as a file system that is read only", nil, writeErofs},
		{"squashfs", "the same, compressed", nil, writeSquashfs},
		{"tar", "the root as an archive; FILE.zst and FILE.gz are compressed", archiveFlags, writeTar},
	}
}

func writeRaw(ctx context.Context, f *os.File, b *builtSystem, flags imageFlags) error {
	return writeDisk(ctx, f, b, flags)
}

func writeQcow2(ctx context.Context, f *os.File, b *builtSystem, flags imageFlags) error {
	disk := qcow2.New(f)
	if err := writeDisk(ctx, disk, b, flags); err != nil {
		return err
	}
	return disk.Close()
}

// writeDisk writes a disk image with what this program has for it.
func writeDisk(ctx context.Context, disk image.Disk, b *builtSystem, flags imageFlags) error {
	opts := image.Options{Size: flags.size, BootSize: flags.bootSize, Params: flags.params}
	var err error
	if opts.Store, err = b.machineStore(ctx); err != nil {
		return err
	}
	return image.Raw(ctx, disk, b.store, b.System, opts)
}

func writeErofs(ctx context.Context, f *os.File, b *builtSystem, _ imageFlags) error {
	root, err := image.Root(ctx, b.store, b.System)
	if err != nil {
		return err
	}
	return erofs.Write(ctx, f, b.store, root)
}

func writeSquashfs(ctx context.Context, f *os.File, b *builtSystem, _ imageFlags) error {
	root, err := image.Root(ctx, b.store, b.System)
	if err != nil {
		return err
	}
	return squashfs.Write(ctx, f, b.store, root)
}

func writeTar(ctx context.Context, f *os.File, b *builtSystem, flags imageFlags) error {
	root, err := image.Root(ctx, b.store, b.System)
	if err != nil {
		return err
	}
	return tarball.Write(ctx, f, b.store, root, flags.compress)
}
