package earlyboot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"sysc/systems/gpt"
)

// growPartition lets the partition of a device reach to the end of its disk, when the
// disk has become larger than what was copied to it. sys is "/sys/class/block". It
// reports whether it did.
func growPartition(sys, dev, path string) (bool, error) {
	name := filepath.Base(path)
	// A partition's directory is in that of its disk.
	at, err := filepath.EvalSymlinks(filepath.Join(sys, name))
	if err != nil {
		return false, err
	}
	number, err := readNumber(filepath.Join(at, "partition"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // a whole disk
	}
	if err != nil {
		return false, err
	}
	disk := filepath.Base(filepath.Dir(at))
	sectors, err := readNumber(filepath.Join(sys, disk, "size"))
	if err != nil {
		return false, err
	}
	f, err := os.OpenFile(filepath.Join(dev, disk), os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start, size, changed, err := gpt.Grow(f, sectors*gpt.SectorSize, int(number))
	if err != nil || !changed {
		return false, err
	}
	return true, resizePartition(f, int(number), start, size)
}

func readNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// resizePartition tells the kernel how large a partition is, in bytes. Reading the whole
// table again would not do once a partition is mounted.
func resizePartition(disk *os.File, number int, start, size int64) error {
	part := unix.BlkpgPartition{Start: start, Length: size, Pno: int32(number)}
	arg := unix.BlkpgIoctlArg{
		Op: unix.BLKPG_RESIZE_PARTITION, Datalen: int32(unsafe.Sizeof(part)), Data: (*byte)(unsafe.Pointer(&part)),
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, disk.Fd(), unix.BLKPG, uintptr(unsafe.Pointer(&arg))); errno != 0 {
		return fmt.Errorf("resize partition %d of %s: %w", number, disk.Name(), errno)
	}
	return nil
}

// ext4Resize is EXT4_IOC_RESIZE_FS of the kernel's fs/ext4/ext4.h, which takes a number of
// blocks.
const ext4Resize = 0x40086610

// growExt4 lets the ext4 file system on a device, mounted at dir, take the whole device.
func growExt4(device, dir string) error {
	d, err := os.Open(device)
	if err != nil {
		return err
	}
	defer d.Close()
	size, err := d.Seek(0, 2)
	if err != nil {
		return err
	}
	have, block, err := ext4Blocks(d)
	if err != nil {
		return err
	}
	blocks := uint64(size / block)
	if blocks <= have {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ext4Resize, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return fmt.Errorf("grow file system of %s from %d to %d blocks: %w", device, have, blocks, errno)
	}
	return nil
}

// ext4Blocks reads how many blocks a file system has, and how large one is, in bytes.
func ext4Blocks(d *os.File) (count uint64, size int64, err error) {
	const at, least, most = 1024, 10, 16 // of the superblock; of block sizes, log2
	b := make([]byte, 1024)
	if _, err := d.ReadAt(b, at); err != nil {
		return 0, 0, err
	}
	bits := least + int64(binary.LittleEndian.Uint32(b[24:]))
	if bits > most {
		return 0, 0, fmt.Errorf("%s has blocks of 2^%d bytes", d.Name(), bits)
	}
	count = uint64(binary.LittleEndian.Uint32(b[4:]))
	const wide = 0x80 // feature: numbers of blocks have 64 bits
	if binary.LittleEndian.Uint32(b[96:])&wide != 0 {
		count |= uint64(binary.LittleEndian.Uint32(b[336:])) << 32
	}
	return count, 1 << bits, nil
}
