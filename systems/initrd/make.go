package initrd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"sysc/store"
	"sysc/systems/earlyboot"
)

// A Request says what is in an initrd.
type Request struct {
	// Kernel is the version of a kernel of the root.
	Kernel string
	// Program is the first program.
	Program []byte
	// Modules are further modules, by name, which are loaded where there is a device for
	// them. The kernel has to have them, built in or not.
	Modules []string
}

// Make writes an initrd for a kernel of the root. A kernel without the modules that are
// needed to mount a generation is an error.
func Make(ctx context.Context, w io.Writer, src Source, root store.Digest, r Request) error {
	if err := write(ctx, w, src, root, r); err != nil {
		return fmt.Errorf("make initrd of kernel %s: %w", r.Kernel, err)
	}
	return nil
}

func write(ctx context.Context, w io.Writer, src Source, root store.Digest, r Request) error {
	m, err := openModules(ctx, src, root, r.Kernel)
	if err != nil {
		return err
	}
	list, err := m.choose(ctx, r.Modules)
	if err != nil {
		return err
	}
	// One goroutine: how the work is shared out would show in the bytes.
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return err
	}
	archive := &cpio{to: z}
	archive.file("init", 0o755, r.Program)
	archive.dir(earlyboot.ModulesDir[1:])
	var index []earlyboot.Module
	for _, c := range list {
		data, err := m.readModule(ctx, c.path)
		if err != nil {
			return err
		}
		archive.file(earlyboot.ModulesDir[1:]+"/"+c.File, 0o644, data)
		index = append(index, c.Module)
	}
	archive.file(earlyboot.ModulesFile[1:], 0o644, earlyboot.FormatModules(index))
	return errors.Join(archive.close(), z.Close())
}
