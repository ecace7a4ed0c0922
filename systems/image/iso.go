package image

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/boot"
	"sysc/systems/fat"
	"sysc/systems/gpt"
	"sysc/systems/grub"
	"sysc/systems/iso9660"
)

// Files of a disc.
const (
	discBoot = "BOOT.IMG" // a FAT file system: what UEFI starts, kernel and initrd
	discBIOS = "BIOS.IMG" // what a BIOS starts
)

// ISO writes a disc from which a machine runs the system from memory: with UEFI by
// systemd-boot, with a BIOS by GRUB, whichever of them the system has. Copied to a disk, or a
// stick, as it is, it boots from there as well: it has a partition table, too. The kernel gets
// params, then those of the system. The same system gives the same bytes.
func ISO(ctx context.Context, disc Disk, st Store, system *systems.System, params ...string) error {
	w := &isoWriter{raw: raw{st: st, system: system, opts: Options{Params: params}}, disc: disc}
	if err := w.write(ctx); err != nil {
		return fmt.Errorf("make disc of system %s: %w", system.Manifest.Name, err)
	}
	return nil
}

// An isoWriter is a disc being made.
type isoWriter struct {
	raw
	disc Disk
}

func (w *isoWriter) write(ctx context.Context) (err error) {
	if w.withBIOS, err = grub.IsIn(ctx, w.st, w.system.Manifest.Root.Tree); err != nil {
		return err
	}
	initrd, err := makeMemoryInitrd(ctx, w.st, w.system)
	if err != nil {
		return err
	}
	defer initrd.remove()
	src := withFile{w.st, initrd}
	root, content, err := w.bootTree(ctx, initrd)
	if err != nil {
		return err
	}
	bootSize := max(roundUp(content+content/64+1<<20, gpt.Align), fat.MinSize)
	files := []iso9660.File{{Name: discBoot, Size: bootSize, Align: gpt.Align, Boot: true, Platform: iso9660.UEFI}}
	if w.withBIOS {
		files = append(files, iso9660.File{Name: discBIOS, Size: grub.MaxDisc, Boot: true, Platform: iso9660.BIOS, Load: grub.DiscLoad})
	}
	d, err := iso9660.Layout("SYSC", files)
	if err != nil {
		return err
	}
	if err := w.frame(d); err != nil {
		return err
	}
	if w.withBIOS {
		if err := w.writeBIOS(ctx, d.File(discBIOS).Start); err != nil {
			return err
		}
	}
	return fat.Write(ctx, io.NewOffsetWriter(w.disc, d.File(discBoot).Start), src, root, fat.Options{Size: bootSize, Serial: w.serial(), Label: "SYSC"})
}

// frame writes everything but the boot file system. The partition table of the disk that
// the disc is as well stands in sectors that discs leave free.
func (w *isoWriter) frame(d *iso9660.Disc) error {
	size := roundUp(d.Size+gpt.Tail, iso9660.SectorSize)
	if err := w.disc.Truncate(size); err != nil {
		return err
	}
	if err := d.Write(w.disc); err != nil {
		return err
	}
	f := d.File(discBoot)
	parts := []gpt.Partition{{Type: gpt.TypeESP, ID: gpt.GUID(w.id("boot")), Name: "SYSC", Start: f.Start, Size: f.Size}}
	return gpt.Write(w.disc, size, gpt.GUID(w.id("disc")), parts)
}

// writeBIOS writes what a BIOS starts, from a disc and from a disk.
func (w *isoWriter) writeBIOS(ctx context.Context, at int64) error {
	sector, core, err := grub.Disc(ctx, w.st, w.system.Manifest.Root.Tree, grub.InImage(discBoot, w.serial()), at)
	if err != nil {
		return err
	}
	if _, err := w.disc.WriteAt(sector, 0); err != nil {
		return err
	}
	_, err = w.disc.WriteAt(core, at)
	return err
}

// bootTree returns the tree of the boot file system, and the size of its files.
func (w *isoWriter) bootTree(ctx context.Context, initrd *fileBlob) (store.Digest, int64, error) {
	m := w.system.Manifest
	b := tree.NewBuilder(w.st, store.Digest{})
	if err := w.loader(ctx, b); err != nil {
		return store.Digest{}, 0, err
	}
	entry := &boot.Entry{
		Title: m.Name, Version: number.String(), SortKey: boot.OtherKey, Linux: "/linux", Initrd: "/initrd",
		Options: MemoryCommandLine(m, w.opts.Params...),
	}
	if err := entry.Check(); err != nil {
		return store.Digest{}, 0, err
	}
	files := map[string]tree.Entry{
		entry.Linux[1:]:  {Type: tree.File, Mode: 0o644, Digest: m.Kernel.Digest, Size: m.Kernel.Size},
		entry.Initrd[1:]: {Type: tree.File, Mode: 0o644, Digest: initrd.digest, Size: initrd.size},
	}
	for name, e := range files {
		if err := b.Put(ctx, name, e); err != nil {
			return store.Digest{}, 0, err
		}
	}
	id := "sysc"
	texts := map[string][]byte{loaderConfigName: []byte(loaderConfig), boot.EntriesDir + "/" + id + ".conf": entry.Render()}
	if w.withBIOS {
		texts[grub.MenuName] = grub.Menu([]grub.Entry{{ID: id, Title: entry.Title, Linux: entry.Linux, Initrd: entry.Initrd, Options: entry.Options}}, false, menuTimeout)
	}
	for name, text := range texts {
		if err := putText(ctx, w.st, b, name, text); err != nil {
			return store.Digest{}, 0, err
		}
	}
	return b.Write(ctx, w.st)
}

// A fileBlob is a file that stands in for a blob of a store: too large to keep there for
// the time that an image is made.
type fileBlob struct {
	dir, path string
	digest    store.Digest
	size      int64
}

func (f *fileBlob) remove() { os.RemoveAll(f.dir) }

// makeMemoryInitrd writes the initrd of [MemoryInitrd] to a file.
func makeMemoryInitrd(ctx context.Context, st Store, system *systems.System) (_ *fileBlob, err error) {
	b := &fileBlob{}
	if b.dir, err = os.MkdirTemp("", "sysc-image-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.remove()
		}
	}()
	b.path = filepath.Join(b.dir, "initrd")
	f, err := os.Create(b.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	if err := memoryInitrd(ctx, io.MultiWriter(f, sum), st, system); err != nil {
		return nil, err
	}
	b.digest = store.Digest(sum.Sum(nil))
	b.size, err = f.Seek(0, io.SeekEnd)
	return b, err
}

// withFile is a store with one more blob.
type withFile struct {
	Store
	file *fileBlob
}

// OpenBlob opens the blob d.
func (w withFile) OpenBlob(ctx context.Context, d store.Digest) (*os.File, error) {
	if d == w.file.digest {
		return os.Open(w.file.path)
	}
	return w.Store.OpenBlob(ctx, d)
}
