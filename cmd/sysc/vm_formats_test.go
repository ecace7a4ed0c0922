//go:build vm

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sysc/systems/grub"
	"sysc/systems/vm"
)

// TestVMFormats: what sysc image writes boots, in each of its forms, with UEFI and a BIOS.
func TestVMFormats(t *testing.T) {
	d := newVMDefinition(t, "minimal", "grub-pc-bin")
	t.Run("iso", func(t *testing.T) { bootsISO(t, d) })
	t.Run("bios", func(t *testing.T) { fallsBackOnBIOS(t, d.image(t)) })
	t.Run("qcow2", func(t *testing.T) {
		disk := filepath.Join(t.TempDir(), "disk.qcow2")
		d.sysc(t, "image", "--format", "qcow2", "--output", disk)
		// Somebody has a larger disk.
		tool(t, "qemu-img", "resize", disk, "+6G")
		c := powerWith(t, vm.Options{Disk: disk, Credentials: map[string]string{
			"ssh.authorized_keys.root": "ssh-ed25519 key", "tmpfiles.extra": "f /etc/issue.d/place.issue 0644 - - - in the cellar\n",
		}})
		c.login()
		c.must("test -e /etc/motd -a -w /var")
		if got := c.must("cat /root/.ssh/authorized_keys /etc/issue.d/place.issue"); got != "ssh-ed25519 keyin the cellar" {
			t.Errorf("what the machine was told: %q", got)
		}
		const enough = 7 << 20
		free, err := strconv.Atoi(c.must("df --output=avail /var | tail -n1"))
		if err != nil || free < enough {
			t.Errorf("%d KiB free on a disk that is 6 GiB larger, %v", free, err)
		}
		c.off()
		tool(t, "qemu-img", "check", disk)
	})
	t.Run("netboot", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "netboot")
		d.sysc(t, "image", "--format", "netboot", "--output", dir)
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			t.Fatal(err)
		}
		c := powerWith(t, vm.Options{
			Kernel: filepath.Join(dir, "linux"), Initrd: filepath.Join(dir, "initrd"), CommandLine: strings.TrimSpace(string(line)), BIOS: true,
		})
		c.runsFromMemory()
	})
	t.Run("uki", func(t *testing.T) {
		dir := t.TempDir()
		program, disk := filepath.Join(dir, "system.efi"), filepath.Join(dir, "disk.raw")
		d.sysc(t, "image", "--format", "uki", "--output", program)
		// A stick as somebody makes it: a file system, and the program where firmware looks.
		if err := os.WriteFile(disk, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(disk, 512<<20); err != nil {
			t.Fatal(err)
		}
		tool(t, "mformat", "-F", "-i", disk, "::")
		tool(t, "mmd", "-i", disk, "::/EFI", "::/EFI/BOOT")
		tool(t, "mcopy", "-i", disk, program, "::/EFI/BOOT/BOOTX64.EFI")
		power(t, disk).runsFromMemory()
	})
}

// bootsISO: one file is a disc and a stick, for UEFI and BIOS.
func bootsISO(t *testing.T, d *vmDefinition) {
	dir := t.TempDir()
	disc, stick := filepath.Join(dir, "disc.iso"), filepath.Join(dir, "stick.raw")
	d.sysc(t, "image", "--format", "iso", "--output", disc)
	if err := os.Symlink(disc, stick); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []vm.Options{{CDROM: disc, BIOS: true}, {Disk: stick, Temporary: true, BIOS: true}, {Disk: stick, Temporary: true}} {
		c := powerWith(t, opts)
		c.expect(`sysc: booting /root.squashfs from memory`)
		c.Stop()
	}
	powerWith(t, vm.Options{CDROM: disc}).runsFromMemory()
}

// fallsBackOnBIOS: GRUB counts tries. A generation that cannot be mounted is tried as often
// as the disk says, then the one that is known to be good starts.
func fallsBackOnBIOS(t *testing.T, disk string) {
	at := disk + "@@2M" // behind the partition of GRUB
	dir := t.TempDir()
	menu := tool(t, "mtype", "-i", at, "::/"+grub.MenuName)
	broken := menu[strings.Index(menu, "menuentry"):]
	for _, change := range [][2]string{{"'sysc-1'", "'sysc-2'"}, {"sysc.generation=1", "sysc.generation=2"}} {
		if !strings.Contains(broken, change[0]) {
			t.Fatalf("the menu has no %q:\n%s", change[0], menu)
		}
		broken = strings.ReplaceAll(broken, change[0], change[1])
	}
	environment, err := (&grub.Environment{Good: "sysc-1", Next: "sysc-2", Tries: 2}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{grub.MenuName: menu + broken, grub.EnvironmentName: string(environment)} {
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		tool(t, "mcopy", "-o", "-i", at, file, "::/"+name)
	}
	c := powerWith(t, vm.Options{Disk: disk, BIOS: true})
	for range 2 {
		c.expect(`sysc: mount composefs image \S+/generations/2/root.cfs: .*no such file`)
		c.expect(`sysc: resetting`)
	}
	c.login()
	if got := c.must("cat /proc/cmdline"); !strings.Contains(got, "sysc.generation=1") {
		t.Errorf("command line %q", got)
	}
	c.must("test ! -e /sys/firmware/efi")
	c.off()
	after, err := grub.ParseEnvironment([]byte(tool(t, "mtype", "-i", at, "::/"+grub.EnvironmentName)))
	if want := (grub.Environment{Good: "sysc-1", Next: "sysc-2"}); err != nil || *after != want {
		t.Errorf("afterwards: %+v, %v", after, err)
	}
}

// runsFromMemory logs in and looks whether the whole system is there, and can be
// changed.
func (c *vmConsole) runsFromMemory() {
	c.t.Helper()
	c.login()
	if got := c.must("findmnt -no FSTYPE /; cat /etc/motd"); got != "overlay\nWelcome to a system composed by sysc." {
		c.t.Errorf("root and message of the day: %q", got)
	}
	c.must("touch /usr/x /etc/x /var/x /home/ada/x")
	if out := c.must("dpkg --audit; dpkg -V"); out != "" {
		c.t.Errorf("dpkg finds: %s", out)
	}
	if out, _ := c.run("systemctl is-system-running --wait"); out != "running" {
		failed, _ := c.run("systemctl --failed --no-legend --plain")
		c.t.Errorf("the system is %q; failed units: %s", out, failed)
	}
	c.off()
}

// tool runs a program of the host, which has to work.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
