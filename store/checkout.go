package store

// CheckoutOptions says how a tree is written into a directory. The zero value
// makes an independent copy owned by whoever runs.
type CheckoutOptions struct {
	// Link makes hard links to the store where only write bits of the mode
	// differ: such a file is shared with the store, so the directory must not
	// be written to. Other files are copied, with their exact mode.
	Link bool
	// Chown gives every entry its owner and its extended attributes. It needs
	// privileges.
	Chown bool
	// OwnerXattr, if not empty, is the name of an extended attribute, as in
	// "user.sysc.owner", in which the owner of every file and directory that is
	// not root's is written as "uid:gid" in decimal. Symbolic links cannot carry
	// one (see xattr(7)). The directory must be out of other users' reach,
	// because set-id bits are kept although the owners are not.
	OwnerXattr string
	// RecordedXattr, with OwnerXattr, tells under which name an extended attribute is
	// written to a file or directory; ok is false for one that is left out. nil leaves
	// all out.
	RecordedXattr func(name string) (recorded string, ok bool)
}
