package tree

import "slices"

// Equal reports whether two entries are the same in everything.
func (e Entry) Equal(f Entry) bool {
	return e.Name == f.Name && e.Type == f.Type && e.Mode == f.Mode &&
		e.UID == f.UID && e.GID == f.GID && e.Size == f.Size &&
		e.Digest == f.Digest && e.Target == f.Target && slices.Equal(e.Xattrs, f.Xattrs)
}

// Executable reports whether anybody may execute the file.
func (e Entry) Executable() bool { return e.Mode&0o111 != 0 }

// String returns "file", "directory" or "link".
func (t Type) String() string {
	switch t {
	case File:
		return "file"
	case Dir:
		return "directory"
	case Link:
		return "link"
	}
	return "unknown type"
}
