//go:build vm

package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestVMFormats: what sysc image writes boots, in each of its forms.
func TestVMFormats(t *testing.T) {
	d := newVMDefinition(t, "minimal")
	t.Run("qcow2", func(t *testing.T) {
		disk := filepath.Join(t.TempDir(), "disk.qcow2")
		d.sysc(t, "image", "--format", "qcow2", "--output", disk)
		c := startMachine(t, disk)
		c.must("test -e /etc/motd -a -w /var")
		c.off()
		if out, err := exec.CommandContext(t.Context(), "qemu-img", "check", disk).CombinedOutput(); err != nil {
			t.Errorf("qemu-img check: %v\n%s", err, out)
		}
	})
}
