package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"sysc/systems"
	"sysc/systems/ext4"
	"sysc/systems/fat"
	"sysc/systems/gpt"
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
}

// Raw writes a disk from which a machine with UEFI boots the system: a GUID partition
// table, a boot partition with systemd-boot, and a partition of data with generation 1.
// The same system, program and options give the same bytes.
func Raw(ctx context.Context, disk Disk, st Store, system *systems.System, opts Options) error {
	r := &raw{st, system, opts}
	if err := r.write(ctx, disk); err != nil {
		return fmt.Errorf("make disk image of system %s: %w", system.Manifest.Name, err)
	}
	return nil
}

func (r *raw) write(ctx context.Context, disk Disk) error {
	dataID := r.id("data")
	params := append([]string{"sysc.data=UUID=" + dataID.text()}, r.opts.Params...)
	esp, err := r.bootPartition(ctx, params)
	if err != nil {
		return err
	}
	data, content, err := Data(ctx, r.st, r.system, r.opts.Store, params)
	if err != nil {
		return err
	}
	parts, size, err := r.divide(content)
	if err != nil {
		return err
	}
	if err := disk.Truncate(size); err != nil {
		return err
	}
	if err := gpt.Write(disk, size, gpt.GUID(r.id("disk")), parts); err != nil {
		return err
	}
	id := r.id("boot")
	serial := uint32(id[0])<<24 | uint32(id[1])<<16 | uint32(id[2])<<8 | uint32(id[3])
	err = fat.Write(ctx, io.NewOffsetWriter(disk, parts[0].Start), r.st, esp, fat.Options{Size: parts[0].Size, Serial: serial, Label: "ESP"})
	if err != nil {
		return err
	}
	return ext4.Write(ctx, io.NewOffsetWriter(disk, parts[1].Start), r.st, data, ext4.Options{
		Size: parts[1].Size, Label: "sysc", UUID: dataID, HashSeed: r.id("hash"),
	})
}

// divide lays out the partitions. content is the size of the files of the data
// partition.
func (r *raw) divide(content int64) ([]gpt.Partition, int64, error) {
	bootSize := r.opts.BootSize
	if bootSize == 0 {
		bootSize = DefaultBootSize
	}
	bootSize = roundUp(bootSize, gpt.Align)
	size := r.opts.Size
	if size == 0 {
		// Files take some more than their bytes.
		size = roundUp(bootSize+content+content/8+defaultFree, gpt.Align) + 2*gpt.Align
	}
	size -= size % gpt.SectorSize
	start := gpt.Align + bootSize
	dataSize := (size - gpt.Tail - start) / gpt.Align * gpt.Align
	if dataSize < content {
		return nil, 0, fmt.Errorf("a disk of %d bytes is too small: its files take %d, its boot partition %d", size, content, bootSize)
	}
	return []gpt.Partition{
		{Type: gpt.TypeESP, ID: gpt.GUID(r.id("boot")), Name: "ESP", Start: gpt.Align, Size: bootSize},
		{Type: gpt.TypeLinux, ID: gpt.GUID(r.id("data partition")), Name: "sysc", Start: start, Size: dataSize},
	}, size, nil
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
