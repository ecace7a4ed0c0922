package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Names of what runs a machine's instructions.
const (
	KVM = "kvm" // the processor itself
	TCG = "tcg" // QEMU, some ten times slower
)

// probeTimeout is for how long the smallest machine may run, which takes less than a
// second.
const probeTimeout = 10 * time.Second

// probeSector is what the smallest machine starts: it makes tables of pages, goes on to
// 64-bit mode, as a kernel does, and tells QEMU there to end with probeCode.
//
//	cli; xor %ax,%ax; mov %ax,%ds; mov %ax,%es
//	mov $0x1000,%di; mov $0x1800,%cx; rep stosw
//	movl $0x2003,0x1000; movl $0x3003,0x2000; movl $0x83,0x3000
//	mov $0x1000,%eax; mov %eax,%cr3
//	mov %cr4,%eax; or $0x20,%eax; mov %eax,%cr4
//	mov $0xc0000080,%ecx; rdmsr; or $0x100,%eax; wrmsr
//	lgdtl gdtr
//	mov %cr0,%eax; or $0x80000001,%eax; mov %eax,%cr0
//	ljmpl $8,$long
//	long: mov $0x10,%al; out %al,$0xf4; hlt
//	gdtr: .word 15; .long gdt
//	gdt: .quad 0, 0x00209a0000000000
const probeSector = "" +
	"\xfa\x31\xc0\x8e\xd8\x8e\xc0\xbf\x00\x10\xb9\x00\x18\xf3\xab\x66" +
	"\xc7\x06\x00\x10\x03\x20\x00\x00\x66\xc7\x06\x00\x20\x03\x30\x00" +
	"\x00\x66\xc7\x06\x00\x30\x83\x00\x00\x00\x66\xb8\x00\x10\x00\x00" +
	"\x0f\x22\xd8\x0f\x20\xe0\x66\x83\xc8\x20\x0f\x22\xe0\x66\xb9\x80" +
	"\x00\x00\xc0\x0f\x32\x66\x0d\x00\x01\x00\x00\x0f\x30\x66\x0f\x01" +
	"\x16\x6c\x7c\x0f\x20\xc0\x66\x0d\x01\x00\x00\x80\x0f\x22\xc0\x66" +
	"\xea\x67\x7c\x00\x00\x08\x00\xb0\x10\xe6\xf4\xf4\x0f\x00\x72\x7c" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x9a" +
	"\x20\x00"

// probeCode is the exit code of QEMU for the byte that the machine writes.
const probeCode = 0x10<<1 | 1

// Accelerator returns what runs the instructions of machines here, by QEMU from tools: [KVM]
// if it works, else [TCG], with the reason why it is that. Whether KVM works is tried: that its
// device can be opened says little inside of other virtual machines.
func Accelerator(ctx context.Context, tools *Tools) (name string, why error) {
	if err := probe(ctx, tools, KVM, probeSector, probeTimeout); err != nil {
		return TCG, err
	}
	return KVM, nil
}

// probe runs a machine of one sector, and reports why that did not end as it should.
func probe(ctx context.Context, tools *Tools, accelerator, sector string, timeout time.Duration) error {
	if accelerator == KVM {
		f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		f.Close()
	}
	dir, err := os.MkdirTemp("", "sysc-vm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	const size = 1 << 20 // less is no disk to the firmware
	disk := make([]byte, size)
	copy(disk, sector)
	copy(disk[510:], "\x55\xaa")
	path := filepath.Join(dir, "disk")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("a machine of one sector did not end within %v", timeout))
	defer cancel()
	cmd, err := tools.command(ctx, []string{
		"-machine", "q35", "-accel", accelerator, "-cpu", "max", "-m", "32M", "-nodefaults", "-display", "none",
		"-device", "isa-debug-exit,iobase=0xf4", "-no-reboot", "-drive", "if=virtio,format=raw,file=" + escape(path),
	})
	if err != nil {
		return err
	}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == probeCode {
		return nil
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("a machine of one sector ends otherwise than it should (%v): %s", err, first)
}
