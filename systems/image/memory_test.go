package image_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"sysc/systems/image"
	"sysc/systems/systemstest"
)

func TestMemoryInitrd(t *testing.T) {
	var initrds [2]bytes.Buffer
	for i := range initrds {
		l := newLab(t, entries, systemstest.Initrd()) // in another store, another time
		if err := image.MemoryInitrd(t.Context(), &initrds[i], l.store, l.system); err != nil {
			t.Fatal(err)
		}
		var kernel bytes.Buffer
		if err := image.WriteKernel(t.Context(), &kernel, l.store, l.system); err != nil || kernel.String() != "the kernel\n" {
			t.Errorf("kernel %q, %v", kernel.String(), err)
		}
		if got := image.MemoryCommandLine(l.system.Manifest, "console=ttyS0"); got != "sysc.image=/root.squashfs console=ttyS0 quiet" {
			t.Errorf("command line %q", got)
		}
	}
	if !bytes.Equal(initrds[0].Bytes(), initrds[1].Bytes()) {
		t.Error("two initrds of one system differ")
	}
	data := initrds[0].Bytes()
	at := bytes.Index(data, []byte("070701"))
	if at < 0 || at%4 != 0 {
		t.Fatalf("the second archive begins at %d", at)
	}
	program, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("cpio is not installed: apt-get install cpio")
	}
	cmd := exec.CommandContext(t.Context(), program, "--extract", "--to-stdout", "--quiet", "root.squashfs")
	cmd.Stdin = bytes.NewReader(data[at:])
	if out, err := cmd.Output(); err != nil || !bytes.HasPrefix(out, []byte("hsqs")) {
		t.Errorf("the root's image: %d bytes, %v", len(out), err)
	}
}

func TestMemoryRefuses(t *testing.T) {
	l := newLab(t, entries, nil)
	if err := image.MemoryInitrd(t.Context(), &bytes.Buffer{}, l.store, l.system); err == nil || !strings.Contains(err.Error(), "boot.initrd") {
		t.Errorf("without an initrd of sysc's: %v", err)
	}
	l = newLab(t, entries, systemstest.Initrd())
	if err := image.MemoryUKI(t.Context(), &bytes.Buffer{}, l.store, l.system); err == nil || !strings.Contains(err.Error(), "systemd-boot-efi") {
		t.Errorf("without a stub: %v", err)
	}
}
