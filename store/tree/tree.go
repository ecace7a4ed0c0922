// Package tree is the canonical listing of a directory: its entries, its
// encoding, and what can be done with listings alone (look-up, walk, diff,
// merge). It reads and writes no files.
//
// A [Tree] lists one directory. Directories inside it are trees of their own,
// named by the digest of their encoding, so the digest of the top one vouches
// for everything below (a Merkle tree). A [Builder] changes a tree without
// expanding what it does not touch.
//
// The encoding is in docs/formats.md, byte by byte; Decode refuses whatever
// Encode could not have written.
package tree

import (
	"context"

	"sysc/store"
)

// A Type tells what an entry is.
type Type uint8

const (
	File Type = 'f' // a regular file
	Dir  Type = 'd' // a directory
	Link Type = 'l' // a symbolic link
)

// Limits that every decoder and writer holds. A tree outside them is refused.
const (
	MaxName       = 255       // bytes of an entry's name, or an extended attribute's
	MaxTarget     = 4095      // bytes of a symbolic link's target
	MaxDepth      = 256       // directories below one another
	MaxEntries    = 1 << 24   // entries of one directory
	MaxEncoding   = 512 << 20 // bytes of one directory's encoding
	MaxXattrs     = 256       // extended attributes of one entry
	MaxXattrValue = 64 << 10  // bytes of an extended attribute (XATTR_SIZE_MAX)
)

// MaxExpanded is how many entries a tree may have with all directories below it,
// each counted as often as it occurs. The encoding does not show it, so whoever
// registers a tree or writes it out has to look. Installed systems stay below two
// million.
const MaxExpanded = 1 << 26

// An Entry is one name in a directory.
type Entry struct {
	// Name is the name's bytes: not empty, no slash, no NUL, not "." or "..".
	Name string
	Type Type
	// Mode has the permission bits with setuid, setgid and sticky, as in
	// chmod(2): at most 07777. A link's is 0777.
	Mode     uint32
	UID, GID uint32
	// Xattrs are extended attributes, sorted by name, no name twice.
	Xattrs []Xattr
	// Size is the file's length in bytes. For a directory it is the sum of the
	// sizes of all files below; for a link 0.
	Size int64
	// Digest names the file's blob or the directory's tree. Zero for a link.
	Digest store.Digest
	// Target is where a link points. Empty for others.
	Target string
}

// An Xattr is one extended attribute.
type Xattr struct {
	Name  string
	Value string
}

// A Tree is the listing of one directory, in strictly increasing order of
// its entries' names, compared as bytes.
type Tree struct {
	Entries []Entry
}

// A Source looks trees up. An unknown digest is store.ErrNotExist, wrapped.
type Source interface {
	Tree(ctx context.Context, d store.Digest) (*Tree, error)
}

// A Sink keeps trees.
type Sink interface {
	AddTree(ctx context.Context, t *Tree) (store.Digest, error)
}
