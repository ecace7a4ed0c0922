package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/boot"
	"sysc/systems/generation"
	"sysc/systems/initrd"
)

// loaders are the files of systemd-boot for each platform: where packages have it, and
// the two places where it stands on a boot partition. Firmware looks for the first by
// itself; bootctl(1) looks for the second.
var loaders = map[string]struct{ from, fallback, name string }{
	"linux/amd64": {"usr/lib/systemd/boot/efi/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI", "EFI/systemd/systemd-bootx64.efi"},
	"linux/arm64": {"usr/lib/systemd/boot/efi/systemd-bootaa64.efi", "EFI/BOOT/BOOTAA64.EFI", "EFI/systemd/systemd-bootaa64.efi"},
}

// loaderConfig tells systemd-boot(7) how long to show its menu, and to let nobody
// change a kernel's command line. Which entry boots is decided by their order.
const loaderConfig = "timeout 3\neditor no\n"

// loaderConfigName is where it is looked for.
const loaderConfigName = "loader/loader.conf"

// bootPartition returns the tree of a boot partition for the first generation. params are
// those of the machine.
func (r *raw) bootPartition(ctx context.Context, params []string) (store.Digest, error) {
	m := r.system.Manifest
	if m.Kernel == nil {
		return store.Digest{}, errors.New("it has no kernel: add a package such as linux-image-amd64")
	}
	kernel := boot.FilesOf(m)[0]
	initrd, err := r.initrd(ctx)
	if err != nil {
		return store.Digest{}, err
	}
	b := tree.NewBuilder(r.st, store.Digest{})
	if err := r.loader(ctx, b); err != nil {
		return store.Digest{}, err
	}
	files := []boot.File{kernel, initrd}
	for _, f := range files {
		e := tree.Entry{Type: tree.File, Mode: 0o644, Digest: f.Digest, Size: f.Size}
		if err := b.Put(ctx, strings.TrimPrefix(f.Path(), "/"), e); err != nil {
			return store.Digest{}, err
		}
	}
	record := &generation.Record{Number: number, Name: m.Name, Created: created}
	entry := boot.EntryOf(record, m, files, params...)
	if err := entry.Check(); err != nil {
		return store.Digest{}, err
	}
	for name, text := range map[string][]byte{
		loaderConfigName: []byte(loaderConfig),
		boot.EntriesDir + "/" + boot.FileName(int(number)): entry.Render(),
	} {
		d, n, err := r.st.AddBlob(ctx, bytes.NewReader(text))
		if err != nil {
			return store.Digest{}, err
		}
		if err := b.Put(ctx, name, tree.Entry{Type: tree.File, Mode: 0o644, Digest: d, Size: n}); err != nil {
			return store.Digest{}, err
		}
	}
	d, _, err := b.Write(ctx, r.st)
	return d, err
}

// initrd makes the initrd and adds it to the store.
func (r *raw) initrd(ctx context.Context) (boot.File, error) {
	var b bytes.Buffer
	m := r.system.Manifest
	if err := initrd.Make(ctx, &b, r.st, m.Root.Tree, m.Kernel.Version, r.opts.Program); err != nil {
		return boot.File{}, err
	}
	d, n, err := r.st.AddBlob(ctx, &b)
	return boot.File{Name: "initrd", Digest: d, Size: n}, err
}

// loader puts the boot loader in.
func (r *raw) loader(ctx context.Context, b *tree.Builder) error {
	m := r.system.Manifest
	l, ok := loaders[m.Platform]
	if !ok {
		return fmt.Errorf("there is no boot loader for %s", m.Platform)
	}
	_, e, err := tree.Resolve(ctx, r.st, m.Root.Tree, l.from)
	if errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("it has no boot loader (/%s): add the package systemd-boot-efi", l.from)
	}
	if err != nil {
		return err
	}
	for _, to := range []string{l.fallback, l.name} {
		if err := b.Put(ctx, to, e); err != nil {
			return err
		}
	}
	return nil
}
