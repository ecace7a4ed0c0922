package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"sysc/store"
	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/boot"
	"sysc/systems/initrd"
	"sysc/systems/squashfs"
	"sysc/systems/uki"
)

// memoryImage is the file of an initrd that has the whole root.
const memoryImage = "root.squashfs"

// MemoryCommandLine returns the kernel's command line for what [MemoryInitrd] writes. The
// kernel gets params, then those of the system.
func MemoryCommandLine(m *systems.Manifest, params ...string) string {
	words := append([]string{"sysc.image=/" + memoryImage}, params...)
	return strings.Join(append(words, m.KernelParams...), " ")
}

// MemoryInitrd writes an initrd that has the whole system in it, from which a machine runs
// without a disk. It is for the system's kernel, which [WriteKernel] writes.
func MemoryInitrd(ctx context.Context, w io.Writer, st Store, system *systems.System) error {
	if err := memoryInitrd(ctx, w, st, system); err != nil {
		return fmt.Errorf("make initrd of system %s: %w", system.Manifest.Name, err)
	}
	return nil
}

func memoryInitrd(ctx context.Context, w io.Writer, st Store, system *systems.System) error {
	files, err := bootFiles(system.Manifest)
	if err != nil {
		return err
	}
	image, size, err := memoryRoot(ctx, st, system)
	if err != nil {
		return err
	}
	defer image.Close()
	first := files[1]
	if err := copyBlob(ctx, w, st, first); err != nil {
		return err
	}
	return initrd.Append(w, first.Size, memoryImage, image, size)
}

// memoryRoot makes the image of the root, in a file without a name.
func memoryRoot(ctx context.Context, st Store, system *systems.System) (_ *os.File, size int64, err error) {
	root, err := Root(ctx, st, system)
	if err != nil {
		return nil, 0, err
	}
	b := tree.NewBuilder(st, root)
	if err := markUpdated(ctx, st, b, "var"); err != nil {
		return nil, 0, err
	}
	if root, _, err = b.Write(ctx, st); err != nil {
		return nil, 0, err
	}
	f, err := temporary()
	if err != nil {
		return nil, 0, err
	}
	if err = squashfs.Write(ctx, f, st, root); err == nil {
		size, err = f.Seek(0, io.SeekEnd)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// temporary returns a file that is gone when it is closed.
func temporary() (*os.File, error) {
	f, err := os.CreateTemp("", "sysc-image-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// bootFiles returns the kernel and the initrd that images boot with.
func bootFiles(m *systems.Manifest) ([]boot.File, error) {
	if m.Kernel == nil {
		return nil, errors.New("it has no kernel: add a package such as linux-image-amd64")
	}
	if m.Boot.Initrd != systems.InitrdSysc || m.Initrd == nil {
		return nil, errors.New("its initrd is the distribution's, which mounts no generation: an image needs boot.initrd = \"sysc\"")
	}
	return boot.FilesOf(m), nil
}

// WriteKernel writes the system's kernel.
func WriteKernel(ctx context.Context, w io.Writer, st Store, system *systems.System) error {
	files, err := bootFiles(system.Manifest)
	if err != nil {
		return fmt.Errorf("write kernel of system %s: %w", system.Manifest.Name, err)
	}
	return copyBlob(ctx, w, st, files[0])
}

// copyBlob writes a file that a machine boots with, and checks it.
func copyBlob(ctx context.Context, w io.Writer, st Store, file boot.File) error {
	f, err := st.OpenBlob(ctx, file.Digest)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(w, io.TeeReader(io.LimitReader(f, file.Size+1), sum))
	if err != nil {
		return fmt.Errorf("copy %s: %w", file.Name, err)
	}
	if got := store.Digest(sum.Sum(nil)); got != file.Digest || n != file.Size {
		return fmt.Errorf("copy %s: the store's copy is damaged: %d bytes of %d, digest %s", file.Name, n, file.Size, got)
	}
	return nil
}

// MemoryUKI writes a program for UEFI that is the whole system, run from memory. The
// kernel gets params, then those of the system.
func MemoryUKI(ctx context.Context, w io.Writer, st Store, system *systems.System, params ...string) error {
	if err := memoryUKI(ctx, w, st, system, params); err != nil {
		return fmt.Errorf("make unified kernel image of system %s: %w", system.Manifest.Name, err)
	}
	return nil
}

func memoryUKI(ctx context.Context, w io.Writer, st Store, system *systems.System, params []string) error {
	m := system.Manifest
	f, err := temporary()
	if err != nil {
		return err
	}
	defer f.Close()
	if err := memoryInitrd(ctx, f, st, system); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	stub, err := readStub(ctx, st, m)
	if err != nil {
		return err
	}
	kernel, err := st.OpenBlob(ctx, m.Kernel.Digest)
	if err != nil {
		return err
	}
	defer kernel.Close()
	sum := sha256.New()
	err = uki.Write(w, stub, []uki.Section{
		uki.Text(uki.OSRelease, "ID=sysc\nPRETTY_NAME=\""+m.Name+"\"\n"),
		uki.Text(uki.CommandLine, MemoryCommandLine(m, params...)),
		uki.Text(uki.Release, m.Kernel.Version),
		{Name: uki.Initrd, Size: size, Data: f},
		{Name: uki.Linux, Size: m.Kernel.Size, Data: io.TeeReader(kernel, sum)},
	})
	if err != nil {
		return err
	}
	if got := store.Digest(sum.Sum(nil)); got != m.Kernel.Digest {
		return fmt.Errorf("copy kernel: the store's copy is damaged: digest %s, want %s", got, m.Kernel.Digest)
	}
	return nil
}

// stubs are the stubs of systemd-stub(7) for each platform, where packages have them.
var stubs = map[string]string{
	"linux/amd64": "usr/lib/systemd/boot/efi/linuxx64.efi.stub",
	"linux/arm64": "usr/lib/systemd/boot/efi/linuxaa64.efi.stub",
}

// readStub returns the stub that the system has.
func readStub(ctx context.Context, st Store, m *systems.Manifest) ([]byte, error) {
	name, ok := stubs[m.Platform]
	if !ok {
		return nil, fmt.Errorf("there is no stub for %s", m.Platform)
	}
	_, e, err := tree.Resolve(ctx, st, m.Root.Tree, name)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("it has no %s (/%s): add the package systemd-boot-efi", path.Base(name), name)
	}
	if err != nil {
		return nil, err
	}
	if e.Type != tree.File || e.Size > uki.MaxStub {
		return nil, fmt.Errorf("/%s: not a file of at most %d bytes", name, uki.MaxStub)
	}
	var b strings.Builder
	if err := copyBlob(ctx, &b, st, boot.File{Name: name, Digest: e.Digest, Size: e.Size}); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}
