package earlyboot

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseParameters(t *testing.T) {
	for line, want := range map[string]Parameters{
		"quiet sysc.generation=12 sysc.data=PARTLABEL=sysc console=ttyS0\n": {Generation: 12, Data: "PARTLABEL=sysc"},
		"sysc.generation=1 sysc.generation=2 sysc.data=/dev/x sysc.watchdog=30": {
			Generation: 2, Data: "/dev/x", Watchdog: 30 * time.Second},
		"sysc.image=/root.squashfs":                 {Image: "/root.squashfs"},
		"sysc.generation=1 sysc.data=x sysc.grow=1": {Generation: 1, Data: "x", Grow: true},
	} {
		got, err := ParseParameters(line)
		if err != nil || *got != want {
			t.Errorf("%q: %+v, %v, want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{
		"", "sysc.image=", "sysc.generation=1 sysc.data=x sysc.grow=yes", "sysc.generation=1", "sysc.data=UUID=1", "sysc.generation=0 sysc.data=x", "sysc.generation=-1 sysc.data=x",
		"sysc.generation=x sysc.data=x", "sysc.generation= sysc.data=x", "sysc.generation=1 sysc.data=x sysc.watchdog=99999",
		"sysc.generation=99999999999 sysc.data=x",
	} {
		if got, err := ParseParameters(line); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

// disk returns the beginning of a disk with bytes at some places.
func disk(size int, at map[int]string) []byte {
	d := make([]byte, size)
	for offset, text := range at {
		copy(d[offset:], text)
	}
	return d
}

func TestProbe(t *testing.T) {
	const uuid = "\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10"
	const text = "01234567-89ab-cdef-fedc-ba9876543210"
	for name, c := range map[string]struct {
		disk []byte
		want filesystem
	}{
		"ext4":     {disk(4096, map[int]string{0x438: "\x53\xef", 0x468: uuid}), filesystem{"ext4", text}},
		"btrfs":    {disk(0x20000, map[int]string{0x10040: "_BHRfS_M", 0x10020: uuid}), filesystem{"btrfs", text}},
		"xfs":      {disk(512, map[int]string{0: "XFSB", 32: uuid}), filesystem{"xfs", text}},
		"squashfs": {disk(96, map[int]string{0: "hsqs"}), filesystem{kind: "squashfs"}},
		"erofs":    {disk(4096, map[int]string{0x400: "\xe2\xe1\xf5\xe0", 0x430: uuid}), filesystem{"erofs", text}},
		"zeros":    {make([]byte, 1<<20), filesystem{}},
		"nothing":  {nil, filesystem{}},
		"short":    {disk(0x440, map[int]string{0x438: "\x53\xef"}), filesystem{}},
	} {
		got, err := probe(bytes.NewReader(c.disk))
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func FuzzProbe(f *testing.F) {
	f.Add(disk(4096, map[int]string{0x438: "\x53\xef"}))
	f.Add(disk(100, map[int]string{0: "XFSB"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := probe(bytes.NewReader(data)); err != nil || got.kind == "" && got.uuid != "" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestFindDevice(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	write := func(path string, data []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, label := range map[string]string{"vda": "", "vda1": "ESP", "vda2": "sysc", "vdb": ""} {
		uevent := "DEVNAME=" + name + "\n"
		if label != "" {
			uevent += "PARTNAME=" + label + "\n"
		}
		write(filepath.Join(sys, name, "uevent"), []byte(uevent))
		write(filepath.Join(dev, name), make([]byte, 4096))
	}
	write(filepath.Join(dev, "vda2"), disk(4096, map[int]string{0x438: "\x53\xef", 0x468: "\x01\x02"}))
	want := &device{filepath.Join(dev, "vda2"), filesystem{"ext4", "01020000-0000-0000-0000-000000000000"}}
	for _, spec := range []string{"PARTLABEL=sysc", "UUID=01020000-0000-0000-0000-000000000000", "/dev/vda2"} {
		got, err := findDevice(sys, dev, spec)
		if err != nil || got == nil || *got != *want {
			t.Errorf("%s: %+v, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"PARTLABEL=other", "UUID=1"} {
		if got, err := findDevice(sys, dev, spec); got != nil || err != nil {
			t.Errorf("%s: %+v, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"PARTLABEL=ESP", "/dev/vda", "/dev/vdz", "LABEL=x", "x"} {
		if got, err := findDevice(sys, dev, spec); got != nil || err == nil {
			t.Errorf("%s: %+v, %v", spec, got, err)
		}
	}
}

var testModules = []Module{
	{Name: "virtio", File: "virtio.ko"},
	{Name: "virtio_blk", File: "virtio_blk.ko", Needs: []string{"virtio"}, Aliases: []string{"virtio:d00000002v*"}},
	{Name: "broken", File: "broken.ko", Aliases: []string{"pci:v*", "acpi:[A-C]*"}},
	{Name: "btrfs", File: "btrfs.ko", Needs: []string{"xor", "raid6", "virtio"}},
	{Name: "raid6", File: "raid6.ko"},
	{Name: "xor", File: "xor.ko"},
}

func TestModulesIndex(t *testing.T) {
	got, err := ParseModules(FormatModules(testModules))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(testModules, got, cmp.Transformer("nil", func(s []string) string { return fmt.Sprint(s) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, text := range []string{"alias x\n", "module x\n", "other\n", "module a b\nalias\n"} {
		if got, err := ParseModules([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzParseModules(f *testing.F) {
	f.Add(FormatModules(testModules))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ParseModules(text)
		if err != nil {
			return
		}
		again, err := ParseModules(FormatModules(list))
		if err != nil || !slices.EqualFunc(list, again, func(a, b Module) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Errorf("%v, then %v, %v", list, again, err)
		}
	})
}

func TestLoader(t *testing.T) {
	var loaded []string
	complaints := 0
	l := newLoader(testModules, func(file string) error {
		loaded = append(loaded, file)
		if file == "broken.ko" {
			return os.ErrInvalid
		}
		return nil
	}, func(string, ...any) { complaints++ })
	for range 2 {
		l.loadFor([]string{"acpi:PNP", "virtio:d00000002v00001AF4"})
		l.loadFor([]string{"acpi:ABC", "usb:v1"})
		l.load("btrfs")
		l.load("ext4")
	}
	want := []string{"virtio.ko", "virtio_blk.ko", "broken.ko", "xor.ko", "raid6.ko", "btrfs.ko"}
	if !slices.Equal(loaded, want) || complaints != 1 {
		t.Errorf("loaded %v with %d complaints, want %v with 1", loaded, complaints, want)
	}
}

// partVariableOf is what firmware has for a text.
func partVariableOf(text string) []byte {
	data := []byte{6, 0, 0, 0}
	for _, c := range text + "\x00" {
		data = append(data, byte(c), byte(c>>8))
	}
	return data
}

func TestBootUnit(t *testing.T) {
	dir := t.TempDir()
	if err := writeBootUnit(partVariableOf("0BADC0DE-1234-4321-ABCD-0123456789AB"), dir); err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile(filepath.Join(dir, "local-fs.target.wants/efi.mount"))
	if err != nil || !bytes.Contains(unit, []byte("\nWhat=/dev/disk/by-partuuid/0badc0de-1234-4321-abcd-0123456789ab\nWhere=/efi\n")) {
		t.Errorf("%s, %v", unit, err)
	}
	for _, text := range []string{"", "../../../etc/passwd/////////////////", "0badc0de-1234-4321-abcd-0123456789ab0", "0badc0de-1234-4321-abcd\n0123456789ab"} {
		if id, err := partUUID(partVariableOf(text)); err == nil {
			t.Errorf("%q: %q", text, id)
		}
	}
	if id, err := partUUID(nil); err == nil {
		t.Errorf("nothing: %q", id)
	}
}

func FuzzPartUUID(f *testing.F) {
	f.Add(partVariableOf("0badc0de-1234-4321-abcd-0123456789ab"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if id, err := partUUID(data); err == nil && filepath.Base(id) != id {
			t.Errorf("%q", id)
		}
	})
}
