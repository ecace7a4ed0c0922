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
var loaderConfig = fmt.Sprintf("timeout %d\neditor no\n", menuTimeout)

// loaderConfigName is where it is looked for.
const loaderConfigName = "loader/loader.conf"

// bootPartition returns the tree of a boot partition for the first generation. params are
// those of the machine.
func (r *raw) bootPartition(ctx context.Context, params []string) (store.Digest, error) {
	m := r.system.Manifest
	files, err := bootFiles(m)
	if err != nil {
		return store.Digest{}, err
	}
	b := tree.NewBuilder(r.st, store.Digest{})
	if err := r.loader(ctx, b); err != nil {
		return store.Digest{}, err
	}
	for _, f := range files {
		e := tree.Entry{Type: tree.File, Mode: 0o644, Digest: f.Digest, Size: f.Size}
		if err := b.Put(ctx, strings.TrimPrefix(f.Path(), "/"), e); err != nil {
			return store.Digest{}, err
		}
	}
	record := &generation.Record{Number: number, Name: m.Name, Created: created}
	entry := boot.EntryOf(record, m, files, params...)
	entry.SortKey = boot.SelectedKey
	if err := entry.Check(); err != nil {
		return store.Digest{}, err
	}
	for name, text := range map[string][]byte{
		loaderConfigName: []byte(loaderConfig),
		boot.EntriesDir + "/" + boot.FileName(int(number)): entry.Render(),
	} {
		if err := putText(ctx, r.st, b, name, text); err != nil {
			return store.Digest{}, err
		}
	}
	if r.withBIOS {
		if err := r.menu(ctx, b, entry); err != nil {
			return store.Digest{}, err
		}
	}
	d, _, err := b.Write(ctx, r.st)
	return d, err
}

// putText puts a file in.
func putText(ctx context.Context, st Store, b *tree.Builder, name string, text []byte) error {
	d, n, err := st.AddBlob(ctx, bytes.NewReader(text))
	if err != nil {
		return err
	}
	return b.Put(ctx, name, tree.Entry{Type: tree.File, Mode: 0o644, Digest: d, Size: n})
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
		if r.withBIOS {
			return nil
		}
		return fmt.Errorf("it has no boot loader (/%s): add the package systemd-boot-efi, or grub-pc-bin for a BIOS", l.from)
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
