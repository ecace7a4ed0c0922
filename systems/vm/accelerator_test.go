package vm

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("QEMU is not installed: apt-get install qemu-system-x86")
	}
	// Where there is no KVM, what is run by it runs by QEMU, too.
	if err := probe(t.Context(), nil, TCG, probeSector, time.Minute); err != nil {
		t.Error(err)
	}
	if err := probe(t.Context(), nil, TCG, "\xeb\xfe", time.Second); err == nil || !strings.Contains(err.Error(), "did not end within 1s") {
		t.Errorf("a machine that does not end: %v", err)
	}
	if err := probe(t.Context(), nil, TCG, "\xb0\x01\xe6\xf4", time.Minute); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a machine that ends otherwise: %v", err)
	}
	name, why := Accelerator(t.Context(), nil)
	if (name == KVM) != (why == nil) {
		t.Errorf("%s, %v", name, why)
	}
	t.Logf("machines run by %s: %v", name, why)
}

// QEMU from a directory that is a root runs with what is there: here this machine's own.
func TestTools(t *testing.T) {
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("QEMU is not installed: apt-get install qemu-system-x86")
	}
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Symlink("/", root); err != nil {
		t.Fatal(err)
	}
	tools := &Tools{root}
	if err := probe(t.Context(), tools, TCG, probeSector, time.Minute); err != nil {
		t.Error(err)
	}
	code, vars, err := tools.firmware(t.TempDir())
	if err != nil || !strings.HasPrefix(code, root+"/usr/share/") {
		t.Errorf("firmware %s, %s, %v", code, vars, err)
	}
	empty := &Tools{t.TempDir()}
	if err := probe(t.Context(), empty, TCG, probeSector, time.Minute); !errors.Is(err, ErrMissing) {
		t.Errorf("QEMU from an empty directory: %v", err)
	}
	if _, _, err := empty.firmware(t.TempDir()); !errors.Is(err, ErrMissing) {
		t.Errorf("firmware from an empty directory: %v", err)
	}
}
