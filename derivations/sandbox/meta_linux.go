package sandbox

import (
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"sysc/store/tree"
)

const capabilityXattr = "security.capability"

// Meta tells how an entry of a root that a builder left is to be kept: whether
// it is, with which mode, owner and extended attributes. It is made for
// localstore's AddOptions.Meta, and is pure.
//
// The owner is what was recorded in [OwnerXattr], otherwise 0:0: the owner on
// disk is only whoever ran the build. Of the attributes, the user's own, the recorded access
// control lists and file capabilities remain, the latter without the user namespace that the
// kernel wrote into them; others are the host's (SELinux), or name ids that mean
// nothing elsewhere (access control lists that the kernel has). Sockets, fifos and devices are not
// kept. xattrs is not changed.
func Meta(path string, st *unix.Stat_t, xattrs []tree.Xattr) (keep bool, mode, uid, gid uint32, kept []tree.Xattr) {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		mode = st.Mode & 0o7777
	case unix.S_IFLNK:
		mode = 0o777
	default:
		return false, 0, 0, 0, nil
	}
	for _, x := range xattrs {
		switch {
		case x.Name == OwnerXattr:
			// What is malformed the builder wrote itself; it may have been root.
			owner, _ := ParseOwner(x.Value)
			uid, gid = owner.UID, owner.GID
		case x.Name == capabilityXattr:
			if value, ok := plainCapabilities(x.Value); ok {
				kept = append(kept, tree.Xattr{Name: x.Name, Value: value})
			}
		case x.Name == accessXattr || x.Name == defaultXattr:
			kept = append(kept, keptACL(x, mode)...)
		case isUserXattr(x.Name):
			kept = append(kept, x)
		}
	}
	slices.SortFunc(kept, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return true, mode, uid, gid, kept
}

func isUserXattr(name string) bool { return strings.HasPrefix(name, "user.") }

// keptACL returns the attribute of a recorded access control list, if it is one.
func keptACL(x tree.Xattr, mode uint32) []tree.Xattr {
	acl := recordedACL(x.Name, x.Value, mode)
	if acl == nil || x.Name == accessXattr && acl.Plain() {
		return nil
	}
	for name, recorded := range recordedXattrs {
		if recorded == x.Name {
			return []tree.Xattr{{Name: name, Value: acl.Encode()}}
		}
	}
	return nil
}

// plainCapabilities returns file capabilities as revision 2 of struct
// vfs_cap_data, which hold on whatever machine they are put on. Revision 3, which
// the kernel makes of it in a user namespace, adds that namespace's root id
// (capabilities(7)).
func plainCapabilities(value string) (string, bool) {
	const (
		revisionMask = 0xff000000
		revision2    = 0x02000000
		revision3    = 0x03000000
		length2      = 20
		length3      = 24
	)
	if len(value) < 4 {
		return "", false
	}
	data := []byte(value)
	magic := binary.LittleEndian.Uint32(data)
	switch {
	case magic&revisionMask == revision2 && len(data) == length2:
		return value, true
	case magic&revisionMask == revision3 && len(data) == length3:
		binary.LittleEndian.PutUint32(data, magic&^revisionMask|revision2)
		return string(data[:length2]), true
	}
	return "", false
}
