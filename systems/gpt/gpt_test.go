package gpt

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var parts = []Partition{
	{Type: TypeESP, ID: GUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Name: "ESP", Start: 1 << 20, Size: 64 << 20},
	{Type: TypeLinux, ID: GUID{15: 1}, Name: "grüße", Start: 66 << 20, Size: 33 << 20},
}

func TestReadByOthers(t *testing.T) {
	sfdisk, err := exec.LookPath("sfdisk")
	if err != nil {
		t.Skip("sfdisk is not installed: apt-get install fdisk")
	}
	const size = 100 << 20
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := Write(f, size, GUID{0xAA, 0xBB}, parts); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), sfdisk, "--verify", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "No errors detected") {
		t.Errorf("sfdisk --verify: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), sfdisk, "--json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	type partition struct {
		Start, Size      int64
		Type, UUID, Name string
	}
	var got struct {
		PartitionTable struct {
			Label, ID  string
			FirstLBA   int64
			LastLBA    int64
			Partitions []partition
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := got
	want.PartitionTable.Label, want.PartitionTable.ID = "gpt", "AABB0000-0000-0000-0000-000000000000"
	want.PartitionTable.FirstLBA, want.PartitionTable.LastLBA = 34, size/SectorSize-34
	want.PartitionTable.Partitions = []partition{
		{2048, 131072, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "01020304-0506-0708-090A-0B0C0D0E0F10", "ESP"},
		{135168, 67584, "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "00000000-0000-0000-0000-000000000001", "grüße"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sfdisk reads (-want +got):\n%s", diff)
	}
	// The copy at the end is as good as the table: without the latter it serves.
	if _, err := f.WriteAt(make([]byte, 33*SectorSize), SectorSize); err != nil {
		t.Fatal(err)
	}
	out, err = exec.CommandContext(t.Context(), sfdisk, "--json", path).Output()
	if err != nil || !strings.Contains(string(out), "01020304-0506-0708-090A-0B0C0D0E0F10") {
		t.Errorf("from the copy: %v\n%s", err, out)
	}
}

func TestRefuses(t *testing.T) {
	const size = 100 << 20
	for name, change := range map[string]func(p []Partition) []Partition{
		"overlap":      func(p []Partition) []Partition { p[1].Start = 64 << 20; return p },
		"first MiB":    func(p []Partition) []Partition { p[0].Start = 0; return p },
		"past the end": func(p []Partition) []Partition { p[1].Size = 34 << 20; return p },
		"unaligned":    func(p []Partition) []Partition { p[1].Size = 1 << 19; return p },
		"empty":        func(p []Partition) []Partition { p[1].Size = 0; return p },
		"long name":    func(p []Partition) []Partition { p[1].Name = strings.Repeat("x", 37); return p },
		"many":         func(p []Partition) []Partition { return make([]Partition, 129) },
	} {
		if err := Write(discard{}, size, GUID{}, change(append([]Partition(nil), parts...))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := Write(discard{}, size, GUID{}, parts); err != nil {
		t.Error(err)
	}
}

type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
