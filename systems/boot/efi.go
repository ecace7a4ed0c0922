package boot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf16"

	"golang.org/x/sys/unix"
)

// EFIVariables is where Linux has the variables of UEFI firmware, each a file: four bytes
// of attributes, and its value (Documentation/filesystems/efivarfs.rst).
const EFIVariables = "/sys/firmware/efi/efivars"

// loaderVendor is the vendor of the variables by which boot loaders and systems talk (the
// Boot Loader Interface, https://systemd.io/BOOT_LOADER_INTERFACE/).
const loaderVendor = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

const (
	// immutable is FS_IMMUTABLE_FL of <linux/fs.h>.
	immutable = 0x10

	oneShotVariable = "LoaderEntryOneShot-" + loaderVendor
	// Non-volatile, and seen at boot and at run time.
	variableAttributes = 0x1 | 0x2 | 0x4
)

// SetOneShot tells the boot loader to take a generation's entry once, at the next start,
// whatever the order is. variables is [EFIVariables]. Without UEFI it is fs.ErrNotExist,
// wrapped.
func SetOneShot(variables string, generation int) error {
	if err := setVariable(filepath.Join(variables, oneShotVariable), FileName(generation)); err != nil {
		return fmt.Errorf("tell the boot loader to take %s once: %w", FileName(generation), err)
	}
	return nil
}

// setVariable writes a text to a variable, with one write, as the file system wants it.
func setVariable(path, text string) error {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return err
	}
	if err := makeMutable(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(variable(text))
	return errors.Join(err, f.Close())
}

// variable encodes attributes and a text: UTF-16 in the order of bytes of UEFI, with a
// zero behind it.
func variable(text string) []byte {
	data := binary.LittleEndian.AppendUint32(nil, variableAttributes)
	for _, c := range append(utf16.Encode([]rune(text)), 0) {
		data = binary.LittleEndian.AppendUint16(data, c)
	}
	return data
}

// makeMutable takes the flag away with which the kernel protects variables from rm -r.
func makeMutable(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil && flags&immutable != 0 {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags&^immutable))
	}
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}
