package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
)

// ErrNotExist is what a store's look-ups return, wrapped, for an object,
// realisation, tree or blob that it does not hold.
var ErrNotExist = errors.New("not in the store")

// A Kind tells what an object's tree holds.
type Kind uint8

const (
	// KindFile is one file: its tree has exactly one entry, named
	// [FileEntry].
	KindFile Kind = 1
	// KindTree is a canonical tree, as builders make them: owner root, modes
	// 0444 and 0555, no extended attributes. It stands below [Dir].
	KindTree Kind = 2
	// KindRoot is a file system as a machine shall see it: owners, modes,
	// extended attributes. It exists as a tree only.
	KindRoot Kind = 3
)

// FileEntry is the name of the only entry of a [KindFile] object's tree.
const FileEntry = "content"

// String returns "file", "tree" or "root".
func (k Kind) String() string {
	switch k {
	case KindFile:
		return "file"
	case KindTree:
		return "tree"
	case KindRoot:
		return "root"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// An Object is what a store knows of one of its objects.
type Object struct {
	Path Path
	Kind Kind
	// Tree is the digest of the object's tree as it stands on disk.
	Tree Digest
	// References are the other objects that this one's contents name, sorted,
	// without duplicates and without itself.
	References []Path
	// SelfReferences are the places where the contents name the object itself,
	// in the order of the tree. Empty for most.
	SelfReferences []SelfReference
	// Size is the sum of the sizes of the files in the tree, in bytes.
	Size int64
	// Deriver is the derivation that made it, "" when it was added.
	Deriver string
}

// A SelfReference is one place where an object's contents hold its own id.
type SelfReference struct {
	// File is the slash-separated path in the tree.
	File string
	// Link is true when the id stands in a symbolic link's target.
	Link bool
	// Offset counts bytes from the beginning of the file or target.
	Offset int64
}

// A Realisation says that an output of a resolved derivation is an object.
type Realisation struct {
	Derivation DerivationHash
	Output     string
	Path       Path
}

// idVersion is hashed first. Changing anything that [MakeID] hashes means
// another version, and other ids for everything.
const idVersion = "sysc-object-1"

// MakeID computes the id of an object from its kind, name, tree and
// references. blanked is the digest of the tree with every self reference
// replaced by 32 zero bytes; for an object without self references it is the
// tree's digest. docs/formats.md has the encoding byte by byte.
func MakeID(kind Kind, name string, blanked Digest, self []SelfReference, refs []Path) string {
	h := sha256.New()
	writeString(h, idVersion)
	writeUint(h, uint64(kind))
	writeString(h, name)
	h.Write(blanked[:])
	writeUint(h, uint64(len(self)))
	for _, s := range self {
		writeString(h, s.File)
		link := uint64(0)
		if s.Link {
			link = 1
		}
		writeUint(h, link)
		writeUint(h, uint64(s.Offset))
	}
	sorted := slices.Clone(refs)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	writeUint(h, uint64(len(sorted)))
	for _, r := range sorted {
		writeString(h, string(r))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return EncodeID(sum)
}

func writeUint(h hash.Hash, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	h.Write(b[:])
}

func writeString(h hash.Hash, s string) {
	writeUint(h, uint64(len(s)))
	h.Write([]byte(s))
}
