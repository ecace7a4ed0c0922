package sandbox

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// wireEntries are Entries on their way into the sandbox.
type wireEntries struct {
	Dir, Work text
	Names     text // with a slash between them: one string costs less than hundreds
}

func newWireEntries(e *Entries) *wireEntries {
	if e == nil {
		return nil
	}
	return &wireEntries{text(e.Dir), text(e.Work), text(strings.Join(e.Names, "/"))}
}

// An entry is one of the Entries that is there.
type entry struct {
	name string
	dir  bool
}

// mountView mounts the writable directory of b at name in parent, and in it the
// entries beneath it.
//
// Each entry is a mount, which needs something to be mounted on. Hundreds of
// empty directories on a disk cost more than the rest of the sandbox, so they are
// made in a tmpfs, and the writable directory is laid over that, if there is a
// directory to work in.
func mountView(parent place, name string, b wireBind) error {
	upper, err := openDirectory(string(b.Source))
	if err != nil {
		return err
	}
	defer upper.close()
	source, err := mountEntries(string(b.Beneath.Dir))
	if err != nil {
		return step(err, "open %s", b.Beneath.Dir)
	}
	defer source.close()
	entries, err := source.find(strings.Split(string(b.Beneath.Names), "/"))
	if err != nil {
		return err
	}
	fd := -1
	if len(b.Beneath.Work) > 0 {
		// It fails where the kernel has no overlays, or not on this file system.
		fd, err = layOver(entries, upper, string(b.Beneath.Work))
	}
	if fd < 0 {
		fd, err = mountPointsOnDisk(entries, upper)
	}
	if err != nil {
		return err
	}
	top := place{fd}
	defer top.close()
	if err := parent.makeDir(name); err != nil && err != unix.EROFS { // there may be one already
		return err
	}
	target, err := parent.directory(name)
	if err != nil {
		return err
	}
	defer target.close()
	if err := attach(fd, target.fd); err != nil {
		return err
	}
	for _, e := range entries {
		if err := source.show(e.name, top); err != nil {
			return step(err, "show %s", e.name)
		}
	}
	return nil
}

func openDirectory(path string) (place, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	return place{fd}, err
}

// mountEntries mounts a directory read-only over itself in the old root, with
// which it goes: kernels before 6.15 clone nothing out of what is mounted
// nowhere. What is cloned out of it is read-only without further ado.
func mountEntries(path string) (place, error) {
	at, err := openDirectory(path)
	if err != nil {
		return place{}, err
	}
	defer at.close()
	fd, err := at.clone(readOnly)
	if err != nil {
		return place{}, err
	}
	if err := attach(fd, at.fd); err != nil {
		unix.Close(fd)
		return place{}, err
	}
	return place{fd}, nil
}

// clone returns a detached copy of the mount of p, without those below it.
func (p place) clone(attrs uint64) (int, error) {
	fd, err := unix.OpenTree(p.fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, err
	}
	attr := &unix.MountAttr{Attr_set: attrs, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// find returns those of the names that are there.
func (p place) find(names []string) ([]entry, error) {
	entries := make([]entry, 0, len(names))
	for _, name := range names {
		var st unix.Stat_t
		err := unix.Fstatat(p.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		kind := st.Mode & unix.S_IFMT
		switch {
		case err == unix.ENOENT:
			continue
		case err == nil && kind != unix.S_IFDIR && kind != unix.S_IFREG:
			err = unix.ELOOP // a link, or nothing that a store has
		}
		if err != nil {
			return nil, step(err, "look at %s", name)
		}
		entries = append(entries, entry{name, kind == unix.S_IFDIR})
	}
	return entries, nil
}

// show mounts an entry of p, as read-only as p is, over that of top.
func (p place) show(name string, top place) error {
	fd, err := unix.OpenTree(p.fd, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.MoveMount(fd, "", top.fd, name, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// makeMountPoints makes in p what entries can be mounted on.
func (p place) makeMountPoints(entries []entry) error {
	for _, e := range entries {
		mkentry := p.makeFile
		if e.dir {
			mkentry = p.makeDir
		}
		if err := mkentry(e.name); err != nil {
			return step(err, "make a mount point for %s", e.name)
		}
	}
	return nil
}

// layOver returns the directory upper laid over one that has the mount points.
func layOver(entries []entry, upper place, workPath string) (int, error) {
	work, err := openDirectory(workPath)
	if err != nil {
		return -1, err
	}
	defer work.close()
	// Where there are no such attributes nobody could make a directory.
	if err := unix.Setxattr(procLink(work.fd), "user.overlay.sysc", nil, 0); err != nil {
		return -1, err
	}
	fd, err := newMount("tmpfs", plain, "mode", "0755")
	if err != nil {
		return -1, err
	}
	lower := place{fd}
	defer lower.close()
	if err := lower.makeMountPoints(entries); err != nil {
		return -1, err
	}
	// It has to be mounted somewhere, and there it goes with the old root.
	if err := attach(fd, upper.fd); err != nil {
		return -1, err
	}
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetFlag(fs, "userxattr"); err != nil {
		return -1, err
	}
	for key, dir := range map[string]place{"lowerdir": lower, "upperdir": upper, "workdir": work} {
		if err := unix.FsconfigSetString(fs, key, procLink(dir.fd)); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	return unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, plain)
}

// mountPointsOnDisk returns the directory upper with the mount points in it.
func mountPointsOnDisk(entries []entry, upper place) (int, error) {
	if err := upper.makeMountPoints(entries); err != nil {
		return -1, err
	}
	return upper.clone(plain)
}

func procLink(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
