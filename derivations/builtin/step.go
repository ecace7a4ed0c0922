package builtin

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"os"
	"sysc/derivations"
	"sysc/internal/download"
	"sysc/internal/gitfetch"
	"sysc/internal/ocifetch"
	"sysc/store"
	"sysc/store/tree"
)

// A Func does one build step. It must set every output of the derivation
// ([Step.SetTree], [Step.SetFile]) before it returns nil, use no state but what
// the Step has, and give the same result for the same derivation.
type Func func(ctx context.Context, s *Step) error

// A Store is what steps need of a store. All methods are safe for concurrent use.
type Store interface {
	tree.Source
	tree.Sink
	// AddBlob keeps the bytes of r and returns their digest and number.
	AddBlob(ctx context.Context, r io.Reader) (store.Digest, int64, error)
	// AddFile is AddBlob for what will be a file, executable or not.
	AddFile(ctx context.Context, r io.Reader, executable bool) (store.Digest, int64, error)
	// AddBlobFile keeps a private file's bytes; the file is gone afterwards.
	AddBlobFile(ctx context.Context, path string) (store.Digest, int64, error)
	// OpenBlob opens the bytes that a digest names.
	OpenBlob(ctx context.Context, d store.Digest) (*os.File, error)
	// Object returns a valid object.
	Object(ctx context.Context, p store.Path) (store.Object, error)
}

// A Step is one derivation being realised by a [Func].
type Step struct {
	// Derivation is resolved: its texts name store objects.
	Derivation *derivations.Derivation
	// Places say where parts of it are written, for messages; see
	// [derivations.Origin].
	Places   map[string]string
	Store    Store
	Download *download.Client
	Mirrors  Mirrors
	// Past are base addresses of the past of mirrors, for what those have no longer.
	Past Mirrors
	// Git fetches repositories.
	Git gitfetch.Client
	// Registries gets images; nil means one that uses Download and has no passwords but
	// those of netrc.
	Registries *ocifetch.Client
	// TempDir makes, once, a private empty directory on the store's file system.
	// It is removed afterwards.
	TempDir func() (string, error)
	// DownloadDir is where interrupted downloads stay for the next run, on the
	// store's file system; "" means in TempDir, so that they do not stay.
	DownloadDir string
	// Progress is told how far the step is, in bytes usually; total is -1 when it
	// is not known. Never nil; safe for concurrent use.
	Progress func(done, total int64)
	// Parallel says how many goroutines the step may decode with, each of which
	// takes tens of megabytes, until it calls release. nil means one.
	Parallel func() (workers int, release func())
	// Log takes what a person may want to read afterwards, from one goroutine at a
	// time. Never nil.
	Log io.Writer

	results map[string]Result
}

// A Result is what a step made of one output.
type Result struct {
	Kind store.Kind
	Tree store.Digest
	// References are the objects that the tree's contents name.
	References []store.Path
}

// Attrs stores the derivation's attributes in v, strictly.
func (s *Step) Attrs(v any) error { return s.Derivation.Attrs.Decode(v) }

// Object returns the input that a logical path names, and what follows it in the
// path ("" or "/…"). Paths that are no input of the derivation are refused.
func (s *Step) Object(ctx context.Context, logical string) (store.Object, string, error) {
	p, rest, err := store.ParseLogical(logical)
	if err != nil {
		return store.Object{}, "", err
	}
	if !slices.Contains(s.Derivation.Sources, p) {
		return store.Object{}, "", fmt.Errorf("open input %s: not an input of the derivation", p)
	}
	o, err := s.Store.Object(ctx, p)
	if err != nil {
		return store.Object{}, "", fmt.Errorf("open input %s: %w", p, err)
	}
	return o, rest, nil
}

// File returns the entry of the file that a logical path names: a file object,
// or a file in a tree. Links on the way are followed inside of the tree.
func (s *Step) File(ctx context.Context, logical string) (tree.Entry, error) {
	o, rest, err := s.Object(ctx, logical)
	if err != nil {
		return tree.Entry{}, err
	}
	rest = strings.TrimPrefix(rest, "/")
	var e tree.Entry
	switch {
	case o.Kind == store.KindFile && rest == "":
		e, err = tree.Find(ctx, s.Store, o.Tree, store.FileEntry)
	case o.Kind == store.KindFile:
		return e, fmt.Errorf("open %s: the input is a file, not a directory", logical)
	default:
		_, e, err = tree.Resolve(ctx, s.Store, o.Tree, rest)
	}
	if err != nil {
		return e, fmt.Errorf("open %s: %w", logical, err)
	}
	if e.Type != tree.File {
		return e, fmt.Errorf("open %s: not a file", logical)
	}
	return e, nil
}

// SetTree says that an output is an object with the tree d. refs are the objects
// that its contents name; order and duplicates do not matter.
func (s *Step) SetTree(output string, kind store.Kind, d store.Digest, refs []store.Path) {
	if s.results == nil {
		s.results = make(map[string]Result)
	}
	s.results[output] = Result{Kind: kind, Tree: d, References: slices.Clone(refs)}
}

// SetFile says that an output is a file.
func (s *Step) SetFile(ctx context.Context, output string, blob store.Digest, size int64, executable bool, refs []store.Path) error {
	d, err := s.Store.AddTree(ctx, derivations.FileTree(blob, size, executable))
	if err != nil {
		return err
	}
	s.SetTree(output, store.KindFile, d, refs)
	return nil
}

// Result returns what was set for an output.
func (s *Step) Result(output string) (Result, bool) {
	r, ok := s.results[output]
	return r, ok
}

// The names of the steps that every sysc has, as derivations have them.
const (
	BuilderFetch   = derivations.BuiltinPrefix + "fetch"
	BuilderGit     = derivations.BuiltinPrefix + "git"
	BuilderImage   = derivations.BuiltinPrefix + "image"
	BuilderTree    = derivations.BuiltinPrefix + "tree"
	BuilderUnpack  = derivations.BuiltinPrefix + "unpack"
	BuilderCompose = derivations.BuiltinPrefix + "compose"
	BuilderFile    = derivations.BuiltinPrefix + "file"
)

// Fetches reports whether a step gets something from the network.
func Fetches(builder string) bool {
	return builder == BuilderFetch || builder == BuilderGit || builder == BuilderImage
}

// Standard returns the steps that every sysc has, by builder name.
func Standard() map[string]Func {
	return map[string]Func{
		BuilderFetch:   fetch,
		BuilderGit:     git,
		BuilderImage:   fetchImage,
		BuilderTree:    canonicalTree,
		BuilderUnpack:  unpack,
		BuilderCompose: compose,
		BuilderFile:    file,
	}
}
