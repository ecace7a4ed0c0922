package vm

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("QEMU is not installed: apt-get install qemu-system-x86")
	}
	// Where there is no KVM, what is run by it runs by QEMU, too.
	if err := probe(t.Context(), TCG, probeSector, time.Minute); err != nil {
		t.Error(err)
	}
	if err := probe(t.Context(), TCG, "\xeb\xfe", time.Second); err == nil || !strings.Contains(err.Error(), "did not end within 1s") {
		t.Errorf("a machine that does not end: %v", err)
	}
	if err := probe(t.Context(), TCG, "\xb0\x01\xe6\xf4", time.Minute); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a machine that ends otherwise: %v", err)
	}
	name, why := Accelerator(t.Context())
	if (name == KVM) != (why == nil) {
		t.Errorf("%s, %v", name, why)
	}
	t.Logf("machines run by %s: %v", name, why)
}
