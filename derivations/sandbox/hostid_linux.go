package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// rootsBuilder is the user and group of the host that stand behind the builders
// of root: nobody has it, and it owns nothing. (It is "sysc" in ASCII.)
const rootsBuilder = 0x73797363

// firstMountFD is the descriptor of the first mount that process 1 is handed.
const firstMountFD = controlFD + 1

// A host is what stands behind a builder on the host.
type host struct {
	uid, gid int
	// mounts are what the builder sees, ready to be attached: root, then the binds;
	// for one with entries beneath, the directory that its Source is in, and the one
	// that the entries are in. Without them process 1 makes them itself.
	mounts []*os.File
	// untranslated is whether a file system to be written does not support it.
	untranslated bool
}

func (h *host) close() {
	for _, m := range h.mounts {
		m.Close()
	}
}

// openHost finds out whom the builder is on the host: the caller, unless that is
// root. Root's builders are somebody without any rights, so that one that broke
// out would be nobody rather than root. As that user cannot reach what root keeps
// to itself, this process opens it for process 1; and as files that the builder
// makes shall be root's, as those that it reads are, the mounts translate
// between the two (mount_setattr(2), "ID-mapped mounts").
//
// File systems that cannot do that leave root behind the builder, and so do limits
// of descriptors that are too small for all mounts. It must be called on a locked
// thread.
func openHost(spec *Spec) (*host, error) {
	caller := &host{uid: os.Geteuid(), gid: os.Getegid()}
	if spec.without&nobodyBehind != 0 || !mayGiveUpRoot() {
		return caller, nil
	}
	if !mayOpen(len(spec.Binds)) {
		return caller, nil
	}
	shared := spec.Shared
	if shared == nil {
		shared = &Shared{}
		defer shared.Close()
	}
	translation, err := shared.translation()
	if err != nil {
		return caller, nil // no right to do that, most likely
	}
	h := &host{uid: rootsBuilder, gid: rootsBuilder}
	if err := h.openMounts(spec, translation); err != nil {
		h.close()
		if h.untranslated || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			return caller, nil
		}
		return nil, err
	}
	return h, nil
}

// mayGiveUpRoot reports whether the caller is root where rootsBuilder exists.
func mayGiveUpRoot() bool {
	var self unix.Stat_t
	return os.Geteuid() == 0 && os.Getegid() == 0 && mayDropGroups() &&
		mapped("/proc/self/uid_map") && mapped("/proc/self/gid_map") &&
		// That user has to start this program.
		unix.Stat("/proc/self/exe", &self) == nil && self.Mode&0o001 != 0
}

// mayOpen reports whether so many mounts can be open, here and, while they are
// handed over, twice in process 1.
func mayOpen(mounts int) bool {
	const others = 32
	var limit unix.Rlimit
	return unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil && uint64(2*mounts+others) <= limit.Cur
}

// mapped reports whether a map of ids (user_namespaces(7)) has rootsBuilder.
func mapped(path string) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return false
		}
		first, err1 := strconv.ParseUint(fields[0], 10, 32)
		count, err2 := strconv.ParseUint(fields[2], 10, 32)
		if err1 == nil && err2 == nil && first <= rootsBuilder && rootsBuilder-first < count {
			return true
		}
	}
	return false
}

// translation returns the namespace that translates between root and rootsBuilder.
func (s *Shared) translation() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tried {
		var fd int
		if fd, s.err = openTranslation(); s.err == nil {
			s.ids = os.NewFile(uintptr(fd), "user namespace")
		}
		s.tried = true
	}
	if s.err != nil {
		return -1, s.err
	}
	return int(s.ids.Fd()), nil
}

// openTranslation returns a user namespace whose root is rootsBuilder. The kernel
// has no way to make one without a process: this one is stopped before it runs.
func openTranslation() (int, error) {
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: rootsBuilder, Size: 1}}
	p, err := os.StartProcess("/proc/self/exe", []string{initName}, &os.ProcAttr{Sys: &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, Ptrace: true, Pdeathsig: syscall.SIGKILL,
	}})
	if err != nil {
		return -1, err
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	p.Kill()
	_, waitErr := p.Wait()
	return fd, errors.Join(err, waitErr)
}

func (h *host) openMounts(spec *Spec, translation int) error {
	attrs := uint64(plain)
	if !spec.WritableRoot {
		attrs = spec.without.inputAttrs()
	}
	if err := h.openMount(spec.Root, attrs, spec.WritableRoot, translation); err != nil {
		return step(err, "open root %s", spec.Root)
	}
	for _, b := range spec.Binds {
		if b.Beneath != nil {
			if err := h.openView(&b, spec.without.inputAttrs(), translation); err != nil {
				return err
			}
			continue
		}
		attrs := uint64(plain)
		if !b.Writable {
			attrs = spec.without.inputAttrs()
		}
		if err := h.openMount(b.Source, attrs, b.Writable, translation); err != nil {
			return step(err, "show %s as %s", b.Source, b.Target)
		}
	}
	return nil
}

// openView adds the two mounts of a bind with entries beneath.
func (h *host) openView(b *Bind, attrs uint64, translation int) error {
	if err := h.openMount(filepath.Dir(b.Source), plain, true, translation); err != nil {
		return step(err, "show %s as %s", b.Source, b.Target)
	}
	entries, err := openDirectory(b.Beneath.Dir)
	if err != nil {
		return step(err, "open %s", b.Beneath.Dir)
	}
	entries.close()
	return step(h.openMount(b.Beneath.Dir, attrs, false, translation), "open %s", b.Beneath.Dir)
}

// openMount adds a mount of path. One that is only read works untranslated, too.
func (h *host) openMount(path string, attrs uint64, writable bool, translation int) error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return err
	}
	h.mounts = append(h.mounts, os.NewFile(uintptr(fd), path))
	set := func(attr *unix.MountAttr) error {
		return unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, attr)
	}
	err = set(&unix.MountAttr{Attr_set: attrs | unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(translation), Propagation: unix.MS_PRIVATE})
	if err != nil && writable {
		h.untranslated = true
		return err
	}
	if err != nil {
		err = set(&unix.MountAttr{Attr_set: attrs, Propagation: unix.MS_PRIVATE})
	}
	return err
}
