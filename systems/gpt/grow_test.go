package gpt

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A memory is a disk in memory, whose power is cut after some writes.
type memory struct {
	data []byte
	left int // writes
}

var errCut = errors.New("no power")

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.data).ReadAt(p, off)
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if m.left == 0 {
		return 0, errCut
	}
	m.left--
	if off < 0 || off+int64(len(p)) > int64(len(m.data)) {
		return 0, io.ErrShortWrite
	}
	return copy(m.data[off:], p), nil
}

func (m *memory) Sync() error { return nil }

const before, after = 10 << 20, 15 << 20

var smallParts = []Partition{
	{Type: TypeESP, ID: GUID{1}, Name: "ESP", Start: 1 << 20, Size: 4 << 20},
	{Type: TypeLinux, ID: GUID{2}, Name: "sysc", Start: 5 << 20, Size: 4 << 20},
}

// small returns a disk that was copied to a larger one.
func small(t testing.TB) *memory {
	m := &memory{make([]byte, after), -1}
	m.left = 1000
	if err := Write(m, before, GUID{0xAA}, smallParts); err != nil {
		t.Fatal(err)
	}
	copy(m.data, "boot code")
	return m
}

// dump is what sfdisk reads of a disk.
func dump(t *testing.T, m *memory, option string) string {
	t.Helper()
	sfdisk, err := exec.LookPath("sfdisk")
	if err != nil {
		t.Skip("sfdisk is not installed: apt-get install fdisk")
	}
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, m.data, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), sfdisk, option, path).CombinedOutput()
	if err != nil {
		t.Fatalf("sfdisk %s: %v\n%s", option, err, out)
	}
	return string(out)
}

func TestGrow(t *testing.T) {
	m := small(t)
	start, size, changed, err := Grow(m, after, 2)
	if err != nil || !changed || start != 5<<20 || size != 9<<20 {
		t.Fatalf("%d bytes from %d on, %v, %v", size, start, changed, err)
	}
	if out := dump(t, m, "--verify"); !strings.Contains(out, "No errors detected") {
		t.Errorf("sfdisk --verify:\n%s", out)
	}
	if out := dump(t, m, "--dump"); !strings.Contains(out, "start=       10240, size=       18432") || !strings.Contains(out, `name="sysc"`) {
		t.Errorf("sfdisk --dump:\n%s", out)
	}
	if !bytes.HasPrefix(m.data, []byte("boot code")) {
		t.Error("the code of the first sector is gone")
	}
	// Once more there is nothing to do, and nothing is written.
	m.left = 0
	if _, again, changed, err := Grow(m, after, 2); err != nil || changed || again != size {
		t.Errorf("once more: %d, %v, %v", again, changed, err)
	}
}

// Whenever the power goes, one of the tables is whole.
func TestGrowCut(t *testing.T) {
	for writes := 0; ; writes++ {
		m := small(t)
		m.left = writes
		_, _, _, err := Grow(m, after, 2)
		out := dump(t, m, "--dump")
		if !strings.Contains(out, "size=        8192") && !strings.Contains(out, "size=       18432") {
			t.Errorf("after %d writes:\n%s", writes, out)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, errCut) {
			t.Fatal(err)
		}
	}
}

func TestGrowNot(t *testing.T) {
	m := small(t)
	if _, size, changed, err := Grow(m, after, 1); err != nil || changed || size != 4<<20 {
		t.Errorf("a partition with another one behind it: %d, %v, %v", size, changed, err)
	}
	if _, _, changed, err := Grow(m, before, 2); err != nil || changed {
		t.Errorf("on a disk that is as large as it was: %v, %v", changed, err)
	}
	for name, number := range map[string]int{"0": 0, "of a number that is free": 3, "behind the table": 129} {
		if _, _, _, err := Grow(m, after, number); err == nil {
			t.Errorf("a partition %s was grown", name)
		}
	}
	for _, at := range []int{SectorSize + 24, 2*SectorSize + 40} {
		damaged := small(t)
		damaged.data[at] ^= 1
		if _, _, _, err := Grow(damaged, after, 2); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("a table that is damaged at %d: %v", at, err)
		}
	}
}

func FuzzGrow(f *testing.F) {
	m := &memory{make([]byte, 4<<20), 1000}
	if err := Write(m, 3<<20, GUID{1}, []Partition{{Type: TypeLinux, ID: GUID{2}, Start: 1 << 20, Size: 1 << 20}}); err != nil {
		f.Fatal(err)
	}
	f.Add(m.data[:8192], 1)
	f.Fuzz(func(t *testing.T, head []byte, number int) {
		const size = 4 << 20
		d := &memory{make([]byte, size), 1000}
		copy(d.data, head)
		start, length, changed, err := Grow(d, size, number)
		if err == nil && changed && (start < 0 || length <= 0 || start+length > size) {
			t.Errorf("%d bytes from %d on", length, start)
		}
	})
}
