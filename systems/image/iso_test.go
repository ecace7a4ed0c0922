package image_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sysc/systems/image"
	"sysc/systems/systemstest"
)

// isoOf writes the disc of a system to a file.
func isoOf(t *testing.T, l *lab) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disc.iso"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := image.ISO(t.Context(), f, l.store, l.system, "console=ttyS0"); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// A disc is one for whoever reads discs, and a disk with a boot partition for others.
func TestISO(t *testing.T) {
	for _, name := range []string{"xorriso", "sfdisk", "mtype", "isoinfo"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed: apt-get install xorriso fdisk mtools genisoimage", name)
		}
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	disc := isoOf(t, newLab(t, entries, systemstest.Initrd()))
	if out := run("xorriso", "-indev", disc, "-report_el_torito", "plain"); !strings.Contains(out, "UEFI  y") {
		t.Errorf("xorriso:\n%s", out)
	}
	if out := run("isoinfo", "-f", "-i", disc); out != "/BOOT.IMG;1\n" {
		t.Errorf("files: %q", out)
	}
	if out := run("sfdisk", "--verify", disc); !strings.Contains(out, "No errors detected") {
		t.Errorf("sfdisk:\n%s", out)
	}
	if out := run("sfdisk", "--dump", disc); !strings.Contains(out, "start=        2048") {
		t.Errorf("partitions:\n%s", out)
	}
	at := disc + "@@1M"
	if out := run("mtype", "-i", at, "::/linux"); out != "the kernel\n" {
		t.Errorf("kernel %q", out)
	}
	if out := run("mtype", "-i", at, "::/loader/entries/sysc.conf"); !strings.Contains(out, "options  sysc.image=/root.squashfs console=ttyS0 quiet\n") {
		t.Errorf("entry:\n%s", out)
	}
}

func TestISOSameBytes(t *testing.T) {
	var discs [2][]byte
	for i := range discs {
		var err error
		if discs[i], err = os.ReadFile(isoOf(t, newLab(t, entries, systemstest.Initrd()))); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(discs[0], discs[1]) {
		t.Error("two discs of one system differ")
	}
}

func TestISORefuses(t *testing.T) {
	l := newLab(t, slices.DeleteFunc(slices.Clone(entries), func(e string) bool { return strings.Contains(e, "systemd-boot") }), systemstest.Initrd())
	f, err := os.Create(filepath.Join(t.TempDir(), "disc.iso"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := image.ISO(t.Context(), f, l.store, l.system); err == nil || !strings.Contains(err.Error(), "grub-pc-bin") {
		t.Errorf("without a boot loader: %v", err)
	}
}
