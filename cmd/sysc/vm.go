package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/modules"
	"sysc/store/localstore"
	"sysc/systems/vm"
)

// Kinds of firmware.
const (
	firmwareUEFI = "uefi"
	firmwareBIOS = "bios"
)

type vmFlags struct {
	disk        string
	memory      int64
	cpus        int
	accelerator string
	firmware    string
	credentials []string
}

func (a *app) vmCommand() *cobra.Command {
	flags := vmFlags{cpus: 1, memory: 1 << 30, firmware: firmwareUEFI}
	var builds buildFlags
	var tools string
	cmd := &cobra.Command{
		Use:   "vm [SYSTEM]",
		Short: "Boot a system in a virtual machine",
		Long: `Build a system, and boot it in a virtual machine whose console is this terminal. Ctrl-A X
ends the machine, as does switching it off.

With --disk the machine has a disk that stays: FILE, which is made from the system when it
is missing, as qcow2 when its name ends so. Else the disk is gone when the machine ends.

QEMU and UEFI firmware are this machine's: Debian's packages qemu-system-x86 and ovmf. With
--tools they come from an environment of the definition that has these packages, in the
versions that are locked.`,
		Example: "  sysc vm -C examples/minimal\n  sysc vm laptop --disk laptop.raw --machine-memory 4G\n  sysc vm --tools environment.qemu\n  sysc vm --credential ssh.authorized_keys.root=@id_ed25519.pub",
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			credentials, err := flags.readCredentials()
			if err != nil {
				return err
			}
			if flags.firmware != firmwareUEFI && flags.firmware != firmwareBIOS {
				return fmt.Errorf("--firmware %s: %s or %s", flags.firmware, firmwareUEFI, firmwareBIOS)
			}
			return a.withTools(cmd.Context(), tools, builds, func(tools *vm.Tools) error {
				return a.withSystem(cmd.Context(), firstArg(args), builds, func(b *builtSystem) error {
					return a.vm(cmd.Context(), b, flags, vm.Options{Tools: tools, Credentials: credentials, BIOS: flags.firmware == firmwareBIOS})
				})
			})
		},
	}
	a.projectFlags(cmd)
	a.buildFlags(cmd, &builds)
	cmd.Flags().StringVar(&flags.disk, "disk", "", "keep the machine's disk in `FILE`")
	cmd.Flags().Var((*byteLimit)(&flags.memory), "machine-memory", "give the machine `SIZE` of memory")
	cmd.Flags().Var((*count)(&flags.cpus), "cpus", "give the machine `N` processors")
	cmd.Flags().StringVar(&flags.accelerator, "accelerator", "", "run it with `NAME`: kvm or tcg (default: kvm where it can be used)")
	cmd.Flags().StringVar(&flags.firmware, "firmware", flags.firmware, "start it as `KIND` does: uefi or bios")
	cmd.Flags().StringVar(&tools, "tools", "", "take QEMU and firmware from an `ENVIRONMENT` of the definition")
	cmd.Flags().StringArrayVar(&flags.credentials, "credential", nil, "hand `NAME=VALUE` to systemd in the machine, or NAME=@FILE; may be repeated")
	return cmd
}

// readCredentials reads what --credential says.
func (f *vmFlags) readCredentials() (map[string]string, error) {
	values := map[string]string{}
	for _, arg := range f.credentials {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--credential %s: say NAME=VALUE, or NAME=@FILE", arg)
		}
		if path, isFile := strings.CutPrefix(value, "@"); isFile {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("read credential %s: %w", name, err)
			}
			value = string(text)
		}
		values[name] = value
	}
	return values, nil
}

// serialParams put the kernel and a login prompt on the serial console.
var serialParams = []string{"console=ttyS0"}

func (a *app) vm(ctx context.Context, b *builtSystem, flags vmFlags, opts vm.Options) (err error) {
	dir, err := os.MkdirTemp("", "sysc-vm-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	disk := flags.disk
	if disk == "" {
		disk = filepath.Join(dir, "disk.raw")
	}
	if err := makeDisk(ctx, disk, b); err != nil {
		return err
	}
	opts.Disk, opts.Dir, opts.Memory, opts.CPUs, opts.Reboot = disk, dir, flags.memory, flags.cpus, true
	if opts.Accelerator = flags.accelerator; opts.Accelerator == "" {
		var why error
		if opts.Accelerator, why = vm.Accelerator(ctx, opts.Tools); why != nil && !errors.Is(why, vm.ErrMissing) {
			a.say("The machine is slow: KVM does not work here (%v), so QEMU runs its instructions itself.", why)
		}
	}
	cmd, err := opts.Command(ctx, true)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("run machine: %w", err)
	}
	return err
}

// withTools calls fn with QEMU and firmware of an environment, nil for "".
func (a *app) withTools(ctx context.Context, environment string, flags buildFlags, fn func(*vm.Tools) error) error {
	if environment == "" {
		if err := vm.Installed(); err != nil {
			return fmt.Errorf("%w; or name an environment that has it: --tools", err)
		}
		return fn(nil)
	}
	def, t, err := a.evaluateOne(ctx, modules.WantEnvironment, environment)
	if err != nil {
		return err
	}
	// The store stays open, so that nobody collects what runs.
	return a.withStore(ctx, func(st *localstore.Store) error {
		paths, err := a.realise(ctx, st, def, []derivations.Ref{t.Ref}, flags)
		if err != nil {
			return err
		}
		obj, err := st.Object(ctx, paths[t.Ref])
		if err != nil {
			return err
		}
		root, err := st.CheckoutDir(ctx, obj.Tree)
		if err != nil {
			return err
		}
		return fn(&vm.Tools{Root: root})
	})
}

// makeDisk makes a machine's disk unless there is one.
func makeDisk(ctx context.Context, path string, b *builtSystem) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	write := writeRaw
	if vm.DiskFormat(path) == "qcow2" {
		write = writeQcow2
	}
	err = write(ctx, f, b, imageFlags{params: serialParams})
	err = errors.Join(err, f.Close())
	if err != nil {
		os.Remove(path) // half a disk would be taken for one
	}
	return err
}
