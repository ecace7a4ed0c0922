package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/erofs"
	"sysc/systems/image"
	"sysc/systems/ociarchive"
	"sysc/systems/qcow2"
	"sysc/systems/squashfs"
	"sysc/systems/tarball"
)

// An imageFormat is a form that a system can leave the store in.
type imageFormat struct {
	name, what string
	// flags are those that say something about it.
	flags []string
	// write writes it to a file. A format without has many, which fill writes to a
	// directory.
	write func(ctx context.Context, f *os.File, b *builtSystem, flags imageFlags) error
	fill  func(ctx context.Context, dir string, b *builtSystem) error
}

// Flags that say how large a disk is, and how an archive is compressed.
var (
	diskFlags    = []string{"size", "boot-size"}
	archiveFlags = []string{"compress"}
)

func imageFormats() []imageFormat {
	return []imageFormat{
		{name: "raw", what: "a disk that a machine with UEFI boots from", flags: diskFlags, write: writeRaw},
		{name: "qcow2", what: "the same disk, as QEMU and clouds keep it", flags: diskFlags, write: writeQcow2},
		{name: "uki", what: "one program for UEFI that runs the system from memory", write: writeUKI},
		{name: "iso", what: "a disc, or stick, that runs the system from memory", write: writeISO},
		{name: "netboot", what: "a directory with kernel, initrd and command line that do the same", fill: fillNetboot},
		{name: "erofs", what: "the root as a file system that is read only", write: writeErofs},
		{name: "squashfs", what: "the same, compressed", write: writeSquashfs},
		{name: "tar", what: "the root as an archive; FILE.zst and FILE.gz are compressed", flags: archiveFlags, write: writeTar},
		{name: "oci", what: "an image for container engines, in one archive", flags: archiveFlags, write: writeOCI},
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
	opts := image.Options{Size: flags.size, BootSize: flags.bootSize, Params: flags.params, Etc: flags.etc}
	var err error
	if opts.Store, err = b.machineStore(ctx); err != nil {
		return err
	}
	return image.Raw(ctx, disk, b.store, b.System, opts)
}

func writeUKI(ctx context.Context, f *os.File, b *builtSystem, flags imageFlags) error {
	return image.MemoryUKI(ctx, f, b.store, b.System, flags.params...)
}

func writeISO(ctx context.Context, f *os.File, b *builtSystem, flags imageFlags) error {
	return image.ISO(ctx, f, b.store, b.System, flags.params...)
}

// fillNetboot writes what a machine gets over the network, and a script for iPXE that
// says what to do with it.
func fillNetboot(ctx context.Context, dir string, b *builtSystem) error {
	line := image.MemoryCommandLine(b.Manifest)
	script := "#!ipxe\nkernel linux initrd=initrd " + line + "\ninitrd initrd\nboot\n"
	text := func(s string) func(w io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	for _, file := range []struct {
		name  string
		write func(w io.Writer) error
	}{
		{"linux", func(w io.Writer) error { return image.WriteKernel(ctx, w, b.store, b.System) }},
		{"initrd", func(w io.Writer) error { return image.MemoryInitrd(ctx, w, b.store, b.System) }},
		{"cmdline", text(line + "\n")},
		{"boot.ipxe", text(script)},
	} {
		f, err := os.Create(filepath.Join(dir, file.name))
		if err != nil {
			return err
		}
		if err := errors.Join(file.write(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
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
	return tarball.Write(ctx, f, b.store, root, cmp.Or(flags.compress, tarball.CompressionOf(flags.output)))
}

// writeOCI writes an image whose containers start the system's init, if it has one.
func writeOCI(ctx context.Context, f *os.File, b *builtSystem, flags imageFlags) error {
	root, err := image.Root(ctx, b.store, b.System)
	if err != nil {
		return err
	}
	opts := ociarchive.Options{
		Platform: b.Manifest.Platform, Name: b.Manifest.Name + ":latest", Compression: cmp.Or(flags.compress, tarball.Gzip),
		Command: []string{"/bin/sh"},
	}
	_, _, err = tree.Resolve(ctx, b.store, root, "sbin/init")
	switch {
	case err == nil:
		opts.Command, opts.StopSignal = []string{"/sbin/init"}, "SIGRTMIN+3" // as systemd(1) has it
	case !errors.Is(err, store.ErrNotExist):
		return err
	}
	return ociarchive.Write(ctx, f, b.store, root, opts)
}
