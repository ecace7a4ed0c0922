package earlyboot

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sysc/systems/composefs"
)

// MountMemory mounts an image of a whole root, a file, at root, a directory. What the
// machine changes goes to memory, and is gone with it. state is a directory for what
// that takes, which is made.
func MountMemory(image, state, root string) error {
	if err := mountMemory(image, state, root); err != nil {
		return fmt.Errorf("run from memory: %w", err)
	}
	return nil
}

func mountMemory(image, state, root string) error {
	f, err := os.Open(image)
	if err != nil {
		return err
	}
	found, err := probe(f)
	f.Close()
	if err != nil {
		return err
	}
	if found.kind != "squashfs" && found.kind != "erofs" {
		return fmt.Errorf("%s is neither SquashFS nor EROFS", image)
	}
	lower, changes := filepath.Join(state, "image"), filepath.Join(state, "changes")
	for _, dir := range []string{lower, changes} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := composefs.MountImage(found.kind, image, lower); err != nil {
		return err
	}
	if err := unix.Mount("changes", changes, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount %s: %w", changes, err)
	}
	upper, work := filepath.Join(changes, "upper"), filepath.Join(changes, "work")
	for _, dir := range []string{upper, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	options := "lowerdir=" + lower + ",upperdir=" + upper + ",workdir=" + work
	if err := unix.Mount("root", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay of %s: %w", image, err)
	}
	return nil
}
