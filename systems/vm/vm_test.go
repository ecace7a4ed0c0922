//go:build vm

package vm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestVMWithoutSystem: a machine whose disk is empty says so on its console, which is the
// firmware's.
func TestVMWithoutSystem(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	m, err := Start(t.Context(), Options{Disk: disk, Dir: dir, Accelerator: "tcg"}, &log)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	found, err := m.Expect(ctx, regexp.MustCompile(`BdsDxe: (failed to \w+) `))
	if err != nil || len(found) != 2 || !strings.HasPrefix(found[1], "failed to ") {
		t.Fatalf("%q, %v", found, err)
	}
	short, cancelShort := context.WithTimeout(t.Context(), time.Second)
	defer cancelShort()
	if _, err := m.Expect(short, regexp.MustCompile(`login:`)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "login:") {
		t.Errorf("waiting for what does not come: %v", err)
	}
	m.Stop()
	if _, err := m.Expect(t.Context(), regexp.MustCompile(`login:`)); !errors.Is(err, ErrEnded) {
		t.Errorf("waiting for a machine that has ended: %v", err)
	}
	if !strings.Contains(log.String(), found[0]) {
		t.Error("the log has not what the console has")
	}
}
