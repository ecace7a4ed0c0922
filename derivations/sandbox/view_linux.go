package sandbox

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// wireEntries are Entries on their way into the sandbox.
type wireEntries struct {
	Dir, Work text
	Names     text // with a slash between them: one string costs less than hundreds
	FD        int  `json:",omitempty"`
}

func newWireEntries(e *Entries) *wireEntries {
	if e == nil {
		return nil
	}
	return &wireEntries{Dir: text(e.Dir), Work: text(e.Work), Names: text(strings.Join(e.Names, "/"))}
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
func mountView(top, parent place, name string, b wireBind) (err error) {
	v, err := openView(top, &b)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := v.close(); err == nil {
			err = closeErr
		}
	}()
	source, upper := v.source, v.upper
	entries, err := source.find(strings.Split(string(b.Beneath.Names), "/"))
	if err != nil {
		return err
	}
	fd := -1
	if len(b.Beneath.Work) > 0 {
		// It fails where the kernel has no overlays, or not on this file system.
		fd, err = v.layOver(entries)
	}
	if fd < 0 {
		fd, err = mountPointsOnDisk(entries, upper)
	}
	if err != nil {
		return err
	}
	shown := place{fd}
	defer shown.close()
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
		if err := source.show(e.name, shown); err != nil {
			return step(err, "show %s", e.name)
		}
	}
	return nil
}

// A view is what mountView works with.
type view struct {
	source place // that has the entries, read-only
	upper  place // the writable directory
	work   place // the directory to work in, if there is one
	top    place
	staged int // how many handed mounts are at the stage
}

// stage is where mounts that were handed in are mounted for a moment: what is to be
// cloned, and what is to be laid over something, must be mounted.
const stage = "run"

func openView(top place, b *wireBind) (*view, error) {
	v := &view{top: top, source: place{-1}, upper: place{-1}, work: place{-1}}
	var err error
	if b.FD != 0 {
		err = v.openHanded(b)
	} else {
		err = v.open(b)
	}
	if err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}

// open opens the directories by their paths.
func (v *view) open(b *wireBind) (err error) {
	if v.upper, err = openDirectory(string(b.Source)); err != nil {
		return err
	}
	if v.source, err = mountEntries(string(b.Beneath.Dir)); err != nil {
		return step(err, "open %s", b.Beneath.Dir)
	}
	if len(b.Beneath.Work) > 0 {
		v.work, _ = openDirectory(string(b.Beneath.Work))
	}
	return nil
}

// openHanded opens the directories in the mounts that were handed in.
func (v *view) openHanded(b *wireBind) error {
	outside, err := v.top.directory(stage)
	if err != nil {
		return step(err, "open /%s", stage)
	}
	defer outside.close()
	dir := place{b.FD}
	defer dir.close()
	v.source = place{b.Beneath.FD}
	for _, fd := range []int{dir.fd, v.source.fd} {
		if err := attach(fd, outside.fd); err != nil {
			return step(err, "mount at /%s", stage)
		}
		v.staged++
	}
	if v.upper, err = dir.directory(filepath.Base(string(b.Source))); err != nil {
		return err
	}
	if work := string(b.Beneath.Work); work != "" && filepath.Dir(work) == filepath.Dir(string(b.Source)) {
		v.work, _ = dir.directory(filepath.Base(work))
	}
	return nil
}

func (v *view) close() error {
	for _, p := range []place{v.source, v.upper, v.work} {
		if p.fd >= 0 {
			p.close()
		}
	}
	if v.staged == 0 {
		return nil
	}
	if err := unix.Fchdir(v.top.fd); err != nil {
		return step(err, "enter root")
	}
	for ; v.staged > 0; v.staged-- {
		if err := unix.Unmount(stage, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return step(err, "unmount /%s", stage)
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

// layOver returns the writable directory laid over one that has the mount points.
func (v *view) layOver(entries []entry) (int, error) {
	upper, work := v.upper, v.work
	if work.fd < 0 {
		return -1, unix.ENOENT
	}
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
