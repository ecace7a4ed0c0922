package qcow2

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A change is a write to a disk.
type change struct {
	at   int64
	data []byte
}

// changes are writes around the borders of clusters and tables, some over others.
func changes() []change {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	return []change{
		{0, text(512)}, {clusterSize - 1, text(2)}, {5 * clusterSize, text(3*clusterSize + 7)},
		{clusterSize * perTable, text(1)}, {size - 5, text(5)}, {5*clusterSize + 3, make([]byte, 100)},
		{40 * clusterSize, make([]byte, 4*clusterSize)}, {clusterSize*perTable - 10, text(30)},
	}
}

const size = 3*clusterSize*perTable + 12800

func write(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := New(f)
	if err := d.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes() {
		if n, err := d.WriteAt(c.data, c.at); err != nil || n != len(c.data) {
			t.Fatalf("write at %d: %d, %v", c.at, n, err)
		}
	}
	for _, c := range []change{{-1, []byte{1}}, {size, []byte{1}}, {size - 1, []byte{1, 2}}} {
		if _, err := d.WriteAt(c.data, c.at); err == nil {
			t.Errorf("a write at %d of a disk of %d was accepted", c.at, int64(size))
		}
	}
	if err := d.Truncate(size - 1); err == nil {
		t.Error("the disk became smaller")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// QEMU finds nothing wrong with a disk, and reads what was written.
func TestReadByQEMU(t *testing.T) {
	program, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed: apt-get install qemu-utils")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.qcow2")
	write(t, path)
	raw := filepath.Join(dir, "raw")
	f, err := os.Create(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes() {
		if _, err := f.WriteAt(c.data, c.at); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "-f", "qcow2", path}, {"compare", "-f", "qcow2", "-F", "raw", path, raw}} {
		if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
			t.Errorf("qemu-img %s: %v\n%s", args[0], err, out)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const enough = 30 * clusterSize
	if info.Size() > enough {
		t.Errorf("%d bytes: what was not written, or only zeros, takes room", info.Size())
	}
}

func TestSameBytes(t *testing.T) {
	dir := t.TempDir()
	var files [2][]byte
	for i, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name)
		write(t, path)
		var err error
		if files[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("two disks of the same writes differ")
	}
}
