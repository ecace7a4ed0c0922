package derivations

import "sysc/store"

// OutputHashMode is the argument of definitions that says what output_hash is about.
const OutputHashMode = "output_hash_mode"

// The modes: what a result known beforehand is, as definitions and messages have
// it.
const (
	ModeFile       = "file"       // a file that is not executable; the digest is that of its bytes
	ModeTree       = "tree"       // a directory; the digest is that of its canonical listing
	ModeExecutable = "executable" // an executable file
	// ModeRoot is a root, with owners and modes; the digest is that of its listing.
	// Steps of sysc itself make one, no program does.
	ModeRoot = "root"
)

// Modes lists those of programs, for messages.
var Modes = []string{ModeFile, ModeTree, ModeExecutable}

// Fixed is what the only output of a fixed-output derivation must be.
type Fixed struct {
	// Kind is store.KindFile, store.KindTree, or store.KindRoot for a builtin step.
	Kind store.Kind
	// Digest is that of the file's bytes, or of the tree.
	Digest store.Digest
	// Executable is the file's executable bit.
	Executable bool
	// Size is the file's length in bytes where it is known, or 0. It follows from
	// Digest and is not hashed; with it the path is known too ([FixedPath]).
	Size int64
}

// MakeFixed returns a result of one of the modes; any other is not ok.
func MakeFixed(mode string, digest store.Digest) (f *Fixed, ok bool) {
	switch mode {
	case ModeFile:
		return &Fixed{Kind: store.KindFile, Digest: digest}, true
	case ModeTree:
		return &Fixed{Kind: store.KindTree, Digest: digest}, true
	case ModeExecutable:
		return &Fixed{Kind: store.KindFile, Digest: digest, Executable: true}, true
	}
	return nil, false
}

// Mode returns the mode.
func (f *Fixed) Mode() string {
	switch {
	case f.Kind == store.KindTree:
		return ModeTree
	case f.Kind == store.KindRoot:
		return ModeRoot
	case f.Executable:
		return ModeExecutable
	}
	return ModeFile
}
