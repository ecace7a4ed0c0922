package vm

import (
	"context"
	"encoding/base64"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Options describe a machine.
type Options struct {
	// Disk is the file of its disk, which the machine writes to: raw, or of the format
	// that [DiskFormat] sees in its name. Empty is none.
	Disk string
	// CDROM is the file of a disc in a drive, empty for no drive.
	CDROM string
	// Kernel, Initrd and CommandLine are what the machine starts in place of what is
	// on its disks, when Kernel is not empty.
	Kernel, Initrd, CommandLine string
	// BIOS makes the firmware a PC's of old; else it is UEFI.
	BIOS bool
	// Tools is where QEMU and firmware come from; nil is this machine.
	Tools *Tools
	// Temporary keeps what the machine writes in memory or a temporary file of QEMU's,
	// until it ends.
	Temporary bool
	// Dir is a directory for files that live as long as the machine. Required.
	Dir string
	// Memory is in bytes; 0 means 1 GiB. CPUs 0 means one.
	Memory int64
	CPUs   int
	// Accelerator is [KVM] or [TCG]; empty is what [Accelerator] says.
	Accelerator string
	// Reboot lets the machine start again when its system wants that; else it ends.
	Reboot bool
	// Network is what the machine's network card is connected to; nil is no card.
	Network *Network
	// Station tells machines of one network apart: from 1 to 250. See [Options.MAC].
	Station int
	// Shell gives the machine the port that [Agent] listens at; see [Machine.Shell].
	Shell bool
	// Screen gives the machine a graphics card; see [Machine.Screenshot].
	Screen bool
	// Credentials are handed to systemd in the machine, by their names, in the
	// firmware's tables (systemd.exec(5), SMBIOS).
	Credentials map[string]string
}

const (
	defaultMemory = 1 << 30
	mebibyte      = 1 << 20
)

// Command returns QEMU's command, with the console on its standard input and output. A
// program or firmware that is not there is [ErrMissing], wrapped. With monitor,
// the keys of QEMU's own console work: Ctrl-A X ends the machine.
func (o *Options) Command(ctx context.Context, monitor bool) (*exec.Cmd, error) {
	accelerator := o.Accelerator
	if accelerator == "" {
		accelerator, _ = Accelerator(ctx, o.Tools)
	}
	memory := o.Memory
	if memory == 0 {
		memory = defaultMemory
	}
	args := []string{
		"-machine", "q35", "-accel", accel(accelerator), "-cpu", "max", "-smp", strconv.Itoa(max(o.CPUs, 1)),
		"-m", strconv.FormatInt(memory/mebibyte, 10) + "M",
		// Without a graphics card, and drives that nobody uses: what there is to see is on
		// the console. (QEMU 7.2 has a bug that kernels from 6.12 on run into with one.)
		"-nodefaults", "-display", "none",
		"-device", "virtio-rng-pci", "-device", "i6300esb", "-action", "watchdog=reset",
	}
	if !o.BIOS {
		code, vars, err := o.Tools.firmware(o.Dir)
		if err != nil {
			return nil, err
		}
		args = append(args, "-drive", "if=pflash,format=raw,unit=0,readonly=on,file="+escape(code),
			"-drive", "if=pflash,format=raw,unit=1,file="+escape(vars))
	}
	args = append(args, o.media()...)
	if monitor {
		args = append(args, "-serial", "mon:stdio")
	} else {
		args = append(args, "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console", "-monitor", "none")
	}
	if !o.Reboot {
		args = append(args, "-no-reboot")
	}
	for _, name := range slices.Sorted(maps.Keys(o.Credentials)) {
		value := base64.StdEncoding.EncodeToString([]byte(o.Credentials[name]))
		args = append(args, "-smbios", "type=11,value=io.systemd.credential.binary:"+escape(name)+"="+value)
	}
	return o.Tools.command(ctx, args)
}

// media returns what the machine starts from, and keeps its data on.
func (o *Options) media() []string {
	var args []string
	if o.Disk != "" {
		args = append(args, "-drive", "if=virtio,format="+DiskFormat(o.Disk)+",file="+escape(o.Disk)+snapshot(o.Temporary))
	}
	if o.CDROM != "" {
		args = append(args, "-drive", "if=ide,media=cdrom,format=raw,readonly=on,file="+escape(o.CDROM))
	}
	if o.Kernel != "" {
		args = append(args, "-kernel", o.Kernel, "-append", o.CommandLine)
		if o.Initrd != "" {
			args = append(args, "-initrd", o.Initrd)
		}
	}
	return args
}

// DiskFormat returns the format of a disk's file by its name: "qcow2" for one that ends
// in ".qcow2", else "raw". What is in it does not count, as the machine can change that:
// a file that it makes look like a qcow2 could name any other file as a part of it.
func DiskFormat(path string) string {
	if strings.HasSuffix(path, ".qcow2") {
		return "qcow2"
	}
	return "raw"
}

func snapshot(temporary bool) string {
	if temporary {
		return ",snapshot=on"
	}
	return ",cache=unsafe"
}

// escape writes a value as QEMU's lists of options have it: a comma is two.
func escape(s string) string {
	out := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		if c == ',' {
			out = append(out, ',')
		}
		out = append(out, c)
	}
	return string(out)
}

// accel is the argument for an accelerator. With the large cache of translated code that is
// QEMU's default, a machine that restarts its system takes minutes to come through its
// firmware: whatever that writes stands where code of the old system stood (seen with 7.2). A
// small cache has forgotten it, and boots as fast.
func accel(name string) string {
	if name == "tcg" {
		return "tcg,tb-size=64" // MiB
	}
	return name
}
