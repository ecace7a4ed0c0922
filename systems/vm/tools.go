package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrMissing says, wrapped, that a program or file is not installed.
var ErrMissing = errors.New("not installed")

// program is QEMU for machines as sysc makes them.
const program = "qemu-system-x86_64"

// Tools are QEMU and firmware in a root directory that is not this machine's: a checkout
// of what Debian's packages qemu-system-x86 and ovmf make. It is run as it lies there, with
// its own libraries. nil stands for what this machine has.
type Tools struct{ Root string }

// Where Debian has things, below a root.
const (
	libraries = "usr/lib/x86_64-linux-gnu"
	linker    = libraries + "/ld-linux-x86-64.so.2"
	modules   = libraries + "/qemu"
)

// dataDirs are where QEMU looks for the firmware of devices.
var dataDirs = []string{"usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"}

// firmware are the places where distributions have UEFI for virtual machines, and
// what it keeps its settings in to begin with.
var firmware = []struct{ code, vars string }{
	{"usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"},           // Debian, Ubuntu
	{"usr/share/OVMF/OVMF_CODE.fd", "usr/share/OVMF/OVMF_VARS.fd"},                 // older
	{"usr/share/edk2/ovmf/OVMF_CODE.fd", "usr/share/edk2/ovmf/OVMF_VARS.fd"},       // Fedora
	{"usr/share/edk2/x64/OVMF_CODE.4m.fd", "usr/share/edk2/x64/OVMF_VARS.4m.fd"},   // Arch
	{"usr/share/qemu/ovmf-x86_64-code.bin", "usr/share/qemu/ovmf-x86_64-vars.bin"}, // SUSE
}

// Installed reports, as [ErrMissing], that this machine has no QEMU.
func Installed() error {
	_, err := findProgram()
	return err
}

func findProgram() (string, error) {
	qemu, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("find %s: %w: Debian has it in the package qemu-system-x86", program, ErrMissing)
	}
	return qemu, nil
}

// command returns QEMU's command. A program that is not there is [ErrMissing], wrapped.
func (t *Tools) command(ctx context.Context, args []string) (*exec.Cmd, error) {
	if t == nil {
		qemu, err := findProgram()
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, qemu, args...), nil
	}
	in := func(name string) string { return filepath.Join(t.Root, name) }
	qemu := in("usr/bin/" + program)
	if _, err := os.Stat(qemu); err != nil {
		return nil, fmt.Errorf("find %s in %s: %w: Debian has it in the package qemu-system-x86", program, t.Root, ErrMissing)
	}
	// The program's own idea of where the linker and libraries are is another root's.
	all := []string{"--library-path", in(libraries), "--argv0", program, qemu}
	for _, dir := range dataDirs {
		all = append(all, "-L", in(dir))
	}
	cmd := exec.CommandContext(ctx, in(linker), append(all, args...)...)
	cmd.Env = append(os.Environ(), "QEMU_MODULE_DIR="+in(modules))
	return cmd, nil
}

// firmware finds UEFI, and copies its settings to a file in dir, of one machine. Firmware
// that is not there is [ErrMissing], wrapped.
func (t *Tools) firmware(dir string) (code, vars string, err error) {
	root := "/"
	if t != nil {
		root = t.Root
	}
	for _, f := range firmware {
		settings, err := os.Open(filepath.Join(root, f.vars))
		if err != nil {
			continue
		}
		defer settings.Close()
		code := filepath.Join(root, f.code)
		if _, err := os.Stat(code); err != nil {
			continue
		}
		vars = filepath.Join(dir, "firmware.vars")
		copied, err := os.OpenFile(vars, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			return code, vars, nil // the machine ran before
		}
		if err != nil {
			return "", "", err
		}
		_, err = io.Copy(copied, settings)
		return code, vars, errors.Join(err, copied.Close())
	}
	return "", "", fmt.Errorf("find UEFI firmware: %w: Debian has it in the package ovmf", ErrMissing)
}
