package fat

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
)

// A sample is a tree in a store.
type sample struct {
	*localstore.Store
	root store.Digest
}

func newSample(t *testing.T, files map[string]string) *sample {
	t.Helper()
	s, err := localstore.Open(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := tree.NewBuilder(s, store.Digest{})
	for path, text := range files {
		d, n, err := s.AddBlob(t.Context(), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), path, tree.Entry{Type: tree.File, Mode: 0o644, Digest: d, Size: n}); err != nil {
			t.Fatal(err)
		}
	}
	w := &sample{Store: s}
	w.root, _, err = b.Write(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// files are of all kinds that boot partitions have, and some that they have not.
func files() map[string]string {
	m := map[string]string{
		"EFI/BOOT/BOOTX64.EFI":                    strings.Repeat("loader", 20000),
		"EFI/systemd/systemd-bootx64.efi":         strings.Repeat("loader", 20000),
		"loader/loader.conf":                      "timeout 3\n",
		"loader/entries/sysc-1+3.conf":            "title x\n",
		"loader/entries/sysc-12.conf":             "title y\n",
		"sysc/0123456789abcdef0123456789abcdef/l": strings.Repeat("linux", 1000003),
		"empty":                            "",
		"UPPER.TXT":                        "upper",
		"lower.txt":                        "lower",
		"13 characters":                    "13",
		"grüße-😀":                          "unicode",
		strings.Repeat("n", 255):           "long",
		"many dots.in.a name.that is.long": "dots",
		".hidden":                          "hidden",
		"exact512":                         strings.Repeat("x", 512),
		"exact4096":                        strings.Repeat("x", 4096),
	}
	for i := range 500 {
		m[fmt.Sprintf("many/a file of many %d.text", i)] = fmt.Sprint(i)
	}
	return m
}

// tool returns a program that reads FAT; package is what Debian has it in.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: apt-get install %s", name, pkg)
	}
	return path
}

func newImage(t *testing.T, w *sample, opts Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(opts.Size); err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), f, w, w.root, opts); err != nil {
		t.Fatal(err)
	}
	return path
}

// Small clusters and large ones: dosfstools find nothing wrong, mtools find every
// file.
func TestReadByOthers(t *testing.T) {
	fsck, mcopy := tool(t, "fsck.vfat", "dosfstools"), tool(t, "mcopy", "mtools")
	want := files()
	w := newSample(t, want)
	for _, size := range []int64{MinSize, 64<<20 + 512, largeClusters, 512 << 20} {
		image := newImage(t, w, Options{Size: size, Serial: 0x12345678, Label: "ESP"})
		out, err := exec.CommandContext(t.Context(), fsck, "-n", "-v", image).CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("ifferen")) {
			t.Errorf("%d bytes: fsck.vfat: %v\n%s", size, err, out)
		}
		dir := t.TempDir()
		copyOut := exec.CommandContext(t.Context(), mcopy, "-s", "-i", image, "::*", dir)
		copyOut.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		if out, err := copyOut.CombinedOutput(); err != nil {
			t.Fatalf("%d bytes: mcopy: %v\n%s", size, err, out)
		}
		for name, text := range want {
			if strings.Contains(name, "😀") {
				continue // which mtools does not know; fsck does
			}
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || string(got) != text {
				t.Errorf("%d bytes: %q: %d bytes of %d, %v", size, name, len(got), len(text), err)
			}
		}
	}
}

func TestSameBytes(t *testing.T) {
	w := newSample(t, files())
	var images [2][]byte
	for i := range images {
		var err error
		if images[i], err = os.ReadFile(newImage(t, w, Options{Size: 64 << 20, Serial: 7})); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two images of one tree differ")
	}
}

func TestShortNames(t *testing.T) {
	for name, want := range map[string]string{
		"LINUX": "LINUX      ", "BOOTX64.EFI": "BOOTX64 EFI", "linux": "LINUX~1    ", "a.b.conf": "AB~1    CON",
		"LONGNAME1": "LONGNA~1   ", "x+y": "XY~1       ", ".x": "X~1        ", "": "~1         ",
	} {
		s, ok := exactShort(name)
		if !ok {
			var err error
			if s, err = (aliases{}).alias(name); err != nil {
				t.Fatal(err)
			}
		}
		if string(s[:]) != want {
			t.Errorf("%q: %q, want %q", name, s, want)
		}
	}
	used := aliases{}
	for i, want := range []string{"LINUX~1    ", "LINUX~2    ", "LINUX~3    "} {
		if s, err := used.alias(strings.Repeat(" ", i) + "linux"); err != nil || string(s[:]) != want {
			t.Errorf("%q, %v, want %q", s, err, want)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"colon":     {"a:b": ""},
		"dot":       {"a.": ""},
		"only case": {"readme": "", "README": ""},
		"not UTF-8": {"\xff": ""},
		"control":   {"a\nb": ""},
		"too large": {"x": strings.Repeat("x", MinSize)},
	} {
		w := newSample(t, files)
		if err := Write(t.Context(), discard{}, w, w.root, Options{Size: MinSize}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	w := newSample(t, map[string]string{"x": "x"})
	if err := Write(t.Context(), discard{}, w, w.root, Options{Size: MinSize - 1}); err == nil {
		t.Error("a size too small for FAT32 was accepted")
	}
	link := tree.NewBuilder(w, store.Digest{})
	if err := link.Put(t.Context(), "link", tree.Entry{Type: tree.Link, Mode: tree.ModeLink, Target: "x"}); err != nil {
		t.Fatal(err)
	}
	root, _, err := link.Write(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), discard{}, w, root, Options{Size: MinSize}); err == nil {
		t.Error("a symbolic link was accepted")
	}
}

type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
