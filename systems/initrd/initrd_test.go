package initrd

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/store/tree"
	"sysc/systems/earlyboot"
)

var update = flag.Bool("update", false, "write testdata/archive.cpio")

func TestCpioGolden(t *testing.T) {
	var b bytes.Buffer
	c := &cpio{to: &b}
	c.file("init", 0o755, []byte("program"))
	c.dir("d")
	c.file("d/empty", 0o644, nil)
	c.file("d/four", 0o600, []byte("four"))
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/archive.cpio"
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	program, err := exec.LookPath("cpio")
	if err != nil {
		return // the golden file was checked by it
	}
	cmd := exec.CommandContext(t.Context(), program, "--list", "--quiet")
	cmd.Stdin = &b
	out, err := cmd.Output()
	if err != nil || string(out) != "init\nd\nd/empty\nd/four\n" {
		t.Errorf("cpio lists %q, %v", out, err)
	}
}

// A sample is a root in a store.
type sample struct {
	*localstore.Store
	root store.Digest
}

// newSample makes a root of files by path.
func newSample(t *testing.T, files map[string]string) *sample {
	t.Helper()
	s, err := localstore.Open(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := tree.NewBuilder(s, store.Digest{})
	if err := b.Put(t.Context(), "lib", tree.Entry{Type: tree.Link, Mode: tree.ModeLink, Target: "usr/lib"}); err != nil {
		t.Fatal(err)
	}
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

func compressed(t *testing.T, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return string(z.EncodeAll([]byte(text), nil))
}

// kernelFiles are the modules of a kernel 6.1: erofs is built in.
func kernelFiles(t *testing.T) map[string]string {
	const dir = "usr/lib/modules/6.1/"
	return map[string]string{
		dir + "modules.dep": "kernel/fs/overlayfs/overlay.ko.zst:\nkernel/fs/btrfs/btrfs.ko.zst: kernel/lib/raid6.ko kernel/lib/xor.ko\n" +
			"kernel/lib/raid6.ko: kernel/lib/xor.ko\nkernel/lib/xor.ko:\nkernel/drivers/virtio-pci.ko: kernel/drivers/virtio.ko\n" +
			"kernel/drivers/virtio.ko:\nkernel/sound/noise.ko:\n",
		dir + "modules.builtin": "kernel/fs/erofs/erofs.ko\n",
		dir + "modules.alias": "# Aliases\nalias pci:v00001AF4d*sv* virtio_pci\nalias pci:v00001AF4d00001000* virtio_pci\n" +
			"alias fs-btrfs btrfs\nalias snd* noise\n",
		dir + "kernel/fs/overlayfs/overlay.ko.zst": compressed(t, "overlay"),
		dir + "kernel/fs/btrfs/btrfs.ko.zst":       compressed(t, "btrfs"),
		dir + "kernel/lib/raid6.ko":                "raid6", dir + "kernel/lib/xor.ko": "xor",
		dir + "kernel/drivers/virtio-pci.ko": "virtio_pci", dir + "kernel/drivers/virtio.ko": "virtio",
		dir + "kernel/sound/noise.ko": "noise",
	}
}

func TestMake(t *testing.T) {
	w := newSample(t, kernelFiles(t))
	var images [2]bytes.Buffer
	for i := range images {
		if err := Make(t.Context(), &images[i], w, w.root, Request{Kernel: "6.1", Program: []byte("the program"), Modules: []string{"noise", "erofs", "virtio-pci"}}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0].Bytes(), images[1].Bytes()) {
		t.Error("two initrds of one root differ")
	}
	z, err := zstd.NewReader(&images[0])
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files, err := readCpio(z)
	if err != nil {
		t.Fatal(err)
	}
	index := []earlyboot.Module{
		{Name: "overlay", File: "overlay.ko"},
		{Name: "xor", File: "xor.ko"},
		{Name: "raid6", File: "raid6.ko", Needs: []string{"xor"}},
		{Name: "btrfs", File: "btrfs.ko", Needs: []string{"xor", "raid6"}},
		{Name: "virtio", File: "virtio.ko"},
		{Name: "virtio_pci", File: "virtio_pci.ko", Needs: []string{"virtio"},
			Aliases: []string{"pci:v00001AF4d*sv*", "pci:v00001AF4d00001000*"}},
		{Name: "noise", File: "noise.ko", Aliases: []string{"snd*"}},
	}
	want := map[string]string{
		"init": "the program", "modules": "", "modules/index": string(earlyboot.FormatModules(index)),
	}
	for _, m := range index {
		want["modules/"+m.File] = m.Name
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// readCpio reads an archive of the form newc.
func readCpio(r io.Reader) (map[string]string, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for len(data) >= 110 {
		field := func(i int) int {
			n, _ := strconv.ParseInt(string(data[6+8*i:14+8*i]), 16, 64)
			return int(n)
		}
		size, nameSize := field(6), field(11)
		name := string(data[110 : 110+nameSize-1])
		if name == "TRAILER!!!" {
			return files, nil
		}
		start := (110 + nameSize + 3) &^ 3
		files[name] = string(data[start : start+size])
		data = data[(start+size+3)&^3:]
	}
	return nil, errors.New("no trailer")
}

func TestMakeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		request Request
		change  func(files map[string]string)
		want    string
	}{
		"no kernel":       {Request{Kernel: "6.2"}, func(map[string]string) {}, "6.2"},
		"no depmod":       {Request{Kernel: "6.1"}, func(f map[string]string) { delete(f, "usr/lib/modules/6.1/modules.dep") }, "kmod"},
		"no overlayfs":    {Request{Kernel: "6.1"}, func(f map[string]string) { f["usr/lib/modules/6.1/modules.dep"] = "" }, "overlay"},
		"no asked module": {Request{Kernel: "6.1", Modules: []string{"raid-card"}}, func(map[string]string) {}, "raid_card"},
		"no module": {Request{Kernel: "6.1"}, func(f map[string]string) {
			delete(f, "usr/lib/modules/6.1/kernel/lib/xor.ko")
		}, "xor.ko"},
		"damaged module": {Request{Kernel: "6.1"}, func(f map[string]string) {
			f["usr/lib/modules/6.1/kernel/fs/overlayfs/overlay.ko.zst"] = "\x28\xb5\x2f\xfd damaged"
		}, "overlay.ko.zst"},
	} {
		files := kernelFiles(t)
		c.change(files)
		w := newSample(t, files)
		err := Make(t.Context(), io.Discard, w, w.root, c.request)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something about %s", name, err, c.want)
		}
	}
}

// The program that the initrd starts is one file without an interpreter, however this
// machine builds others, and refuses to work elsewhere than in an initrd.
func TestProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "init")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "sysc/cmd/sysc-init")
	build.Env = append(slices.Clone(os.Environ()), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "initrd") {
		t.Errorf("%v, %s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("ld-linux")) {
		t.Error("the program needs a dynamic linker")
	}
	if n := len(data); n > 4<<20 {
		t.Error(fmt.Sprintf("the program has %d bytes", n))
	}
}

// What is appended to an initrd is a further archive, at a place where a kernel looks.
func TestAppend(t *testing.T) {
	for _, size := range []int64{0, 1, 3, 4, 8} {
		var b bytes.Buffer
		b.Write(make([]byte, size))
		if err := Append(&b, size, "root", strings.NewReader("image"), 5); err != nil {
			t.Fatal(err)
		}
		at := (size + 3) &^ 3
		files, err := readCpio(bytes.NewReader(b.Bytes()[at:]))
		if want := map[string]string{"root": "image"}; err != nil || cmp.Diff(want, files) != "" || b.Len()%4 != 0 {
			t.Errorf("behind %d bytes: %q, %v", size, files, err)
		}
	}
	if err := Append(io.Discard, 0, "root", strings.NewReader("image"), 6); err == nil {
		t.Error("a file that is shorter than it should be was accepted")
	}
	if err := Append(io.Discard, 0, "root", nil, 1<<32); err == nil {
		t.Error("a file that is longer than a field of its header holds was accepted")
	}
}
