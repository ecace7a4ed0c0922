package image

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"sysc/systems"
	"sysc/systems/ext4"
	"sysc/systems/fat"
	"sysc/systems/gpt"
	"sysc/systems/grub"
)

// Sizes of a disk that are not stated, in bytes.
const (
	// DefaultBootSize is that of the boot partition: kernels and initrds of some
	// generations.
	DefaultBootSize = 512 << 20
	// defaultFree is what the data partition has beside what is on it.
	defaultFree = 2 << 30
)

// Options say how a disk is made.
type Options struct {
	// Size is the disk's, in bytes; 0 is what the system takes and 2 GiB beside.
	Size int64
	// BootSize is that of the boot partition, in bytes; 0 is DefaultBootSize.
	BootSize int64
	// Params are further words of the kernel's command line.
	Params []string
	// Etc are texts of files in /etc that the machine has beside those of its system, by
	// their paths there.
	Etc map[string]string
	// Store is that of the machine.
	Store MachineStore
}

// A Disk is what an image is written to: a file, new or empty, that reads as zeros where
// nothing was written.
type Disk interface {
	io.WriterAt
	Truncate(size int64) error
}

// A raw is a disk image being made.
type raw struct {
	st     Store
	system *systems.System
	opts   Options
	// withBIOS is set when a BIOS boots it, too.
	withBIOS bool
}

// Raw writes a disk from which a machine boots the system: a GUID partition table, a boot
// partition with systemd-boot for UEFI, or GRUB for a BIOS, or both, whatever the system
// has, and a partition of data with generation 1.
// The same system, program and options give the same bytes.
func Raw(ctx context.Context, disk Disk, st Store, system *systems.System, opts Options) error {
	r := &raw{st: st, system: system, opts: opts}
	if err := r.write(ctx, disk); err != nil {
		return fmt.Errorf("make disk image of system %s: %w", system.Manifest.Name, err)
	}
	return nil
}

func (r *raw) write(ctx context.Context, disk Disk) error {
	var err error
	if r.withBIOS, err = grub.IsIn(ctx, r.st, r.system.Manifest.Root.Tree); err != nil {
		return err
	}
	dataID := r.id("data")
	params := append([]string{"sysc.data=UUID=" + dataID.text(), "sysc.grow=1"}, r.opts.Params...)
	esp, err := r.bootPartition(ctx, params)
	if err != nil {
		return err
	}
	data, content, err := Data(ctx, r.st, r.system, r.opts.Store, params)
	if err == nil && len(r.opts.Etc) > 0 {
		data, content, err = ownEtc(ctx, r.st, data, r.opts.Etc)
	}
	if err != nil {
		return err
	}
	l, err := r.divide(content)
	if err != nil {
		return err
	}
	if err := disk.Truncate(l.size); err != nil {
		return err
	}
	if err := gpt.Write(disk, l.size, gpt.GUID(r.id("disk")), l.partitions()); err != nil {
		return err
	}
	if err := r.writeBIOS(ctx, disk, l.bios); err != nil {
		return err
	}
	err = fat.Write(ctx, io.NewOffsetWriter(disk, l.boot.Start), r.st, esp, fat.Options{Size: l.boot.Size, Serial: r.serial(), Label: "ESP"})
	if err != nil {
		return err
	}
	return ext4.Write(ctx, io.NewOffsetWriter(disk, l.data.Start), r.st, data, ext4.Options{
		Size: l.data.Size, Label: "sysc", UUID: dataID, HashSeed: r.id("hash"),
	})
}

// serial is the number of the boot partition's file system.
func (r *raw) serial() uint32 {
	id := r.id("boot")
	return binary.BigEndian.Uint32(id[:])
}

// A layout is how a disk is divided.
type layout struct {
	size       int64          // of the disk
	bios       *gpt.Partition // nil for none
	boot, data gpt.Partition
}

// partitions returns them in their order. That of data is the last, so that it can
// grow with the disk.
func (l *layout) partitions() []gpt.Partition {
	list := []gpt.Partition{l.boot, l.data}
	if l.bios != nil {
		list = append([]gpt.Partition{*l.bios}, list...)
	}
	return list
}

// divide lays out the partitions. content is the size of the files of the data
// partition.
func (r *raw) divide(content int64) (*layout, error) {
	l := &layout{size: r.opts.Size}
	start := int64(gpt.Align)
	if r.withBIOS {
		l.bios = &gpt.Partition{Type: gpt.TypeBIOS, ID: gpt.GUID(r.id("bios")), Name: "BIOS", Start: start, Size: gpt.Align}
		start += gpt.Align
	}
	bootSize := r.opts.BootSize
	if bootSize == 0 {
		bootSize = DefaultBootSize
	}
	bootSize = roundUp(bootSize, gpt.Align)
	l.boot = gpt.Partition{Type: gpt.TypeESP, ID: gpt.GUID(r.id("boot")), Name: "ESP", Start: start, Size: bootSize}
	start += bootSize
	if l.size == 0 {
		// Files take some more than their bytes.
		l.size = roundUp(start+content+content/8+defaultFree, gpt.Align) + gpt.Align
	}
	l.size -= l.size % gpt.SectorSize
	dataSize := (l.size - gpt.Tail - start) / gpt.Align * gpt.Align
	if dataSize < content {
		return nil, fmt.Errorf("a disk of %d bytes is too small: its files take %d, its boot partition %d", l.size, content, bootSize)
	}
	l.data = gpt.Partition{Type: gpt.TypeLinux, ID: gpt.GUID(r.id("data partition")), Name: "sysc", Start: start, Size: dataSize}
	return l, nil
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// An id is a UUID.
type id [16]byte

// id names a part of the disk: another one for each system, the same each time.
func (r *raw) id(part string) id {
	sum := sha256.Sum256([]byte("sysc image 1\x00" + string(r.system.Path) + "\x00" + part))
	u := id(sum[:16])
	// Version 8, made by a rule of its own (RFC 9562, section 5.8).
	u[6] = u[6]&0x0F | 0x80
	u[8] = u[8]&0x3F | 0x80
	return u
}

// text writes the UUID as people do.
func (u id) text() string {
	s := hex.EncodeToString(u[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
