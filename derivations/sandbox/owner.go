package sandbox

import (
	"strconv"
	"strings"
)

// An Owner is a file's owner as [OwnerXattr] has it.
type Owner struct{ UID, GID uint32 }

// String returns "uid:gid" in decimal.
func (o Owner) String() string {
	return strconv.FormatUint(uint64(o.UID), 10) + ":" + strconv.FormatUint(uint64(o.GID), 10)
}

// ParseOwner reads what String writes, and reports whether it was that.
func ParseOwner(s string) (Owner, bool) {
	uid, gid, ok := strings.Cut(s, ":")
	if !ok {
		return Owner{}, false
	}
	u, errU := strconv.ParseUint(uid, 10, 32)
	g, errG := strconv.ParseUint(gid, 10, 32)
	o := Owner{UID: uint32(u), GID: uint32(g)}
	if errU != nil || errG != nil || o.String() != s {
		return Owner{}, false
	}
	return o, true
}
