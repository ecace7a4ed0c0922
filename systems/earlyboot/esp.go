package earlyboot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/unix"
)

// partVariable is where a boot loader says from which partition it was started, by the
// UUID in the partition table (the Boot Loader Interface,
// https://systemd.io/BOOT_LOADER_INTERFACE/).
const partVariable = "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// bootUnit mounts that partition. Whoever writes there takes care that it is whole; the
// options keep anybody else away.
const bootUnit = `[Unit]
Description=Boot partition
Before=local-fs.target

[Mount]
What=/dev/disk/by-partuuid/%s
Where=/efi
Type=vfat
Options=umask=0077,nosuid,nodev,noexec,nosymfollow
`

const bootUnitName = "efi.mount"

// mountBoot writes, to the directory units, a unit by which systemd mounts the partition
// that the boot loader was started from. variables is where the firmware's are mounted.
// Without a boot loader that tells, as on a machine without UEFI, there is nothing to do.
func mountBoot(variables, units string) error {
	if _, err := os.Stat(variables); err != nil {
		return nil
	}
	if err := unix.Mount("efivarfs", variables, "efivarfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil && err != unix.EBUSY {
		return fmt.Errorf("mount boot partition: mount %s: %w", variables, err)
	}
	data, err := os.ReadFile(filepath.Join(variables, partVariable))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = writeBootUnit(data, units)
	}
	if err != nil {
		return fmt.Errorf("mount boot partition: %w", err)
	}
	return nil
}

// writeBootUnit writes the unit for what the variable has in it.
func writeBootUnit(variable []byte, units string) error {
	id, err := partUUID(variable)
	if err != nil {
		return err
	}
	wants := filepath.Join(units, "local-fs.target.wants")
	if err := os.MkdirAll(wants, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(units, bootUnitName), fmt.Appendf(nil, bootUnit, id), 0o644); err != nil {
		return err
	}
	return os.Symlink("../"+bootUnitName, filepath.Join(wants, bootUnitName))
}

// partUUID reads a variable of the firmware: four bytes of attributes, and a UUID in
// UTF-16 with a zero behind it. udev has it in lower case.
func partUUID(variable []byte) (string, error) {
	const attributes, length = 4, 36
	if len(variable) < attributes || len(variable) > attributes+2*(length+1) {
		return "", fmt.Errorf("variable %s has %d bytes", partVariable, len(variable))
	}
	var text []uint16
	for rest := variable[attributes:]; len(rest) >= 2; rest = rest[2:] {
		text = append(text, binary.LittleEndian.Uint16(rest))
	}
	id := strings.ToLower(strings.TrimRight(string(utf16.Decode(text)), "\x00"))
	if len(id) != length || strings.Trim(id, "0123456789abcdef-") != "" {
		return "", fmt.Errorf("variable %s has %q", partVariable, id)
	}
	return id, nil
}
