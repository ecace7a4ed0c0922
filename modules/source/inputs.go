package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/internal/download"
	"sysc/internal/gitfetch"
	"sysc/internal/ocifetch"
	"sysc/store"
)

// maxInput bounds a file or archive whose hash nobody knows yet, in bytes.
const maxInput = 16 << 30

// An InputStore is what fetching inputs needs of a store.
type InputStore interface {
	builtin.Store
	MakeObject(ctx context.Context, name string, kind store.Kind, root store.Digest, refs []store.Path) (store.Object, error)
	Register(ctx context.Context, objects []store.Object, realisations []store.Realisation) error
	TempDir(ctx context.Context, pattern string) (dir string, remove func() error, err error)
	// DownloadDir is where interrupted downloads stay for the next run.
	DownloadDir() string
}

// Inputs gets inputs into a store, whatever they are now. What it has got is an object of
// that store, the one that a build would fetch. It is safe for concurrent use.
type Inputs struct {
	// Store returns the store, which is asked for when something is to be put into it.
	Store      func(context.Context) (InputStore, error)
	Git        gitfetch.Client
	Download   *download.Client
	Registries *ocifetch.Client
	// Mirrors are what addresses mirror://NAME/PATH of files stand for.
	Mirrors builtin.Mirrors
	// Past are asked for what those have no longer.
	Past builtin.Mirrors
	// Progress, if not nil, is told how many bytes of how many have arrived; total is -1
	// when it is not known.
	Progress func(what string, done, total int64)
}

// GitTags returns the tags that a repository has now.
func (f *Inputs) GitTags(ctx context.Context, r gitfetch.Remote) ([]gitfetch.Tag, error) {
	tags, err := f.Git.Tags(ctx, r)
	return tags, explain(Package{Remote: r}, err)
}

// GitRef returns the commit that a ref leads to now.
func (f *Inputs) GitRef(ctx context.Context, r gitfetch.Remote, ref string) (commit string, err error) {
	commit, err = f.Git.Resolve(ctx, r, ref)
	return commit, explain(Package{Remote: r}, err)
}

// ImageTags returns the tags that a repository of images has now.
func (f *Inputs) ImageTags(ctx context.Context, r ocifetch.Reference) ([]string, error) {
	return f.Registries.Tags(ctx, r)
}

// ImageDigest returns the digest of what a reference leads to now.
func (f *Inputs) ImageDigest(ctx context.Context, r ocifetch.Reference) (ocifetch.Digest, error) {
	return f.Registries.Resolve(ctx, r)
}

// Commit gets a commit and returns the tree of its files.
func (f *Inputs) Commit(ctx context.Context, s builtin.CommitSource) (store.Digest, error) {
	var tree store.Digest
	err := f.with(ctx, s.Remote.Name(), func(step *builtin.Step) (d derivations.Derivation, err error) {
		tree, err = step.CommitTree(ctx, gitfetch.Request{Remote: s.Remote, Commit: s.Commit, Ref: s.Ref}, s.Submodules)
		s.Tree = tree
		d, _ = s.Derivation()
		return d, explain(Package{Remote: s.Remote}, err)
	})
	return tree, err
}

// Image gets an image for a platform and returns its root.
func (f *Inputs) Image(ctx context.Context, s builtin.ImageSource) (store.Digest, error) {
	var root store.Digest
	err := f.with(ctx, s.Reference.Repository(), func(step *builtin.Step) (d derivations.Derivation, err error) {
		root, err = step.ImageTree(ctx, s.Reference, s.Platform)
		s.Root = root
		d, _ = s.Derivation()
		return d, err
	})
	return root, err
}

// File gets a file and returns its hash and its size in bytes.
func (f *Inputs) File(ctx context.Context, s builtin.FileSource) (store.Digest, int64, error) {
	err := f.with(ctx, s.Name, func(step *builtin.Step) (d derivations.Derivation, err error) {
		temp, err := step.TempDir()
		if err != nil {
			return d, err
		}
		file := filepath.Join(temp, "file")
		err = f.Download.Fetch(ctx, download.Request{URLs: s.URLs, Dest: file, Size: -1, MaxSize: maxInput, Progress: step.Progress})
		if err != nil {
			return d, err
		}
		if s.SHA256, s.Size, err = step.Store.AddBlobFile(ctx, file); err != nil {
			return d, err
		}
		_, err = step.Store.AddTree(ctx, derivations.FileTree(s.SHA256, s.Size, s.Executable))
		d, _ = s.Derivation()
		return d, err
	})
	return s.SHA256, s.Size, err
}

// KnownFile opens a file whose digest is known: the one that the store has, or what is
// fetched into it.
func (f *Inputs) KnownFile(ctx context.Context, s builtin.FileSource) (*os.File, error) {
	st, err := f.Store(ctx)
	if err != nil {
		return nil, err
	}
	if file, err := st.OpenBlob(ctx, s.SHA256); err == nil {
		return file, nil
	}
	err = f.with(ctx, s.Name, func(step *builtin.Step) (d derivations.Derivation, err error) {
		if s.Size, err = step.FetchFile(ctx, s); err != nil {
			return d, err
		}
		_, err = step.Store.AddTree(ctx, derivations.FileTree(s.SHA256, s.Size, s.Executable))
		d, _ = s.Derivation()
		return d, err
	})
	if err != nil {
		return nil, err
	}
	return st.OpenBlob(ctx, s.SHA256)
}

// with calls get with a step of the store, and registers the result of the derivation
// that it returns, which the store has then.
func (f *Inputs) with(ctx context.Context, what string, get func(*builtin.Step) (derivations.Derivation, error)) (err error) {
	st, err := f.Store(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(st.DownloadDir(), 0o700); err != nil {
		return err
	}
	dir, remove, err := st.TempDir(ctx, "input-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	step := &builtin.Step{
		Store: st, Download: f.Download, Git: f.Git, Registries: f.Registries, Mirrors: f.Mirrors, Past: f.Past, DownloadDir: st.DownloadDir(), Log: io.Discard,
		TempDir: func() (string, error) { return dir, nil },
		Progress: func(done, total int64) {
			if f.Progress != nil {
				f.Progress(what, done, total)
			}
		},
	}
	d, err := get(step)
	if err != nil {
		return err
	}
	digest := d.Fixed.Digest
	if d.Fixed.Kind == store.KindFile {
		if digest, err = derivations.FileTree(digest, d.Fixed.Size, d.Fixed.Executable).Digest(); err != nil {
			return err
		}
	}
	o, err := st.MakeObject(ctx, d.Name, d.Fixed.Kind, digest, nil)
	if err != nil {
		return err
	}
	if path, ok := derivations.FixedPath(&d); !ok || path != o.Path {
		return fmt.Errorf("fetch %s: it became %s, and a build would make %s", what, o.Path, path)
	}
	return st.Register(ctx, []store.Object{o}, nil)
}
