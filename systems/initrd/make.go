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

// Make writes an initrd: program as its first program, and the modules of a kernel
// of the root, by its version. A kernel without those that are needed to mount a
// generation is an error.
func Make(ctx context.Context, w io.Writer, src Source, root store.Digest, version string, program []byte) error {
	if err := write(ctx, w, src, root, version, program); err != nil {
		return fmt.Errorf("make initrd of kernel %s: %w", version, err)
	}
	return nil
}

func write(ctx context.Context, w io.Writer, src Source, root store.Digest, version string, program []byte) error {
	m, err := openModules(ctx, src, root, version)
	if err != nil {
		return err
	}
	list, err := m.choose(ctx)
	if err != nil {
		return err
	}
	// One goroutine: how the work is shared out would show in the bytes.
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return err
	}
	archive := &cpio{to: z}
	archive.file("init", 0o755, program)
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
