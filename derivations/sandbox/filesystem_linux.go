package sandbox

import (
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// enterFilesystem makes the file system that the request describes and makes it
// the root of this process. What was the root is gone afterwards.
func enterFilesystem(req *request) error {
	if err := kernelStep(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), "make mounts private"); err != nil {
		return err
	}
	top, err := mountTop(req)
	if err != nil {
		return err
	}
	defer top.close()
	if err := mountOwn(top, req); err != nil {
		return err
	}
	if err := mountBinds(top, req); err != nil {
		return err
	}
	if !req.WritableRoot && !req.lacks(readOnlyMounts) {
		if err := top.seal(); err != nil {
			return step(err, "make root read-only")
		}
	}
	return pivot(top)
}

// mountTop mounts the new root over the directory that it is made of: a clone
// of it if it is to be written, otherwise a tmpfs that shows its entries
// read-only and has room for mount points that it lacks.
func mountTop(req *request) (place, error) {
	if req.RootFD != 0 {
		return mountHandedTop(req)
	}
	source, err := unix.Open(string(req.Root), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return place{}, step(err, "open root %s", req.Root)
	}
	defer unix.Close(source)
	if req.WritableRoot {
		fd, err := cloneTop(source)
		if err != nil {
			return place{}, kernelStep(err, "clone root")
		}
		return place{fd}, step(attach(fd, source), "mount root")
	}
	fd, err := newMount("tmpfs", plain, "mode", "0755")
	if err != nil {
		return place{}, kernelStep(err, "make a tmpfs")
	}
	top := place{fd}
	if err := attach(fd, source); err != nil {
		return top, step(err, "mount root")
	}
	return top, showEntries(top, source, req)
}

// mountHandedTop is mountTop with the root's mount at hand. The directory that it
// is made of may be out of this process's reach, so it goes where all can.
func mountHandedTop(req *request) (place, error) {
	defer unix.Close(req.RootFD)
	slash, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return place{}, step(err, "open /")
	}
	defer unix.Close(slash)
	if req.WritableRoot {
		fd, err := unix.Dup(req.RootFD)
		if err != nil {
			return place{}, err
		}
		return place{fd}, step(attach(fd, slash), "mount root")
	}
	fd, err := newMount("tmpfs", plain, "mode", "0755")
	if err != nil {
		return place{}, kernelStep(err, "make a tmpfs")
	}
	top := place{fd}
	if err := attach(fd, slash); err != nil {
		return top, step(err, "mount root")
	}
	// What is to be cloned must be mounted, so it is, for the moment.
	if err := top.makeDir("run"); err != nil {
		return top, step(err, "make /run")
	}
	run, err := top.directory("run")
	if err != nil {
		return top, step(err, "open /run")
	}
	defer run.close()
	if err := attach(req.RootFD, run.fd); err != nil {
		return top, step(err, "mount root")
	}
	if err := showEntries(top, req.RootFD, req); err != nil {
		return top, err
	}
	if err := unix.Fchdir(top.fd); err != nil {
		return top, step(err, "enter root")
	}
	return top, step(unix.Unmount("run", unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW), "unmount root")
}

