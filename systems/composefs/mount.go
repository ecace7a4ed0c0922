// Package composefs mounts images that package erofs writes: a metadata image over a
// directory of blobs ([Mount]), or an image that stands alone ([MountImage]), also SquashFS. It needs
// the rights to mount, and nothing but the kernel: an initrd uses it, where there
// is no other program.
//
// What a kernel can do is found out by asking it, newest way first, and not by its
// version: distributions patch theirs.
package composefs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"sysc/internal/fsmount"
)

// Mount mounts the metadata image at target, a directory, read-only, with contents
// from the directory blobs. target must not have a colon or backslash in it, nor must
// blobs. Afterwards image and blobs may become unreachable by their names.
func Mount(image, blobs, target string) error {
	if err := mount(image, blobs, target); err != nil {
		return fmt.Errorf("mount composefs image %s: %w", image, err)
	}
	return nil
}

func mount(image, blobs, target string) error {
	// The overlay needs a path to the image's mount, which is there until the
	// overlay is, and stays alive in it.
	if err := MountImage("erofs", image, target); err != nil {
		return err
	}
	overlay, err := overlay(target, blobs)
	err = errors.Join(err, unix.Unmount(target, unix.MNT_DETACH))
	if err != nil {
		return err
	}
	defer unix.Close(overlay)
	return attach(overlay, target)
}

// overlay returns a detached overlay of a mounted metadata image.
func overlay(meta, blobs string) (int, error) {
	// A layer that has data alone: since Linux 6.5. Before that the image's own whiteouts hide it.
	var errs []error
	for _, lower := range []string{meta + "::" + blobs, meta + ":" + blobs} {
		fd, err := fsmount.New("overlay", true,
			fsmount.Option{"source", "composefs"}, fsmount.Option{"lowerdir", lower}, fsmount.Option{"metacopy", "on"}, fsmount.Option{"redirect_dir", "on"})
		if err == nil {
			return fd, nil
		}
		errs = append(errs, fmt.Errorf("overlay of %s: %w", lower, err))
	}
	return -1, errors.Join(errs...)
}

// MountImage mounts an image at target, read-only: a file or a block device with a file
// system of a kind that mount(2) knows, such as "erofs" or "squashfs".
func MountImage(kind, image, target string) error {
	fd, err := fsmount.New(kind, true, fsmount.Option{"source", image})
	if errors.Is(err, unix.ENOTBLK) || errors.Is(err, unix.EINVAL) {
		// Files of EROFS can be mounted as they are since Linux 6.12, on disks at least.
		fd, err = mountLoop(kind, image)
	}
	if err != nil {
		return fmt.Errorf("mount %s image %s: %w", kind, image, err)
	}
	defer unix.Close(fd)
	return attach(fd, target)
}

// mountLoop mounts an image by a loop device, which goes when the mount goes.
func mountLoop(kind, image string) (int, error) {
	file, err := os.Open(image)
	if err != nil {
		return -1, err
	}
	defer file.Close()
	device, err := attachLoop(file)
	if err != nil {
		return -1, err
	}
	defer device.Close()
	return fsmount.New(kind, true, fsmount.Option{"source", device.Name()})
}

// attachTries bounds how often another process may be faster.
const attachTries = 64

// attachLoop makes a loop device of a file.
func attachLoop(file *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range attachTries {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(device.Fd()), &unix.LoopConfig{
			Fd:   uint32(file.Fd()),
			Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			return device, nil
		}
		device.Close()
		if err != unix.EBUSY {
			return nil, fmt.Errorf("attach %s to %s: %w", file.Name(), device.Name(), err)
		}
	}
	return nil, fmt.Errorf("attach %s: no loop device stays free", file.Name())
}

// attach puts a detached mount at a directory.
func attach(mount int, target string) error {
	if err := unix.MoveMount(mount, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("attach mount to %s: %w", target, err)
	}
	return nil
}
