package image

import (
	"context"
	"fmt"
	"strings"

	"sysc/store/tree"
	"sysc/systems/boot"
	"sysc/systems/gpt"
	"sysc/systems/grub"
)

// menuTimeout is for how many seconds boot loaders show their menu.
const menuTimeout = 3

// writeBIOS writes what a BIOS starts, into the first sector and a partition; nil is for
// none.
func (r *raw) writeBIOS(ctx context.Context, disk Disk, part *gpt.Partition) error {
	if part == nil {
		return nil
	}
	sector, core, err := grub.Disk(ctx, r.st, r.system.Manifest.Root.Tree, grub.OnPartition(r.serial()), part.Start/gpt.SectorSize)
	if err != nil {
		return err
	}
	if int64(len(core)) > part.Size {
		return fmt.Errorf("GRUB's core has %d bytes, its partition %d", len(core), part.Size)
	}
	if _, err := disk.WriteAt(sector, 0); err != nil {
		return err
	}
	_, err = disk.WriteAt(core, part.Start)
	return err
}

// menu puts GRUB's menu and what it counts tries in into a boot partition.
func (r *raw) menu(ctx context.Context, b *tree.Builder, e *boot.Entry) error {
	id := strings.TrimSuffix(boot.FileName(int(number)), ".conf")
	environment, err := (&grub.Environment{Good: id}).Encode()
	if err != nil {
		return err
	}
	menu := grub.Menu([]grub.Entry{{ID: id, Title: e.Title, Linux: e.Linux, Initrd: e.Initrd, Options: e.Options}}, true, menuTimeout)
	for name, text := range map[string][]byte{grub.MenuName: menu, grub.EnvironmentName: environment} {
		if err := putText(ctx, r.st, b, name, text); err != nil {
			return err
		}
	}
	return nil
}