func cloneTop(source int) (int, error) {
	fd, err := unix.OpenTree(source, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, err
	}
	attr := &unix.MountAttr{Attr_set: plain, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// ownDirs are the directories at the top that are the sandbox's own, whatever
// the root has there.
var ownDirs = []string{"build", "dev", "proc", "run", "sysc", "tmp"}

// showEntries makes every entry of the directory source visible in top.
func showEntries(top place, source int, req *request) error {
	name := string(req.Root)
	dirFD, err := unix.Openat(source, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return step(err, "open root %s", name)
	}
	dir := os.NewFile(uintptr(dirFD), name)
	defer dir.Close()
	entries, err := dir.Readdirnames(-1)
	if err != nil && err != io.EOF {
		return step(err, "list root %s", name)
	}
	for _, entry := range entries {
		if slices.Contains(ownDirs, entry) || entry == "sys" {
			continue // /sys would show the host's devices
		}
		if err := showEntry(top, source, entry, req.inputAttrs()); err != nil {
			return step(err, "show /%s of the root", entry)
		}
	}
	for _, name := range ownDirs {
		if err := top.makeDir(name); err != nil {
			return step(err, "make /%s", name)
		}
	}
	return nil
}

// inputAttrs are the attributes of mounts that the builder only reads.
func (r *request) inputAttrs() uint64 {
	return r.Without.inputAttrs()
}

func (p protection) inputAttrs() uint64 {
	if p&readOnlyMounts != 0 {
		return plain
	}
	return readOnly
}

func showEntry(top place, source int, name string, attrs uint64) error {
	var st unix.Stat_t
	if err := unix.Fstatat(source, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(source, name, target)
		if err != nil {
			return err
		}
		return unix.Symlinkat(string(target[:n]), top.fd, name)
	case unix.S_IFDIR:
		if err := top.makeDir(name); err != nil {
			return err
		}
	case unix.S_IFREG:
		if err := top.makeFile(name); err != nil {
			return err
		}
	default:
		return nil // a root that was composed has nothing else
	}
	fd, err := clone(source, name, attrs)
	if err != nil {
		return err
	}
	return top.mount(fd, name)
}

// mountOwn mounts what is not the root's: proc, devices, temporary directories.
func mountOwn(top place, req *request) error {
	if !req.WritableRoot {
		if err := mountEtc(top, req); err != nil {
			return err
		}
	}
	if err := mountDev(top); err != nil {
		return err
	}
	if err := mountProc(top, req); err != nil {
		return err
	}
	for _, t := range temporaryDirs {
		if req.WritableRoot && t.path == "var/tmp" {
			continue // the root's own
		}
		if err := mountTemporary(top, t); err != nil {
			return err
		}
	}
	if req.WritableRoot && hasBindBelow(req, "/sysc") {
		return mountTemporary(top, temporaryDir{"sysc", "0755", false})
	}
	return nil
}

// A temporaryDir is an empty directory of the sandbox's own.
type temporaryDir struct {
	path, mode string
	// optional means only where the root has such a directory.
	optional bool
}

var temporaryDirs = []temporaryDir{{"tmp", "1777", false}, {"run", "0755", false}, {"var/tmp", "1777", true}}

func mountTemporary(top place, t temporaryDir) error {
	if t.optional {
		p, err := top.directory(t.path)
		if err != nil {
			return nil
		}
		p.close()
	}
	p, err := top.mountNew(t.path, "tmpfs", plain, "mode", t.mode)
	if err != nil {
		return step(err, "mount /%s", t.path)
	}
	p.close()
	return nil
}

func hasBindBelow(req *request, dir string) bool {
	return slices.ContainsFunc(req.Binds, func(b wireBind) bool { return below(string(b.Target), dir) })
}

// mountBinds shows the inputs, outer ones before those inside them.
func mountBinds(top place, req *request) error {
	binds := slices.Clone(req.Binds)
	slices.SortFunc(binds, func(a, b wireBind) int { return strings.Compare(string(a.Target), string(b.Target)) })
	parents := make(map[string]place)
	defer func() {
		for _, p := range parents {
			p.close()
		}
	}()
	for _, b := range binds {
		dir, name := path.Split(string(b.Target))
		dir = strings.Trim(dir, "/")
		parent, ok := parents[dir]
		if !ok {
			var err error
			if parent, err = makeDirs(top, dir, req.WritableRoot); err != nil {
				return step(err, "make /%s", dir)
			}
			parents[dir] = parent
		}
		if b.Beneath != nil {
			if err := mountView(top, parent, name, b); err != nil {
				return step(err, "show %s as %s", b.Source, b.Target)
			}
			continue
		}
		attrs := uint64(plain)
		if !b.Writable {
			attrs = req.inputAttrs()
		}
		if err := mountBind(parent, name, b, attrs, req.WritableRoot && !inOwn(string(b.Target))); err != nil {
			return step(err, "show %s as %s", b.Source, b.Target)
		}
	}
	return nil
}

// inOwn reports whether something made at the path leaves no trace in a
// writable root.
func inOwn(p string) bool {
	first, rest, deeper := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	if first == "build" && !deeper {
		return true // made, and removed again, by makeMountPoints
	}
	return rest != "" && slices.Contains(ownDirs, first)
}

// makeDirs opens the directory dir, "" being the top, making what is missing.
// existing means that outside of the sandbox's own directories nothing may be.
func makeDirs(top place, dir string, existing bool) (place, error) {
	at, err := top.directory(".")
	if err != nil || dir == "" {
		return at, err
	}
	seen := ""
	for name := range strings.SplitSeq(dir, "/") {
		seen += "/" + name
		next, err := at.directory(name)
		if err == unix.ENOENT && (!existing || inOwn(seen)) {
			if err = at.makeDir(name); err == nil {
				next, err = at.directory(name)
			}
		}
		at.close()
		if err != nil {
			return place{}, err
		}
		at = next
	}
	return at, nil
}

func mountBind(parent place, name string, b wireBind, attrs uint64, existing bool) error {
	fd, err := b.FD, error(nil)
	if fd == 0 {
		fd, err = clone(unix.AT_FDCWD, string(b.Source), attrs)
	}
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && !existing {
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			err = parent.makeDir(name)
		case unix.S_IFREG:
			err = parent.makeFile(name)
		default:
			err = unix.ELOOP // a link, or nothing that a store has
		}
	}
	if err != nil && err != unix.EROFS { // there may be one already
		unix.Close(fd)
		return err
	}
	return parent.mount(fd, name)
}

// pivot makes top the root and drops the old one.
func pivot(top place) error {
	if err := unix.Fchdir(top.fd); err != nil {
		return step(err, "enter root")
	}
	// The old root is stacked upon the new one and taken off again, so that it
	// needs no directory (pivot_root(2), "pivot_root(".", ".")").
	if err := unix.PivotRoot(".", "."); err != nil {
		return kernelStep(err, "pivot into root")
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return kernelStep(err, "detach the old root")
	}
	return step(unix.Chdir("/"), "enter root")
}
