package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"

	"sysc/internal/posixacl"
)

// Where a writable root keeps the access control lists that its builder sets. Like owners
// they name ids that do not exist behind it, so the kernel would refuse them.
const (
	accessXattr  = "user.sysc.acl.access"
	defaultXattr = "user.sysc.acl.default"
)

// recordedXattrs are the names under which attributes are kept that a builder cannot have.
var recordedXattrs = map[string]string{posixacl.Access: accessXattr, posixacl.Default: defaultXattr}

// RecordedXattr returns the name under which a writable root keeps an extended attribute
// of what it is made of: a user's own one under its own name, an access control list as
// if the builder had set it. ok is false for others, which it does not keep.
func RecordedXattr(name string) (recorded string, ok bool) {
	if recorded, ok = recordedXattrs[name]; ok {
		return recorded, true
	}
	return name, isUserXattr(name)
}

// maxACL bounds the value of an access control list, in bytes (XATTR_SIZE_MAX).
const maxACL = 64 << 10

// An xattrCall is setxattr(2), getxattr(2), removexattr(2) or a relative of one.
type xattrCall struct {
	verb xattrVerb
	file fileArg
	// name and value are addresses in the caller's memory, size is the value's.
	name, value, size uint64
}

type xattrVerb uint8

const (
	setXattr xattrVerb = iota
	getXattr
	removeXattr
)

// xattrQuestions are the calls that a [xattrCall] is of.
var xattrQuestions = map[int32]struct {
	verb     xattrVerb
	self     bool
	nofollow bool
}{
	unix.SYS_SETXATTR: {setXattr, false, false}, unix.SYS_LSETXATTR: {setXattr, false, true}, unix.SYS_FSETXATTR: {setXattr, true, false},
	unix.SYS_GETXATTR: {getXattr, false, false}, unix.SYS_LGETXATTR: {getXattr, false, true}, unix.SYS_FGETXATTR: {getXattr, true, false},
	unix.SYS_REMOVEXATTR: {removeXattr, false, false}, unix.SYS_LREMOVEXATTR: {removeXattr, false, true}, unix.SYS_FREMOVEXATTR: {removeXattr, true, false},
}

func decodeXattrCall(nr int32, args *[6]uint64) (xattrCall, bool) {
	q, ok := xattrQuestions[nr]
	if !ok {
		return xattrCall{}, false
	}
	c := xattrCall{verb: q.verb, file: fileArg{dir: unix.AT_FDCWD, path: args[0]}, name: args[1], value: args[2], size: args[3]}
	if q.nofollow {
		c.file.flags = unix.AT_SYMLINK_NOFOLLOW
	}
	if q.self {
		c.file = fileArg{dir: int32(args[0]), self: true}
	}
	return c, true
}

// serveXattr answers a call that is about an access control list. The kernel answers all
// others, whatever they are about by then: it keeps no list with ids that do not exist.
func (r *recorder) serveXattr(n *notification, call *xattrCall) error {
	name, errno := readPath(int(n.pid), call.name, r.stats.path)
	recorded, ok := recordedXattrs[string(name)]
	if errno != 0 || !ok {
		return r.listener.proceed(n.id)
	}
	var acl posixacl.ACL
	if call.verb == setXattr {
		if acl, errno = readACL(n.pid, call); errno != 0 {
			return r.listener.answer(n.id, errno)
		}
	}
	fd, errno, err := r.target(n, &call.file)
	if err != nil {
		return err
	}
	if errno != 0 {
		return r.listener.answer(n.id, errno)
	}
	defer unix.Close(fd)
	if !r.listener.valid(n.id) { // as in change
		return r.listener.answer(n.id, unix.EINTR)
	}
	f, errno := openACLFile(fd, recorded)
	if errno != 0 {
		return r.listener.answer(n.id, errno)
	}
	if call.verb == setXattr {
		return r.listener.answer(n.id, f.set(acl))
	}
	have, errno := f.get()
	switch {
	case errno != 0 || have == nil:
		return r.listener.proceed(n.id) // which finds none, or says what is wrong
	case call.verb == removeXattr:
		return r.listener.answer(n.id, f.remove())
	}
	value := have.Encode()
	switch {
	case call.size == 0:
	case call.size < uint64(len(value)):
		return r.listener.answer(n.id, unix.ERANGE)
	case !writeMemory(int(n.pid), call.value, []byte(value)):
		return r.listener.answer(n.id, unix.EFAULT)
	}
	return r.listener.answerWith(n.id, int64(len(value)))
}

func readACL(pid uint32, call *xattrCall) (posixacl.ACL, unix.Errno) {
	if call.size > maxACL {
		return nil, unix.E2BIG
	}
	value := make([]byte, call.size)
	if len(value) > 0 {
		n, errno := transfer(unix.SYS_PROCESS_VM_READV, int(pid), call.value, value)
		if errno != 0 || n < len(value) {
			return nil, unix.EFAULT
		}
	}
	acl, err := posixacl.Parse(string(value))
	if err != nil {
		return nil, unix.EINVAL
	}
	return acl, 0
}

// An aclFile is a file, or a directory, that a list is recorded on.
type aclFile struct {
	path     string // by which this process reaches it
	mode     uint32
	recorded string // name of the attribute
}

func openACLFile(fd int, recorded string) (*aclFile, unix.Errno) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, errnoOf(err)
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return nil, unix.ENOTSUP // others cannot carry the attribute (xattr(7))
	}
	return &aclFile{fmt.Sprintf("/proc/self/fd/%d", fd), st.Mode, recorded}, 0
}

// set records a list, nil for none, and gives the file the permissions that go with it.
func (f *aclFile) set(acl posixacl.ACL) unix.Errno {
	access := f.recorded == accessXattr
	if !access && acl != nil && f.mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.EACCES
	}
	if acl == nil || access && acl.Plain() {
		if errno := f.remove(); errno != 0 {
			return errno
		}
	} else if err := unix.Setxattr(f.path, f.recorded, []byte(acl.Encode()), 0); err != nil {
		return errnoOf(err)
	}
	if !access || acl == nil {
		return 0
	}
	return errnoOf(unix.Chmod(f.path, acl.Mode(f.mode)&0o7777))
}

// get returns the recorded list, nil when there is none.
func (f *aclFile) get() (posixacl.ACL, unix.Errno) {
	value := make([]byte, maxACL)
	n, err := unix.Getxattr(f.path, f.recorded, value)
	if err == unix.ENODATA {
		return nil, 0
	}
	if err != nil {
		return nil, errnoOf(err)
	}
	return recordedACL(f.recorded, string(value[:n]), f.mode), 0
}

func (f *aclFile) remove() unix.Errno {
	err := unix.Removexattr(f.path, f.recorded)
	if err == unix.ENODATA {
		return 0
	}
	return errnoOf(err)
}

// recordedACL returns the list that an attribute records of a file with a mode, nil for
// what is malformed: then the builder wrote it itself.
func recordedACL(recorded, value string, mode uint32) posixacl.ACL {
	acl, err := posixacl.Parse(value)
	if err != nil {
		return nil
	}
	if recorded == accessXattr {
		return acl.WithMode(mode)
	}
	return acl
}
